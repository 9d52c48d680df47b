"""How differences and facts look: by line and weight as much as by colour, so that no eye for colours is needed."""

PAIR_STYLE = """
del { background: var(--gone); text-decoration: line-through; text-decoration-thickness: 1px; }
ins { background: var(--came); text-decoration: underline; text-decoration-thickness: 1px; }
mark { background: none; color: inherit; border-radius: 2px; }
mark.kept { border-bottom: 1px dotted var(--soft); }
mark.lost { font-weight: 700; outline: 1.5px solid currentColor; text-decoration: line-through; }
mark.invented { font-weight: 700; outline: 1.5px dashed currentColor; text-decoration: none; }
.pair { margin: 0 0 10px; } .pair > div { min-width: 0; unicode-bidi: isolate; }
.pair.stayed > div { border: 1px dashed var(--soft); }
.why { font-size: 13px; color: var(--soft); margin: 12px 0 4px; }
.facts-legend { font-size: 13px; color: var(--soft); margin: 8px 0; }
.facts-legend > * { margin-right: 4px; color: var(--ink); }
"""
"""Goes behind `eval.report.style.STYLE`, whose colours it uses."""

LEGEND = (
    '<p class="facts-legend"><del>left out</del> · <ins>put in</ins> · numbers, addresses and names: '
    '<mark class="kept">kept</mark> · <mark class="lost">lost</mark> · <mark class="invented">invented</mark></p>'
)
"""What the marks mean, as HTML."""
