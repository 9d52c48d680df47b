"""Reasoning tasks of runs and papers beside each other, and training curves, for a terminal."""

from collections.abc import Sequence

from eval.compare.cells import CellDifference, beside, crossings, pass_curve
from eval.compare.curves import TrainingCurve, average_curve, best_checkpoint, transfer_matrix, trend
from eval.compare.differences import CompareConfig, Loaded
from eval.compare.lessons import cells_of, difference_of, told
from eval.compare.published import PublishedModel, published_model
from eval.compare.table import columns
from eval.reasoning.table import percent

HEAD = (
    *("task", "run", "score", "± questions", "thought", "tokens"),
    *("difference", "95 % interval", "± seeds", "least visible", "questions", ""),
)

ONE_SEED = "each run is one model: the errors are over questions, and another seed of its training may differ by more"


def render_reasoning(runs: Sequence[Loaded], config: CompareConfig) -> str:
    """Tables in percent: the runs beside each other, then each beside the published models; empty without cells."""
    first, *others = runs
    parts = [_beside_each_other(first, others, config)]
    if config.control:
        parts.append("\n".join(told(first, others, config)))
    for name in config.published:
        model = published_model(name)
        for run in runs:
            if model is not None and set(cells_of(run)) & set(model.cells):
                parts.append(_beside(run, model))
    return "\n\n".join(filter(None, parts))


def _signed(value: float) -> str:
    return f"{100 * value:+.2f}"


def _beside_each_other(first: Loaded, others: Sequence[Loaded], config: CompareConfig) -> str:
    """A row for each task and run; empty columns are left out."""
    rows, lines = [], []
    for task, cell in cells_of(first).items():
        sharing = [other for other in others if task in cells_of(other)]
        if sharing:
            rows.append((cell["title"], first.name, *_figures(cell), *[""] * 6))
        for other in sharing:
            theirs = cells_of(other)[task]
            shown = difference_cells(difference_of(first, other, task, config))
            rows.append((cell["title"], other.name, *_figures(theirs), *shown))
            asked = first.questions.get(task), other.questions.get(task)
            if asked[0] and asked[1] and (crossed := crossings(pass_curve(asked[0]), pass_curve(asked[1]))):
                where = f"{cell['title']}, {other.name}" if len(others) > 1 else cell["title"]
                lines.append(f"{where}: the curves of pass@k cross at k = {', '.join(map(str, crossed))}")
    if not rows:
        return ""
    kept = [column for column in range(len(HEAD)) if column in (6, 11) or any(row[column] for row in rows)]
    shown_rows = [tuple(row[column] for column in kept) for row in (HEAD, *rows)]
    seeds = max(len(cell.get("by_seed", ())) for run in (first, *others) for cell in cells_of(run).values())
    spread = f"± seeds is the standard error over {seeds} seeds" if seeds else ONE_SEED
    return "\n".join([*columns(shown_rows), spread, *lines])


def _figures(cell: dict) -> tuple[str, ...]:
    thought = cell.get("thinking", {}).get("answers")
    tokens = cell.get("tokens", {}).get("mean")
    shown = percent(cell["score"]), percent(cell.get("error_questions"))
    return *shown, percent(thought) if thought else "", f"{tokens:,.0f}" if tokens else ""


def difference_cells(found: CellDifference) -> tuple[str, ...]:
    """The columns of a difference: value, interval, error over seeds, least visible, questions, verdict."""
    seeds = f"{100 * found.error_seeds:.2f}" if found.error_seeds is not None else ""
    if found.paired is None:
        return _signed(found.other - found.first), "", seeds, "", "", found.verdict
    low, high = found.paired.interval_95
    shown = _signed(found.paired.value), f"{_signed(low)} to {_signed(high)}", seeds, percent(found.paired.least)
    return *shown, f"{found.paired.questions:,}", found.verdict


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
