"""Section: evaluation tables with intervals, published cells beside ours."""

from collections.abc import Sequence

from eval.compare.cells import beside
from eval.compare.published import model_names, published_model
from eval.report.figures import record_scores
from eval.report.html import html_table
from eval.report.stages import Stage


def scores(stages: Sequence[Stage]) -> str:
    """A table with a column per evaluated model, then each model's tasks of generated answers with their errors."""
    records = {stage.name: record_scores(stage) for stage in stages if stage.record}
    if not records:
        return ""
    names = list(dict.fromkeys(name for record in records.values() for name in record))
    rows = [[name, *(record.get(name) for record in records.values())] for name in names]
    tables = [html_table(["score", *records], rows)]
    tables += [reasoning(stage) for stage in stages if stage.record.get("reasoning")]
    return "\n".join(tables)


def reasoning(stage: Stage) -> str:
    """A model's reasoning tasks in percent: score, errors, what was cut off or not judged, comparable published cells.

    A published cell stands here only where every setting is the published one; `eval.compare` shows the others.
    """
    rows = []
    for name, cell in stage.record["reasoning"]["cells"].items():
        if cell["score"] is None:
            continue
        low, high = cell["interval_95"]
        rows.append(
            [
                f"{cell['title']} (avg@{cell['settings']['samples']})",
                f"{100 * cell['score']:.2f}",
                f"{100 * low:.2f} to {100 * high:.2f}",
                f"{100 * cell['error_repeats']:.2f}" if cell["error_repeats"] is not None else "",
                f"{100 * cell['truncated']:.2f}" if cell["truncated"] is not None else "",
                cell["unjudged"]["count"],
                _published(name, cell),
            ]
        )
    head = [stage.name, "score", "95 % interval", "error over repeats", "cut off", "not judged", "published"]
    return html_table(head, rows)


def _published(name: str, cell: dict) -> str:
    found = []
    for model_name in model_names():
        model = published_model(model_name)
        if model is not None and name in model.cells and not beside(cell, model.cells[name]).differs:
            found.append(f"{model.title} {100 * model.cells[name].score:.2f}")
    return ", ".join(found)
