"""Escaping, tables, headings: the few pieces of HTML that sections share."""

import html
import re
from collections.abc import Sequence
from typing import Any

from eval.report.drawing.figure import csv_link
from eval.report.drawing.frame import short_number

MOST_COLUMNS = 3
"""Columns that a phone has room for; the rows of a wider table are set as lists there."""


def escape(value: object) -> str:
    """Text for HTML."""
    return html.escape(str(value))


def html_table(head: Sequence[str], rows: Sequence[Sequence[Any]], title: str) -> str:
    """An HTML table with escaped cells, in a box that scrolls on a narrow screen, with its data to download.

    Args:
        head: names of the columns.
        rows: cells; a number is set flush right, None is an empty cell. The first cell names the row.
        title: what the table shows, for screen readers and for the name of the file.
    """

    many = len(head) > MOST_COLUMNS

    numeric = [any(_is_number(row[column]) for row in rows) for column in range(len(head))]

    def cell(name: str, value: Any, flush: bool) -> str:
        label = (' class="number"' if flush else "") + (f' data-name="{escape(name)}"' if many else "")
        shown = "" if value is None else short_number(value) if _is_number(value) else escape(value)
        return f"<td{label}>{shown}</td>"

    top = "".join(
        f'<th scope="col"{" class=number" if flush else ""}>{escape(name)}</th>'
        for name, flush in zip(head, numeric, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(map(cell, head[1:], row[1:], numeric[1:]))}</tr>'
        for row in rows
    )
    opened = '<table class="many">' if many else "<table>"
    return (
        f'<div class="scroll" role="group" tabindex="0" aria-label="{escape(title)}">{opened}'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<p class="foot note">{csv_link(title, head, rows)}</p>'
    )


def heading(text: str, level: int = 3) -> str:
    """A heading inside a section."""
    return f"<h{level}>{escape(text)}</h{level}>"


def grid(figures: Sequence[str]) -> str:
    """Figures side by side where there is room; nothing for none."""
    return f'<div class="grid">{"".join(figures)}</div>' if figures else ""


def anchor(name: str) -> str:
    """The id that a heading can be linked by.

    >>> anchor("Recycled text: before, after")
    'recycled-text-before-after'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
