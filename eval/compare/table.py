"""The table and its cautions."""

from collections.abc import Sequence

from eval.compare.differences import CompareConfig, Loaded, compare
from eval.compare.published import PUBLISHED
from eval.core.aggregate import core_partial
from eval.core.baselines import Version


def render(runs: Sequence[Loaded], config: CompareConfig) -> str:
    """The table: a line per score and run after the first."""
    first, *others = runs
    if not any(run.accuracies or "bpb" in run.record for run in runs):
        return "\n".join([_heading(runs), *_cautions(runs)])
    lines = [_heading(runs), *_cautions(runs)]
    rows = [("task", "run", "score", "difference", "95 % interval", "")]
    for other in others:
        differences = compare(first, other, config.version, config.draws, config.seed)
        for name, difference in differences.items():
            low_high = "{:+.4f} to {:+.4f}".format(*difference.interval_95) if difference.interval_95 else ""
            score = _score(other, name, config.version)
            rows.append((name, other.name, f"{score:.4f}", f"{difference.value:+.4f}", low_high, difference.verdict))
    lines += ["", *columns(rows)] if others else []
    lines += ["", *columns(_core_rows(runs, config))]
    return "\n".join(lines)


def _score(run: Loaded, name: str, version: Version) -> float:
    if name == "bits per byte":
        return run.record["bpb"]["bits_per_byte"]
    if name in run.accuracies:
        return run.accuracies[name]
    return core_partial(run.accuracies, version)["mean"]


def _core_rows(runs: Sequence[Loaded], config: CompareConfig) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("model", "score", "v1", "v2", "source")]
    for run in runs:
        if run.accuracies:
            part = core_partial(run.accuracies, config.version)
            label = "CORE" if not part["missing"] else part["label"]
            rows.append((run.name, label, _shown(part["mean_v1"]), _shown(part["mean_v2"]), "this run"))
        if "bpb" in run.record:
            bits = run.record["bpb"].get("bits_per_byte")
            rows.append((run.name, "bits per byte", _shown(bits), "", "this run"))
    for name in config.published:
        if name not in PUBLISHED:
            continue  # of a reasoning suite
        published = PUBLISHED[name]
        rows.append((name, "CORE", _shown(published.v1), _shown(published.v2), published.source))
    return rows


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _heading(runs: Sequence[Loaded]) -> str:
    return f"compared with {runs[0].name}: {', '.join(run.name for run in runs[1:])}" if runs[1:] else runs[0].name


def _cautions(runs: Sequence[Loaded]) -> list[str]:
    """What differs between the runs beside the model."""
    found = []
    for key, what in (("precision", "precision"), ("seq_len", "context length"), ("limit", "rows per task file")):
        values = {str(run.record[key]) for run in runs if key in run.record}
        if len(values) > 1:
            found.append(f"caution: the runs differ in {what}: {', '.join(sorted(values))}")
    return found


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of one length as lines, each column as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
