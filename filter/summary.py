"""What a filter run kept and why, for a terminal."""

from typing import Any

import numpy as np


def table(dataset: dict[str, Any]) -> str:
    """What was kept of each source, and every step's counts, for a terminal."""
    lines = [f"{'source':<16}{'documents in':>14}{'kept':>12}{'share':>8}{'tokens kept':>16}  rule"]
    for one in dataset["sources"]:
        share = one["documents_selected"] / one["documents_in"] if one["documents_in"] else 0.0
        rule = ", ".join(f"{key} {value}" for key, value in one["select"].items() if value is not None)
        lines.append(
            f"{one['name']:<16}{one['documents_in']:>14,}{one['documents_selected']:>12,}{share:>8.1%}"
            f"{one['tokens_selected']:>16,}  {rule}"
        )
    for one in dataset["sources"]:
        lines += ["", *_bars(one)]
    lines.append("")
    for step in dataset["steps"]:
        drops = ", ".join(f"{reason} {number:,}" for reason, number in sorted(step["drops"].items()))
        lines.append(
            f"{step['step']:<14}{step['source']:<16}{step['docs_in']:>12,} in{step['docs_out']:>12,} out"
            + (f"   dropped: {drops}" if drops else "")
        )
    return "\n".join(lines)


def _bars(source: dict[str, Any], width: int = 40) -> list[str]:
    if not source["histogram"]:
        return []
    picture = source["histogram"]
    tens = {name: np.add.reduceat(picture[name], range(0, len(picture[name]), 10)) for name in ("documents", "kept")}
    edges = picture["edges"][::10]
    lines = [f"{source['name']}: {source['scorer']}, all and kept (█) documents"]
    for start, end, number, kept in zip(edges[:-1], edges[1:], tens["documents"], tens["kept"], strict=True):
        full = round(width * kept / tens["documents"].max())
        rest = round(width * number / tens["documents"].max()) - full
        lines.append(f"  {start:8.4g} to {end:8.4g} {number:10,} {kept:10,} {'█' * full}{'░' * rest}")
    lines.append("  quantiles " + "  ".join(f"{share}: {value:.4g}" for share, value in source["quantiles"].items()))
    return lines
