"""Tables as text: JSON, JSONL, CSV, TSV, Markdown and HTML in, columns and rows out, and when two are the same."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

Table = tuple[list[str], list[list[str]]]
"""Names of the columns, and the cells row by row."""

FORMATS = ("jsonl", "json", "csv", "tsv", "markdown", "html")
"""Formats that a table can be asked for in; `jsonl` before `json`, whose name it holds."""


def target_format(prompt: str) -> str:
    """The format that a prompt asks a table to be converted to: the last `to X` or `X format`; empty if none is named.

    >>> target_format("Please convert the Input Table from CSV format to JSONL format.")
    'jsonl'
    """
    names = "|".join(FORMATS)
    found = re.findall(rf"\bto\s+(?:the\s+)?({names})\b", prompt, re.IGNORECASE)
    found = found or re.findall(rf"\b({names})\s+format", prompt, re.IGNORECASE)
    return found[-1].lower() if found else ""


def read_table(text: str, form: str) -> Table | None:
    """A table in one of `FORMATS`; None for what is none."""
    try:
        return _READERS[form](text.strip())
    except (ValueError, csv.Error, RecursionError):
        return None


def _of_records(records: Any) -> Table | None:
    if isinstance(records, dict) and records and all(isinstance(column, dict | list) for column in records.values()):
        columns = [list(column.values()) if isinstance(column, dict) else column for column in records.values()]
        if len({len(column) for column in columns}) != 1:
            return None
        records = [dict(zip(records, row, strict=True)) for row in zip(*columns, strict=True)]
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        return None
    names = list(records[0])
    if not names or any(set(record) != set(names) for record in records):
        return None
    return [str(name) for name in names], [[_cell(record[name]) for name in names] for record in records]


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _json(text: str) -> Table | None:
    return _of_records(json.loads(text))


def _jsonl(text: str) -> Table | None:
    return _of_records([json.loads(line) for line in text.splitlines() if line.strip()])


def _separated(text: str, mark: str) -> Table | None:
    lines = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if row]
    if len(lines) < 2 or len(lines[0]) < 2 or len({len(row) for row in lines}) != 1:
        return None
    return [cell.strip() for cell in lines[0]], [[cell.strip() for cell in row] for row in lines[1:]]


def _markdown(text: str) -> Table | None:
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if len(rows) < 3 or not all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]):
        return None
    return (rows[0], rows[2:]) if len({len(row) for row in rows}) == 1 else None


class _Cells(HTMLParser):
    """Collects the cells of the first table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def updatepos(self, i: int, j: int) -> int:
        """Nobody asks for lines and columns, and counting them takes a fifth of the time."""
        return j

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def _html(text: str) -> Table | None:
    if text.lower().count("<tr") < 2:  # a table has two rows at least; the parser takes a second for 1 MB of `<`
        return None
    reader = _Cells()
    reader.feed(text)
    rows = [[cell.strip() for cell in row] for row in reader.rows if row]
    return (rows[0], rows[1:]) if len(rows) > 1 and len({len(row) for row in rows}) == 1 else None


_READERS = {
    "json": _json,
    "jsonl": _jsonl,
    "csv": lambda text: _separated(text, ","),
    "tsv": lambda text: _separated(text, "\t"),
    "markdown": _markdown,
    "html": _html,
}


def same_tables(one: Table, other: Table) -> bool:
    """Whether two tables have the same columns by name, as many rows, and the same cells, numbers to 1e-6."""
    names, rows = one
    theirs, their_rows = other
    if sorted(names) != sorted(theirs) or len(set(names)) != len(names) or len(rows) != len(their_rows):
        return False
    where = [theirs.index(name) for name in names]
    return all(
        _same_cell(cell, other_row[at])
        for row, other_row in zip(rows, their_rows, strict=True)
        for cell, at in zip(row, where, strict=True)
    )


def _same_cell(one: str, other: str) -> bool:
    if one.strip() == other.strip():
        return True
    try:
        return abs(float(one) - float(other)) <= 1e-6
    except ValueError:
        return False
