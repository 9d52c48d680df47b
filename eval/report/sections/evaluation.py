"""Section: evaluation. Tables with intervals, published cells beside ours, paired differences."""

from collections.abc import Mapping, Sequence
from typing import Any

from eval.compare.cells import beside, cell_difference
from eval.compare.differences import Loaded, compare, read
from eval.compare.published import PUBLISHED, model_names, published_model
from eval.report.figures import record_scores
from eval.report.html import heading, html_table
from eval.report.names import metric
from eval.report.sections.curves import shown_name
from eval.report.sections.view import View
from eval.report.stages import Stage

LEAD = (
    "Scores with the range that holds 95 % of what other questions or documents of the same kind would give. Two "
    "models differ where the interval of their difference leaves out 0, not where their own intervals part."
)


def scores(view: View) -> str:
    """A column per evaluated model, paired differences to the first, then tasks of generated answers."""
    stages = [stage for stage in view.stages if stage.record]
    if not stages:
        return ""
    records = {stage.name: record_scores(stage) for stage in stages}
    names = list(dict.fromkeys(name for record in records.values() for name in record))
    rows = [[_named(name), *(_with_interval(stage, name, records[stage.name]) for stage in stages)] for name in names]
    tables = [html_table(["score", *records], rows, "Scores")]
    differences = _differences(stages)
    if differences:
        head = ["score", "model", "beside", "difference", "95 % interval", "verdict"]
        tables += [heading("Paired differences"), html_table(head, differences, "Paired differences")]
    if any(isinstance(record.get("Core_v2"), int | float) for record in records.values()):
        published = [[name, one.v1, one.v2, one.source] for name, one in PUBLISHED.items()]
        title = "Published CORE scores"
        tables += [heading(title), html_table(["model", "first baselines", "CORE", "source"], published, title)]
    tables += [reasoning(stage) for stage in stages if stage.record.get("reasoning")]
    return "\n".join(tables)


def _named(key: str) -> str:
    known = metric(key)
    return shown_name(known) if "/" in key or key.startswith("Core") else key


def _with_interval(stage: Stage, name: str, record: Mapping[str, float]) -> Any:
    """A score, with its interval where the record has one."""
    value = record.get(name)
    between = _interval(stage.record, name)
    if value is None or between is None:
        return value
    return f"{value:.4f} ({between[0]:.4f} to {between[1]:.4f})"


def _interval(record: Mapping[str, Any], name: str) -> Sequence[float] | None:
    if name == "bpb/bits_per_byte":
        return record.get("bpb_details", {}).get("interval_95") or record.get("bpb", {}).get("interval_95")
    if name in record.get("intervals_95", {}):
        return record["intervals_95"][name]
    return record.get("entries", {}).get(name, {}).get("interval_95")


def _differences(stages: Sequence[Stage]) -> list[list[Any]]:
    """Every further model minus the first, on what both scored."""
    loaded = [(stage, read(str(stage.path))) for stage in stages]
    (first, one), *others = loaded
    rows: list[list[Any]] = []
    for stage, other in others:
        for name, found in compare(one, other).items():
            between = "{:+.4f} to {:+.4f}".format(*found.interval_95) if found.interval_95 else None
            rows.append([name, stage.name, first.name, f"{found.value:+.4f}", between, found.verdict])
        rows += [[name, stage.name, first.name, *cells] for name, *cells in _answers(one, other)]
    return rows


def _answers(one: Loaded, other: Loaded) -> list[list[Any]]:
    """Tasks of generated answers that both models did, in percentage points."""
    cells = [run.record.get("reasoning", {}).get("cells", {}) for run in (one, other)]
    rows: list[list[Any]] = []
    for name in cells[0]:
        if name not in cells[1] or None in (cells[0][name]["score"], cells[1][name]["score"]):
            continue
        asked = (one.questions.get(name), other.questions.get(name))
        found = cell_difference(cells[0][name], cells[1][name], asked)
        value = 100 * (found.paired.value if found.paired else found.other - found.first)
        between = (
            "{:+.2f} to {:+.2f}".format(*(100 * end for end in found.paired.interval_95)) if found.paired else None
        )
        rows.append([cells[0][name]["title"], f"{value:+.2f} points", between, found.verdict])
    return rows


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
    title = f"{stage.name}: tasks of generated answers, in percent"
    head = ["task", "score", "95 % interval", "error over repeats", "cut off", "not judged", "published"]
    return heading(title) + html_table(head, rows, title)


def _published(name: str, cell: dict) -> str:
    found = []
    for model_name in model_names():
        model = published_model(model_name)
        if model is not None and name in model.cells and not beside(cell, model.cells[name]).differs:
            found.append(f"{model.title} {100 * model.cells[name].score:.2f}")
    return ", ".join(found)
