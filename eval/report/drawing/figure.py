"""A chart with its title, its legend, and its data to download: no script needed."""

import csv
import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from eval.report.drawing.frame import Axes
from eval.report.drawing.series import Series, legend, line_chart, scatter

Rows = Sequence[Sequence[Any]]


def figure(title: str, drawn: str, head: Sequence[str], rows: Rows, *, note: str = "", key: str = "") -> str:
    """A `<figure>` with a link to its data.

    Args:
        title: what it shows.
        drawn: the chart.
        head: names of the data's columns.
        rows: the data.
        note: how to read it; one sentence.
        key: the legend.
    """
    about = f'<p class="note">{html.escape(note)}</p>' if note else ""
    return (
        f"<figure><figcaption>{html.escape(title)}</figcaption>{about}{drawn}"
        f'<div class="foot"><div>{key}</div>{csv_link(title, head, rows)}</div></figure>'
    )


def lines_figure(title: str, series: Sequence[Series], axes: Axes, *, note: str = "", x_name: str = "") -> str:
    """A line chart as a figure."""
    head, rows = wide(series, x_name or axes.x_label)
    return figure(title, line_chart(series, axes), head, rows, note=note, key=legend(series))


def scatter_figure(
    title: str, series: Sequence[Series], axes: Axes, *, note: str = "", names: Mapping[str, Sequence[str]]
) -> str:
    """A cloud of points as a figure.

    Args:
        title: what it shows.
        series: the clouds.
        axes: of both measures.
        note: how to read it.
        names: what each point of a series is, such as a document's id.
    """
    rows, labels = [], {}
    for one in series:
        for name, point in zip(names[one.name], one.points, strict=True):
            rows.append([one.name, name, *point])
            labels[point] = name
    drawn = scatter(series, axes, labels)
    head = ["of", "name", axes.x_label, axes.y_label]
    return figure(title, drawn, head, rows, note=note, key=legend(series, points=True))


def wide(series: Sequence[Series], x_name: str) -> tuple[list[str], list[list[Any]]]:
    """A table of several series: a row for each x of any of them, a column for each series.

    An x that a series has twice, as the outline of a histogram has, has as many rows.
    """
    shown = [one for one in series if one.points]
    order: dict[tuple[float, int], list[Any]] = {}
    for column, one in enumerate(shown):
        seen: dict[float, int] = {}
        for x, y in one.points:
            turn = seen[x] = seen.get(x, -1) + 1
            order.setdefault((x, turn), [None] * len(shown))[column] = y
    rows = [[x, *cells] for (x, _), cells in sorted(order.items())]
    return [x_name, *(one.name for one in shown)], rows


def as_csv(head: Sequence[str], rows: Rows) -> str:
    """A table as CSV; what was not measured or not finite is an empty cell."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return target.getvalue()


def csv_link(title: str, head: Sequence[str], rows: Rows) -> str:
    """A link that carries a table."""
    name = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_") or "data"
    data = quote(as_csv(head, rows), safe=" ,:;/()=+*!$@-._~'")
    return (
        f'<a download="{name}.csv" href="data:text/csv;charset=utf-8,{html.escape(data)}" '
        f'aria-label="Data of {html.escape(title)} as CSV">CSV</a>'
    )


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.fullmatch(value):
        return f"'{value}"  # a spreadsheet would take an id such as `=cmd()` for a formula
    return value


_NUMBER = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?( .*)?")
