"""A stage's figures for tables, terminals and programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.drawing.frame import short_number
from eval.report.names import metric
from eval.report.stages import Stage

REWARD_TOTAL = "reward"


def figures(stage: Stage) -> dict[str, Any]:
    """A stage's figures for tables and programs: counts, first and last metrics, scores."""
    found: dict[str, Any] = {}
    for key in ("docs_in", "docs_out", "drops", "seconds"):
        if key in stage.stats:
            found[key] = stage.stats[key]
    found |= {key: value for key, value in stage.stats.items() if key.startswith("tokens") or key == "chunks"}
    for key in ("num_tokens", "num_sequences", "documents", "tokens"):
        if isinstance(stage.dataset.get(key), int | float):
            found[key] = stage.dataset[key]
    for key in _shown_metrics(stage):
        values = [value for _, value in stage.series(key) if value == value]
        if values:
            found[f"{key}_first"], found[f"{key}_last"] = round(values[0], 6), round(values[-1], 6)
    found |= record_scores(stage)
    return found


def text_table(stages: Sequence[Stage]) -> str:
    """The same for a terminal."""
    rows = [["stage", "in", "out", "seconds", "figures"], *stage_rows(stages)]
    shown = [
        ["" if cell is None else cell if isinstance(cell, str) else short_number(cell) for cell in row] for row in rows
    ]
    widths = [max(len(row[column]) for row in shown) for column in range(4)]
    lines = []
    for name, *numbers, rest in shown:
        columns = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *columns, rest]).rstrip())
    return "\n".join(lines)


def stage_rows(stages: Sequence[Stage]) -> list[list[Any]]:
    """A row per stage: its name, what it did, its time, its headline figures in words."""
    rows = []
    for stage in stages:
        known = figures(stage)
        documents = [known.pop(key, None) for key in ("docs_in", "docs_out")]
        seconds = known.pop("seconds", None)
        told = [_count(key, value) for key, value in known.items() if key in COUNTS]
        told += [_moved(stage, key) for key in _shown_metrics(stage)]
        scored = record_scores(stage) if stage.record else {}
        told += [f"{_score(key)} {short_number(value)}" for key, value in list(scored.items())[:MOST_SCORES]]
        if len(scored) > MOST_SCORES:
            told.append(f"{len(scored) - MOST_SCORES} more scores")
        if stage.trained_nothing:
            told.insert(0, "no step was trained")
        rows.append([stage.name, *documents, seconds, "; ".join(filter(None, dict.fromkeys(told)))])
    return rows


COUNTS = {
    "documents": "documents",
    "tokens": "tokens",
    "num_tokens": "tokens",
    "num_sequences": "sequences",
    "tokens_organic": "tokens before",
    "tokens_kept": "tokens after",
    "tokens_completion": "tokens generated",
    "chunks_in": "parts",
}
"""Counts of a stage's record that stand in its row → what they count."""

MOST_SCORES = 3
"""Scores of a record that stand in its row; the section about evaluation has them all."""


def _count(key: str, value: Any) -> str:
    return f"{short_number(value)} {COUNTS[key]}" if isinstance(value, int | float) else ""


def _moved(stage: Stage, key: str) -> str:
    values = [value for _, value in stage.series(key) if value == value]
    name = "total reward, held out" if key == f"eval_{REWARD_TOTAL}" else metric(key).text.lower()
    if not values:
        return ""
    if len(values) == 1:
        return f"{name} {short_number(values[0])}"
    return f"{name} from {short_number(values[0])} to {short_number(values[-1])}"


def _score(key: str) -> str:
    name = metric(key).text
    return name.lower() if "/" in key and name[1:2].islower() else name if key.startswith("Core") else key


def record_scores(stage: Stage) -> dict[str, float]:
    """The numbers of an evaluation record: tasks, aggregates, bits per byte."""
    found: dict[str, float] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, int | float):
            found[prefix] = value
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{prefix}/{key}" if prefix else str(key), inner)

    for key in ("Core_v1", "Core_v2", "core_partial", "bpb"):
        walk(key, stage.record.get(key))
    for name, metrics in stage.record.get("eval_metrics", {}).items():
        walk("" if name == "icl" else name, metrics)
    reasoning = stage.record.get("reasoning", {})
    for name, cell in reasoning.get("cells", {}).items():
        walk(f"{cell['title']} ({name})", cell.get("score"))
    for name, average in reasoning.get("averages", {}).items():
        if not average["missing"]:
            walk(f"average {name}", average["score"])
    return found


def is_reward(key: str) -> bool:
    """Whether a metric is the mean of a reward."""
    return key == REWARD_TOTAL or key.startswith("rewards/")


def _shown_metrics(stage: Stage) -> list[str]:
    keys = stage.metric_keys()
    return [key for key in keys if key in (REWARD_TOTAL, f"eval_{REWARD_TOTAL}", "loss") or "bpb" in key]
