"""The sections of the report: each takes the stages and gives HTML, or nothing where no stage has what it shows."""

from collections.abc import Sequence

from eval.report.html import anchor, escape
from eval.report.sections.evaluation import scores
from eval.report.sections.overview import stage_table
from eval.report.sections.pretraining import loss_curves
from eval.report.sections.provenance import provenance
from eval.report.sections.recycled import text_pairs
from eval.report.sections.rl import reward_curves
from eval.report.sections.selection import counts, quality_histograms
from eval.report.stages import Stage
from eval.report.style import STYLE


def page(stages: Sequence[Stage], title: str, pairs: int, pair_chars: int) -> str:
    """The whole document."""
    sections: list[tuple[str, str]] = [
        (name, body)
        for name, body in [
            ("Stages", stage_table(stages)),
            ("Rewards", reward_curves(stages)),
            ("Pages before and after", text_pairs(stages, pairs, pair_chars)),
            ("Quality", quality_histograms(stages)),
            ("Documents and tokens", counts(stages)),
            ("Pretraining", loss_curves(stages)),
            ("Supervised fine-tuning", loss_curves(stages, supervised=True)),
            ("Scores", scores(stages)),
            ("How it was made", provenance(stages)),
        ]
        if body
    ]
    links = "".join(f'<a href="#{anchor(name)}">{escape(name)}</a>' for name, _ in sections)
    body = "".join(f'<h2 id="{anchor(name)}">{escape(name)}</h2>{content}' for name, content in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><nav>{links}</nav>{body}</body></html>\n"
    )
