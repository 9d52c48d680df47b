"""Escaping, tables, figures: the few pieces of HTML that sections share."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.charts import line_chart, short_number


def escape(value: object) -> str:
    """Text for HTML."""
    return html.escape(str(value))


def figure_row(charts: Sequence[tuple[str, Mapping[str, Sequence[tuple[float, float]]]]]) -> str:
    """Charts side by side."""
    drawn = "".join(
        f"<figure><h3>{escape(title)}</h3>{line_chart(series)}</figure>" for title, series in charts if series
    )
    return f'<div class="grid">{drawn}</div>'


def html_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An HTML table with escaped cells."""

    def cell(value: Any) -> str:
        if value is None:
            return "<td></td>"
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f'<td class="number">{short_number(value)}</td>'
        return f"<td>{escape(value)}</td>"

    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(cell(value) for value in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def anchor(name: str) -> str:
    """The id that a heading can be linked by."""
    return name.lower().replace(" ", "-")
