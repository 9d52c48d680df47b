"""Section: what happened. Verdicts first, then what is missing, then a row for each stage."""

from eval.report.figures import stage_rows
from eval.report.html import escape, heading, html_table
from eval.report.names import kind
from eval.report.sections.view import View

LEAD = (
    "The answers first: each states its figures and how sure they are. Intervals hold 95 % of what other documents of "
    "the same kind would give."
)


def what_happened(view: View) -> str:
    """Verdicts, what has not finished, and the stages with their headline figures."""
    items = [
        f'<li class="{verdict.tone or verdict.answer}">{heading(verdict.question)}<p>{escape(verdict.told)}</p></li>'
        for verdict in view.findings.verdicts()
    ]
    items += [
        f'<li class="missing">{heading(f"{name}: something is missing")}<p>{escape(told)}</p></li>'
        for name, told in view.findings.missing
    ]
    list_ = f'<ul class="verdicts">{"".join(items)}</ul>' if items else ""
    rows = [
        [name, kind(stage.kind), *rest]
        for stage, (name, *rest) in zip(view.stages, stage_rows(view.stages), strict=True)
    ]
    head = ["stage", "what it is", "documents in", "documents out", "seconds", "figures"]
    return f"{list_}{heading('Stages, in the order they were made')}{html_table(head, rows, 'Stages')}"
