"""A record for a terminal: scores, intervals, CORE in words."""

from collections.abc import Mapping
from typing import Any

from eval.reasoning.table import reasoning_table


def table(record: Mapping[str, Any]) -> str:
    """A record's scores for a terminal."""
    scored = bool(record.get("entries")) or "bpb_details" in record or "lm_eval" in record["eval_metrics"]
    parts = [_likelihood_table(record)] if scored else []
    parts += [reasoning_table(record)] if "reasoning" in record else []
    return "\n\n".join(parts)


def _likelihood_table(record: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("task", "score", "95 % interval", "centred", "rows")]
    for name, facts in record.get("entries", {}).items():
        low, high = facts["interval_95"]
        centred = facts.get(f"centered_{record['eval_version']}")
        shown = f"{centred:+.4f}" if centred is not None else ""
        rows.append((name, f"{facts['accuracy']:.4f}", f"{low:.3f} to {high:.3f}", shown, f"{facts['rows']:,}"))
    if "bpb_details" in record:
        facts = record["bpb_details"]
        if facts["bits_per_byte"] is not None:
            low, high = facts["interval_95"]
            cells = (f"{facts['bits_per_byte']:.4f}", f"{low:.4f} to {high:.4f}", "", f"{facts['documents']:,}")
            rows.append(("bits per byte", *cells))
        rows.append(("nats per token", f"{facts['nats_per_token']:.4f}", "", "", f"{facts['documents']:,}"))
    for name, metrics in record["eval_metrics"].get("lm_eval", {}).items():
        rows += [(f"{name} {metric}", f"{value:.4f}", "", "", "") for metric, value in metrics.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        f"{row[0]:<{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in [*lines, *summary(record)])


def summary(record: Mapping[str, Any]) -> list[str]:
    """CORE in words: the score, or what is missing of it and the labelled rest."""
    if not record.get("entries"):
        return []
    lines = [""]
    short = record["rows_scored_of_published"]
    part = f" (partial: not all published rows of {len(short)} entries were scored)" if short else ""
    if "core_partial" in record:
        rest = record["core_partial"]
        if rest["n"]:
            lines.append(
                f"{rest['label']}: v1 {rest['mean_v1']:.4f}, v2 {rest['mean_v2']:.4f}"
                f" {_interval(record, 'core_partial_' + record['eval_version'])}{part}"
            )
        lines.append(f"CORE: N/A, {len(rest['missing'])} entries missing: {', '.join(rest['missing'])}")
    else:
        interval = _interval(record, f"Core_{record['eval_version']}")
        lines.append(f"CORE: v1 {record['Core_v1']:.4f}, v2 {record['Core_v2']:.4f} {interval}{part}")
    for name, means in record.get("core_sets", {}).items():
        if name == "core_repro" and not means["v1"]["missing"]:
            lines.append(f"{name} (22 entries, not CORE): v1 {means['v1']['mean']:.4f}, v2 {means['v2']['mean']:.4f}")
    return lines


def _interval(record: Mapping[str, Any], name: str) -> str:
    low, high = record["intervals_95"][name]
    return f"[{low:.4f}, {high:.4f}]"
