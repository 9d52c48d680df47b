"""Logic in strict mode: grids (ARC, BARC), zebra tables, orderings, and the next step in a graph of implications.

All four read the last closed `<answer>` tag, on one line or several, and compare the value, not its spelling.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eval.verifiers.literals import balanced, last_balanced, literal
from eval.verifiers.result import Result, correct, skipped, unparseable, wrong
from eval.verifiers.segments import last_answer_tag

Options = Mapping[str, Any]

_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb\u2032\u2033"
_ITEM = re.compile(r"[^\W_][\w .'\u2019-]*")
_NUMBERING = re.compile(r"^\s*(?:\d{1,3}[.)]\s+|[-*\u2022]\s+)")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


def grid(answer: str, gold: Any, info: Mapping[str, Any], options: Options) -> Result:
    """A grid of digits: the same shape and the same cells.

    The answer is the last two-dimensional list in the tag. Its cells are integers from 0 to 9 without quotes or
    decimal points, and its rows are equally long; anything else is no grid.
    """
    if not _is_grid(gold):
        return skipped("bad_gold")
    content = last_answer_tag(answer)
    if content is None:
        return unparseable("no_tag")
    # The last outermost list whose first item is a list.
    text = next((part for part in balanced(content, "[") if re.match(r"\[\s*\[", part)), None)
    if text is None:
        return unparseable("syntax", content[:2000])
    cells = _read_grid(text)
    if cells is None:
        return unparseable("type", text[:2000])
    shape = [len(cells), len(cells[0])]
    if shape != [len(gold), len(gold[0])]:
        return wrong("shape", text[:2000], shape=shape)
    right = sum(cells[y][x] == gold[y][x] for y in range(shape[0]) for x in range(shape[1]))
    share = right / (shape[0] * shape[1])
    return correct(text[:2000], cells=1.0) if share == 1 else wrong("different", text[:2000], cells=share)


def _is_grid(gold: Any) -> bool:
    return (
        isinstance(gold, list)
        and bool(gold)
        and all(isinstance(row, list) and len(row) == len(gold[0]) > 0 for row in gold)
        and all(type(cell) is int for row in gold for cell in row)
    )


def _read_grid(text: str) -> list[list[int]] | None:
    # One digit to a cell, and no quotes, points or signs: a cell is a colour, not a number to be rounded.
    if not re.fullmatch(r"[\[\]\s,0-9]*", text) or re.search("[0-9][0-9]", text):
        return None
    try:
        rows = literal(text)
    except ValueError:
        return None
    if not all(isinstance(row, list) and row and all(type(cell) is int for cell in row) for row in rows):
        return None
    return rows if len({len(row) for row in rows}) == 1 else None


def zebra(answer: str, gold: Any, info: Mapping[str, Any], options: Options) -> Result:
    """A table of who has what: the share of right cells.

    `score = right cells outside Position / (max(rows of gold, rows given) * (columns of gold - 1))`. Columns are found
    by their name, rows by their position; names and cells are compared without case, spaces and hyphens. A position
    given twice, or one that the puzzle does not have, is a wrong row.

    Options:
        partial: `fraction` (default) scores the share; `exact` gives 0 to all but the whole table.
    """
    table = _table(gold)
    if table is None:
        return skipped("bad_gold")
    content = last_answer_tag(answer)
    if content is None:
        return unparseable("no_tag")
    braces = last_balanced(content, "{")
    try:
        given = literal(braces or "")
    except ValueError:
        return unparseable("syntax", (braces or content)[:2000])
    if not isinstance(given, dict) or not isinstance(given.get("rows"), Sequence):
        return unparseable("shape", braces or "")
    header = [_plain(name) for name in given["header"]] if isinstance(given.get("header"), list | tuple) else []
    if "position" not in header:
        return unparseable("missing_header", (braces or "")[:2000])
    share = _right_share(table, header, given["rows"])
    if share == 1:
        return correct((braces or "")[:2000], cells=1.0)
    score = share if options.get("partial", "fraction") == "fraction" else 0.0
    return wrong("partial" if share else "different", (braces or "")[:2000], score, cells=share)


def _table(gold: Any) -> tuple[list[str], dict[str, list[str]]] | None:
    """Names of the columns, and the cells of each position, in plain form; None for what is no table."""
    if not isinstance(gold, Mapping):
        return None
    header, rows = gold.get("header"), gold.get("rows")
    if not isinstance(header, list) or not isinstance(rows, list) or len(header) < 2 or not rows:
        return None
    names = [_plain(name) for name in header]
    if "position" not in names or not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return None
    where = names.index("position")
    return names, {_plain(row[where]): [_plain(cell) for cell in row] for row in rows}


def _right_share(table: tuple[list[str], dict[str, list[str]]], header: list[str], rows: Sequence[Any]) -> float:
    names, gold_rows = table
    # A name given twice is no column: which of the two is meant cannot be known.
    column = {name: header.index(name) for name in names if header.count(name) == 1}
    if "position" not in column:
        return 0.0
    given: dict[str, list[Any]] = {}
    seen: list[str] = []
    for row in rows:
        if isinstance(row, list | tuple) and len(row) == len(header):
            position = _plain(row[column["position"]])
            seen.append(position)
            given[position] = list(row)
    right = 0
    for position, cells in gold_rows.items():
        if seen.count(position) == 1:
            row = given[position]
            right += sum(
                name != "position" and name in column and _plain(row[column[name]]) == cell
                for name, cell in zip(names, cells, strict=True)
            )
    return right / (max(len(gold_rows), len(rows)) * (len(names) - 1))


def _plain(cell: Any) -> str:
    """A name without case, spaces, hyphens and underscores; a whole number as its digits."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return re.sub(r"[\s_\u2010-\u2015-]+", "", str(cell)).casefold()


def ordering(answer: str, gold: Any, info: Mapping[str, Any], options: Options) -> Result:
    """Names in order, as a list with or without brackets and quotes, parted by commas or lines; case does not count."""
    if not isinstance(gold, list) or not gold or not all(isinstance(name, str) for name in gold):
        return skipped("bad_gold")
    content = last_answer_tag(answer)
    if content is None:
        return unparseable("no_tag")
    names = _names(content)
    if names is None:
        return unparseable("shape", content[:2000])
    wanted = [_name(name) for name in gold]
    if names == wanted:
        return correct(", ".join(names))
    return wrong("different" if sorted(names) == sorted(wanted) else "not_a_permutation", ", ".join(names)[:2000])


def _names(content: str) -> list[str] | None:
    text = last_balanced(content, "[")
    text = content if text is None else text[1:-1]
    text = "\n".join(line for line in text.splitlines() if not line.strip().startswith("```")).strip()
    parts = text.split(",") if "," in text else text.splitlines()
    names = []
    for part in parts:
        if not part.strip():
            continue
        item = _NUMBERING.sub("", part).strip().strip(_QUOTES).strip()
        if not _ITEM.fullmatch(item) or len(item) > 100:
            return None
        names.append(_name(item))
    return names or None


def _name(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


def graph(answer: str, gold: Any, info: Mapping[str, Any], options: Options) -> Result:
    """One word, in any case, with or without quotes and punctuation around it."""
    if not isinstance(gold, str) or not gold.strip():
        return skipped("bad_gold")
    content = last_answer_tag(answer)
    if content is None:
        return unparseable("no_tag")
    word = content.strip().strip(_QUOTES + "*.,;:!?$ \t\r\n")
    if not _WORD.fullmatch(word):
        return unparseable("shape", content[:200])
    return correct(word) if word.casefold() == gold.strip().casefold() else wrong("different", word[:200])
