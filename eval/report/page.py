"""The sections of the report: each takes the view and gives HTML, or nothing where no stage has what it shows."""

from eval.report.html import anchor, escape
from eval.report.pairs.style import PAIR_STYLE
from eval.report.sections import evaluation, overview, pipeline, pretraining, provenance, recycled, rl, selection
from eval.report.sections.view import View
from eval.report.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""What a browser may do for this page: nothing but show it. It runs no script and fetches nothing."""


def page(view: View, title: str) -> str:
    """The whole document."""
    sections = [
        (name, lead, body)
        for name, lead, body in [
            ("What happened", overview.LEAD, overview.what_happened(view)),
            ("From pool to model", pipeline.LEAD, pipeline.pipeline(view)),
            ("Training with rewards", rl.LEAD, rl.reward_curves(view)),
            ("Recycled text", recycled.LEAD, recycled.recycled_text(view)),
            ("Selection", selection.LEAD, selection.quality_histograms(view)),
            ("Pretraining", pretraining.LEAD, pretraining.loss_curves(view)),
            ("Supervised fine-tuning", pretraining.LEAD, pretraining.loss_curves(view, supervised=True)),
            ("Evaluation", evaluation.LEAD, evaluation.scores(view)),
            ("How it was made", provenance.LEAD, provenance.provenance(view)),
        ]
        if body
    ]
    links = "".join(f'<li><a href="#{anchor(name)}">{escape(name)}</a></li>' for name, _, _ in sections)
    body = "".join(_section(*section) for section in sections)
    many = "1 stage" if len(view.stages) == 1 else f"{len(view.stages)} stages"
    about = f"{many}. This page is one file: it runs no script and loads nothing from anywhere."
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{PAIR_STYLE}</style></head><body>"
        '<a class="skip" href="#main">Skip to the report</a>'
        f"<header><h1>{escape(title)}</h1></header>"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav><main id="main" tabindex="-1">{body}</main>'
        f"<footer><p>{escape(about)}</p></footer></body></html>\n"
    )


def _section(name: str, lead: str, body: str) -> str:
    key = anchor(name)
    return (
        f'<section aria-labelledby="{key}"><h2 id="{key}">{escape(name)}</h2>'
        f'<p class="lead">{escape(lead)}</p>{body}</section>'
    )
