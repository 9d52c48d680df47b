"""What a filter run kept and why: the figures of `dataset.json`, and a table for a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from filter.selection.cut import passes

if TYPE_CHECKING:
    from filter.config import FilterConfig


def dataset_figures(
    config: "FilterConfig",
    sources: Sequence[Mapping[str, Any]],
    both: int,
    gathered: Sequence[Mapping[str, Any]],
    training: int | None,
) -> dict[str, Any]:
    """What `dataset.json` says of the pool as a whole.

    Args:
        config: the recipe.
        sources: figures of each source.
        both: pages kept as organic and as recycled text.
        gathered: stats of the output shards.
        training: tokens that a training run will see, if that is known.
    """
    counted = config.tokenizer or config.bytes_per_token
    # what comes once at most is unique; what comes more often was the whole source
    unique = sum(one["tokens"] if one["epochs"] <= 1 else one["tokens_unique"] for one in sources)
    return {
        "documents": sum(one["docs_out"] for one in gathered),
        "tokens": sum(one["tokens"] for one in sources) if counted else None,
        "unique_tokens": unique if counted else None,
        "token_count": config.token_count().model_dump(mode="json"),
        "training_tokens": training,
        "tokens_for": config.tokens_for,
        "passes": passes(training, unique) if training and unique else None,
        "pages_in_both_versions": both,
        "both_versions": config.both_versions,
        "mix": config.mix.model_dump(mode="json"),
        "seed": config.seed,
        "shards": len(gathered),
    }


def refuse_nothing_left(dataset: Mapping[str, Any]) -> None:
    """Say that nothing is left of pools that held something, and where it went, in place of a finished empty pool.

    Raises:
        ValueError: that is so.
    """
    if not dataset["documents"] and any(step["docs_in"] for step in dataset["steps"]):
        steps = ((step["source"], drop) for step in dataset["steps"] for drop in step["drops"].items())
        drops = "; ".join(f"{source}: {number:,} {reason}" for source, (reason, number) in steps)
        raise ValueError(f"no document is left of {len(dataset['sources'])} sources ({drops})")


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
