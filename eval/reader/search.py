"""Which documents of a pool a reader asks for: words, filters and order as SQL over the pool's index.

What a person types is taken apart here and put together anew, so that nothing of it is ever SQL or a query language.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from common.pools.documents import Document
from common.pools.repair import id_text
from eval.reader.pool_index import documents_at, key_of
from eval.reader.store import get_meta

MOST_COUNTED = 10_000
"""Hits are counted up to here: to count all of a common word's takes longer than to show the first."""

MOST_WORDS = 32
"""Words of a search; further ones are left out."""

_TERM = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')
_WORD = re.compile(r"\w")


class Filters(NamedTuple):
    """What is shown, and in which order; the fields are the page's own parameters."""

    q: str = ""
    """Words that all must occur; "in quotes" as a phrase, `word*` as a beginning, `-word` must not."""
    within: str = ""
    """`recycled` or `organic`: where the words are looked for; anywhere if empty, ids and addresses included."""
    show: str = ""
    """`kept` or `dropped` documents; both if empty."""
    reason: str = ""
    status: str = ""
    """Of a chunk, or a flag of one; of what was dropped, the reason."""
    topic: str = ""
    source: str = ""
    score: str = ""
    """The score that `least` and `most` bound."""
    least: float | None = None
    most: float | None = None
    sort: str = ""
    """A score to sort by, with `-` before it from the greatest down; the pool's order if empty."""
    start: int = 0
    """Documents to pass over."""

    def params(self, **changed: Any) -> dict[str, str]:
        """As parameters of an address, without what is not set."""
        values = {**self._asdict(), **changed}
        unset = {"start": 0}
        return {
            name: _number(value)
            for name, value in values.items()
            if value is not None and value != "" and value != unset.get(name)
        }


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_filters(params: Mapping[str, str]) -> Filters:
    """The filters that an address names; what makes no sense there counts as not set.

    >>> read_filters({"q": "river", "least": "0.5", "start": "-3", "show": "all"})._asdict()["least"]
    0.5
    """
    texts = {name: params.get(name, "")[:500] for name in ("q", "reason", "status", "topic", "source", "score", "sort")}
    within, show, start = params.get("within", ""), params.get("show", ""), params.get("start", "")
    return Filters(
        **texts,
        within=within if within in ("recycled", "organic") else "",
        show=show if show in ("kept", "dropped") else "",
        least=_bound(params.get("least", "")),
        most=_bound(params.get("most", "")),
        start=min(int(start), 1 << 40) if start.isascii() and start.isdigit() and len(start) < 15 else 0,
    )


def _bound(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def terms(query: str) -> tuple[list[str], list[str]]:
    """What must occur and what must not, each as a string of SQLite's full-text syntax.

    >>> terms('river "the old bridge" flood* -boat -- *')
    (['"river"', '"the old bridge"', '"flood" *'], ['"boat"'])
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, word in _TERM.findall(query)[:MOST_WORDS]:
        text = (phrase or word).replace('"', " ").replace("\0", " ")
        if not _WORD.search(text):
            continue
        begins = bool(word) and text.endswith("*")
        (unwanted if minus else wanted).append(f'"{text.rstrip("*") if begins else text}"' + (" *" if begins else ""))
    return wanted, unwanted


class FoundDocument(NamedTuple):
    """One document of the index."""

    number: int
    document: Document
    dropped: bool
    scores: dict[str, float]


class PoolSearch:
    """Looks things up in a pool's index.

    Args:
        connection: to read with.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.columns: dict[str, int] = get_meta(connection, "columns", {})

    def page(self, filters: Filters, limit: int) -> Iterator[FoundDocument]:
        """The documents of one page, read one after the other."""
        tables, wheres, values = self._conditions(filters)
        order, more = self._order(filters)
        sql = f"SELECT {self._row()} FROM {tables} WHERE {' AND '.join([*wheres, *more]) or '1'} ORDER BY {order}"
        return self._documents(self.connection.execute(f"{sql} LIMIT ? OFFSET ?", (*values, limit, filters.start)))

    def count(self, filters: Filters) -> int:
        """How many documents there are; `MOST_COUNTED` + 1 stands for more."""
        tables, wheres, values = self._conditions(filters)
        _, more = self._order(filters)
        if not wheres and not more:
            return int(get_meta(self.connection, "documents", 0)) + int(get_meta(self.connection, "dropped", 0))
        inside = f"SELECT 1 FROM {tables} WHERE {' AND '.join([*wheres, *more])} LIMIT {MOST_COUNTED + 1}"
        return int(self.connection.execute(f"SELECT count(*) FROM ({inside})", values).fetchone()[0])

    def by_id(self, identity: str) -> list[FoundDocument]:
        """All documents that bear an id, in the pool's order, up to 100."""
        sql = f"SELECT {self._row()} FROM documents d WHERE d.key = ? ORDER BY d.number LIMIT 100"
        found = self._documents(self.connection.execute(sql, (key_of(identity),)))
        return [one for one in found if id_text(one.document.get("id", "")) == identity]

    def beside(self, filters: Filters, found: FoundDocument, *, after: bool) -> FoundDocument | None:
        """The document before or after one in the order of the filters."""
        tables, wheres, values = self._conditions(filters)
        name, down = self._sorted_by(filters)
        sign = ">" if after else "<"
        turn = "ASC" if after else "DESC"
        if name is None:
            wheres, values = [*wheres, f"d.number {sign} ?"], [*values, found.number]
            order = f"d.number {turn}"
        else:
            column, value = f"d.s{self.columns[name]}", found.scores.get(name)
            if value is None:
                return None
            back = after == down
            beyond = f"{column} {'<' if back else '>'} ? OR ({column} = ? AND d.number {sign} ?)"
            wheres, values = [*wheres, f"({beyond})"], [*values, value, value, found.number]
            order = f"{column} {'DESC' if back else 'ASC'}, d.number {turn}"
        sql = f"SELECT {self._row()} FROM {tables} WHERE {' AND '.join(wheres)} ORDER BY {order} LIMIT 1"
        return next(self._documents(self.connection.execute(sql, values)), None)

    def _row(self) -> str:
        scores = "".join(f", d.s{number}" for number in range(len(self.columns)))
        return f"d.number, d.block, d.slot, d.dropped{scores}"

    def _documents(self, rows: sqlite3.Cursor) -> Iterator[FoundDocument]:
        listed = rows.fetchall()
        names = sorted(self.columns, key=lambda name: self.columns[name])
        documents = documents_at(self.connection, [(row[1], row[2]) for row in listed])
        for row, document in zip(listed, documents, strict=True):
            scores = {name: value for name, value in zip(names, row[4:], strict=True) if value is not None}
            yield FoundDocument(row[0], document, bool(row[3]), scores)

    def _sorted_by(self, filters: Filters) -> tuple[str | None, bool]:
        name = filters.sort.removeprefix("-")
        return (name, filters.sort.startswith("-")) if name in self.columns else (None, False)

    def _order(self, filters: Filters) -> tuple[str, list[str]]:
        name, down = self._sorted_by(filters)
        if name is None:
            return "d.number", []
        column = f"d.s{self.columns[name]}"
        return f"{column} {'DESC' if down else 'ASC'}, d.number", [f"{column} IS NOT NULL"]

    def _conditions(self, filters: Filters) -> tuple[str, list[str], list[Any]]:
        """Tables, conditions and their values."""
        tables = "documents d"
        wheres: list[str] = []
        values: list[Any] = []
        wanted, unwanted = terms(filters.q)
        column = f"{filters.within} : " if filters.within else ""
        if wanted:
            # the words come first: SQLite gives their documents in order, one after the other
            tables = "words w CROSS JOIN documents d ON d.number = w.rowid"
            wheres.append("words MATCH ?")
            values.append(f"{column}({' AND '.join(wanted)})")
        if unwanted:
            wheres.append("d.number NOT IN (SELECT rowid FROM words WHERE words MATCH ?)")
            values.append(f"{column}({' OR '.join(unwanted)})")
        if filters.show:
            wheres.append("d.dropped = ?")
            values.append(int(filters.show == "dropped"))
        for name in ("reason", "topic", "source"):
            if getattr(filters, name):
                wheres.append(f"d.{name} = ?")
                values.append(getattr(filters, name))
        if filters.status:
            wheres.append("(instr(d.statuses, ?) > 0 OR d.reason = ?)")
            values += [f"|{filters.status}|", filters.status]
        if filters.score in self.columns:
            for bound, sign in ((filters.least, ">="), (filters.most, "<=")):
                if bound is not None:
                    wheres.append(f"d.s{self.columns[filters.score]} {sign} ?")
                    values.append(bound)
        return tables, wheres, values
