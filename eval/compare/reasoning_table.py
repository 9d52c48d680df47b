"""Reasoning tasks of runs and papers beside each other, and training curves, for a terminal."""

from collections.abc import Sequence

from eval.compare.cells import beside, cell_difference, crossings, pass_curve
from eval.compare.curves import TrainingCurve, average_curve, best_checkpoint, transfer_matrix, trend
from eval.compare.differences import CompareConfig, Loaded
from eval.compare.published import PublishedModel, published_model
from eval.compare.table import columns
from eval.reasoning.table import percent


def cells_of(run: Loaded) -> dict[str, dict]:
    """A run's cells of reasoning tasks that have a score."""
    cells = run.record.get("reasoning", {}).get("cells", {})
    return {name: cell for name, cell in cells.items() if cell["score"] is not None}


def render_reasoning(runs: Sequence[Loaded], config: CompareConfig) -> str:
    """Tables in percent: the runs beside each other, then each beside the published models; empty without cells."""
    parts = []
    first, *others = runs
    for other in others:
        shared = [name for name in cells_of(first) if name in cells_of(other)]
        if shared:
            parts.append(_pair(first, other, shared, config))
    for name in config.published:
        model = published_model(name)
        for run in runs:
            if model is not None and set(cells_of(run)) & set(model.cells):
                parts.append(_beside(run, model))
    return "\n\n".join(parts)


def _signed(value: float) -> str:
    return f"{100 * value:+.2f}"


def _pair(first: Loaded, other: Loaded, shared: Sequence[str], config: CompareConfig) -> str:
    rows = [("task", first.name, other.name, "difference", "95 % interval", "least visible", "questions", "")]
    lines = []
    for task in shared:
        cells = cells_of(first)[task], cells_of(other)[task]
        asked = first.questions.get(task), other.questions.get(task)
        found = cell_difference(*cells, asked, config.draws, config.seed)
        paired = found.paired
        row = (cells[0]["title"], percent(found.first), percent(found.other))
        if paired is not None:
            low, high = paired.interval_95
            shown = (_signed(paired.value), f"{_signed(low)} to {_signed(high)}", percent(paired.least))
            rows.append((*row, *shown, f"{paired.questions:,}", found.verdict))
        else:
            rows.append((*row, _signed(found.other - found.first), "", "", "", found.verdict))
        if asked[0] and asked[1]:
            crossed = crossings(pass_curve(asked[0]), pass_curve(asked[1]))
            if crossed:
                lines.append(f"{cells[0]['title']}: the curves of pass@k cross at k = {', '.join(map(str, crossed))}")
    return "\n".join([*columns(rows), *lines])


def _beside(run: Loaded, model: PublishedModel) -> str:
    rows: list[tuple[str, ...]] = [("task", run.name, model.name, "difference", "95 % interval", "settings")]
    notes = []
    for task, published in model.cells.items():
        cell = cells_of(run).get(task)
        if cell is None:
            rows.append((task, "", percent(published.score), "", "", "not run"))
            continue
        found = beside(cell, published)
        low, high = found.interval_95
        shown = (percent(found.ours), percent(found.theirs), _signed(found.ours - found.theirs))
        same = "as published" if not found.differs else f"differ: {'; '.join(found.differs)}"
        rows.append((task, *shown, f"{_signed(low)} to {_signed(high)}", same))
        if found.note:
            notes.append(f"{task}: {found.note}")
    for label, theirs in model.averages.items():
        tasks = model.average_of[label]
        ours = [cells_of(run)[task]["score"] for task in tasks if task in cells_of(run)]
        whole = len(ours) == len(tasks)
        mean = sum(ours) / len(ours) if whole else None
        difference = _signed(mean - theirs) if mean is not None else ""
        said = "" if whole else f"{len(ours)} of {len(tasks)} tasks were run"
        rows.append((f"average {label}", percent(mean), percent(theirs), difference, "", said))
    head = f"{model.title}: {model.source}; its cells print no errors, the intervals assume one like ours"
    return "\n".join([head, *columns(rows), *notes])


def render_curves(curves: Sequence[TrainingCurve]) -> str:
    """Best checkpoints, trends, and with several runs the transfer matrix."""
    rows: list[tuple[str, ...]] = [("run", "best step", "average there", "first average", "sets")]
    for curve in curves:
        best, points = best_checkpoint(curve), average_curve(curve)
        place = (str(best[0]), f"{best[1]:.4f}", f"{points[min(points)]:.4f}") if best else ("none", "", "")
        rows.append((curve.name, *place, str(len(curve.validation))))
    lines = columns(rows)
    rows = [("run", "series", "first", "last", "per 100 steps", "")]
    for curve in curves:
        for family in ("length", "reward"):
            for name, points in sorted(curve.series.get(family, {}).items()):
                found = trend(points)
                shown = (f"{found.first:.4g}", f"{found.last:.4g}", f"{found.slope:+.4g}", found.word)
                rows.append((curve.name, f"{family} {name}", *shown))
    if len(rows) > 1:
        lines += ["", *columns(rows)]
    matrix = transfer_matrix(curves)
    if len(matrix) > 1:
        names = sorted({name for row in matrix.values() for name in row})
        head = ("trained on", *names)
        body = [
            (run, *(f"{100 * row[name][0]:+.1f} ({row[name][1]:.2f})" if name in row else "" for name in names))
            for run, row in matrix.items()
        ]
        lines += ["", "gains in points at the best checkpoint (place between the column's least and most)"]
        lines += columns([head, *body])
    return "\n".join(lines)
