"""Section: evaluation tables with intervals, published cells beside ours."""

from collections.abc import Sequence

from eval.report.figures import record_scores
from eval.report.html import html_table
from eval.report.stages import Stage


def scores(stages: Sequence[Stage]) -> str:
    """A table with a column per evaluated model."""
    records = {stage.name: record_scores(stage) for stage in stages if stage.record}
    if not records:
        return ""
    names = list(dict.fromkeys(name for record in records.values() for name in record))
    rows = [[name, *(record.get(name) for record in records.values())] for name in names]
    return html_table(["score", *records], rows)
