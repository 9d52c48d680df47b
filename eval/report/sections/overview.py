"""Section: one row per stage."""

from collections.abc import Sequence

from eval.report.figures import stage_rows
from eval.report.html import html_table
from eval.report.stages import Stage


def stage_table(stages: Sequence[Stage]) -> str:
    """One row per stage with what went in, what came out, and its headline figures."""
    return html_table(["stage", "documents in", "out", "seconds", "figures"], stage_rows(stages))
