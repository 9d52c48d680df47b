"""The index of a pool: every document and every reject once, searchable by its words, with its scores and reasons.

The documents are kept in the index too, compressed in blocks: a shard that is compressed has no places to jump to. Work
is committed every `COMMIT_BYTES` of text together with how far it came, so a build that is killed goes on from there.
A pool that got more shards gets them added; one whose shards changed is read anew.
"""

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import zstandard

from common.hashing import hash_id
from common.pools.documents import Document, ShardReader, address_of, record_of
from common.pools.inputs import place_of
from common.pools.repair import decode, encode, id_text
from common.pools.shards import Shard, list_shards
from common.pools.storage import is_folder, join, list_below, size_of
from eval.faithfulness.kept import numbers_kept
from eval.faithfulness.words import long_words_kept
from eval.reader.store import Store, get_meta, set_meta, storable

BLOCK_BYTES = 128 << 10
"""Text of a block before compression: what showing one document decompresses."""

COMMIT_BYTES = 16 << 20
"""Text between two commits: what a kill loses."""

MOST_SCORES = 24
"""Numbers of a document that can be filtered by; the names that come later are left out, and counted."""

MOST_FACET = 200
"""Values of a topic, source or reason that a list offers."""

REJECTS = ".rejects.jsonl"

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS sources (path TEXT PRIMARY KEY, place TEXT, next INTEGER, finished INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (number INTEGER PRIMARY KEY, key INTEGER, block INTEGER, slot INTEGER,
  dropped INTEGER, reason TEXT, statuses TEXT, topic TEXT, source TEXT,
  {", ".join(f"s{number} REAL" for number in range(MOST_SCORES))});
CREATE INDEX IF NOT EXISTS by_key ON documents (key);
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, lines BLOB);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
  recycled, organic, name, content='', columnsize=0, tokenize="unicode61 remove_diacritics 2");
"""

COMPUTED = ("characters", "content_kept", "numbers_kept")
"""Scores that the index adds: characters of the text, and shares of the page's content words and numbers it kept."""

NO_SCORES = frozenset(("id", "position", "seconds", "rollout", "page"))


class PoolFile(NamedTuple):
    """A file of documents, or of what was set aside from them."""

    path: str
    shard: int
    rejects: bool


class Progress(NamedTuple):
    """How far a build is."""

    documents: int
    bytes_done: int
    bytes_all: int


def sources(pool: str) -> list[PoolFile]:
    """A pool's shards, each followed by its rejects.

    Raises:
        ValueError: there is no pool.
    """
    shards = list_shards(pool)
    below = {name for name in list_below(pool) if name.endswith(REJECTS)} if is_folder(pool) else set()
    found: list[PoolFile] = []
    for shard in shards:
        found.append(PoolFile(shard.path, shard.index, False))
        if _rejects_of(shard) in below:
            found.append(PoolFile(join(pool, _rejects_of(shard)), shard.index, True))
            below.discard(_rejects_of(shard))
    top = sorted(name for name in below if "/" not in name)
    return found + [PoolFile(join(pool, name), len(shards), True) for name in top]


def _rejects_of(shard: Shard) -> str:
    return shard.name + REJECTS


def build(
    pool: str, store: Store, told: Callable[[Progress], None], stopped: Callable[[], bool] = lambda: False
) -> bool:
    """Bring a pool's index up to date; a build that was cut off goes on.

    Args:
        pool: folder, glob or shard.
        store: of the schema `SCHEMA`.
        told: called after each commit.
        stopped: asked after each commit; True ends the build, to be continued another time.

    Returns:
        Whether the index is complete.

    Raises:
        ValueError: there is no pool, or a shard changed while it was read.
    """
    files = sources(pool)
    places = {file.path: json.dumps(place_of(file.path)) for file in files}
    with store.writing() as connection:
        known = dict(connection.execute("SELECT path, place FROM sources"))
        if all(places.get(path) == place for path, place in known.items()):
            return _filled(files, places, connection, told, stopped)
    store.remove()
    with store.writing() as connection:
        return _filled(files, places, connection, told, stopped)


def _filled(
    files: list[PoolFile],
    places: dict[str, str],
    connection: sqlite3.Connection,
    told: Callable[[Progress], None],
    stopped: Callable[[], bool],
) -> bool:
    """`build` for files of which the index holds the beginning, or nothing."""
    sizes = {file.path: size_of(file.path) for file in files}
    writer = _Writer(connection)
    done = 0
    for file in files:
        row = connection.execute("SELECT next, finished FROM sources WHERE path = ?", (file.path,)).fetchone()
        start, finished = row or (0, 0)
        reader = ShardReader(file.path, file.shard, writer.reject, None, start, any_row=file.rejects)
        for cursor in writer.read(reader, file.rejects) if not finished else ():
            writer.commit(file.path, places[file.path], cursor, finished=False)
            told(Progress(writer.next - 1, done + _read_of(reader), sum(sizes.values())))
            if stopped():
                return False
        if not finished:
            writer.commit(file.path, places[file.path], 0, finished=True)
        done += sizes[file.path]
        told(Progress(writer.next - 1, done, sum(sizes.values())))
    if get_meta(connection, "summed") != writer.next:
        connection.execute("BEGIN")
        _sum_up(connection)
        set_meta(connection, "summed", writer.next)
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return True


def is_complete(pool: str, store: Store) -> bool:
    """Whether the index holds the pool as it is now: nothing is read but the shards' places."""
    if not store.is_readable():
        return False
    connection = store.reader()
    rows = connection.execute("SELECT path, place, finished FROM sources")
    known = {path: (place, finished) for path, place, finished in rows}
    now = {file.path: (json.dumps(place_of(file.path)), 1) for file in sources(pool)}
    return known == now and get_meta(connection, "summed") is not None


def _read_of(reader: ShardReader) -> int:
    return 0 if reader.path.endswith(".parquet") else int(reader.taken()["bytes"])


@dataclass
class _Writer:
    """Rows on their way into the index; everything since the last commit is in one transaction."""

    connection: sqlite3.Connection
    next: int = 1
    block: int = 1
    columns: dict[str, int] = field(default_factory=dict)
    """Score → number of its column."""
    left_out: set[str] = field(default_factory=set)
    unreadable: int = 0
    lines: list[bytes] = field(default_factory=list)
    waiting: int = 0
    """Bytes in `lines`."""
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    words: list[tuple[Any, ...]] = field(default_factory=list)
    pending: int = 0
    """Bytes since the last commit."""

    def __post_init__(self) -> None:
        connection = self.connection
        self.next = (connection.execute("SELECT max(number) FROM documents").fetchone()[0] or 0) + 1
        self.block = (connection.execute("SELECT max(number) FROM blocks").fetchone()[0] or 0) + 1
        self.columns = get_meta(connection, "columns", {})
        self.unreadable = get_meta(connection, "unreadable", 0)
        self.compress = zstandard.ZstdCompressor(level=3).compress
        connection.execute("INSERT INTO words(words, rank) VALUES ('automerge', 8)")
        connection.execute(f"INSERT INTO words(words, rank) VALUES ('hashsize', {COMMIT_BYTES})")

    def reject(self, position: int, reason: str, raw: bytes) -> None:
        """Count a line that is no document; those that a stage set aside are read from its rejects."""
        self.unreadable += 1

    def read(self, reader: ShardReader, rejects: bool) -> Iterator[int]:
        """Take in a file; gives, whenever there is enough to commit, the position to go on from."""
        before = -1
        for position, row in reader:
            if self.pending >= COMMIT_BYTES and position != before:
                yield position
            before = position
            self.add(_rejected(row) if rejects else row, dropped=rejects)

    def add(self, document: Document, *, dropped: bool) -> None:
        """Put a document into the index."""
        raw = encode(document)
        if self.waiting and self.waiting + len(raw) > BLOCK_BYTES:
            self.flush()
        text, organic = storable(str(document["text"])), document.get("organic_text")
        organic = storable(organic) if isinstance(organic, str) else ""
        name = f"{id_text(document.get('id', ''))} {address_of(document)}"
        scores = [None] * MOST_SCORES
        for score, value in scores_of(document, text, organic, dropped).items():
            if score not in self.columns:
                if len(self.columns) == MOST_SCORES:
                    self.left_out.add(score)
                    continue
                self.columns[score] = len(self.columns)
            scores[self.columns[score]] = value  # type: ignore[call-overload]
        about = (_short(document.get("reason")) if dropped else None, statuses_of(document), *_classes(document))
        key = key_of(id_text(document.get("id", "")))
        self.rows.append((self.next, key, self.block, len(self.lines), int(dropped), *about, *scores))
        self.words.append((self.next, text, organic, storable(name)))
        self.lines.append(raw)
        self.waiting += len(raw)
        self.pending += len(raw)
        self.next += 1

    def flush(self) -> None:
        """Write what is waiting to the tables, without ending the transaction."""
        connection = self.connection
        if not connection.in_transaction:
            connection.execute("BEGIN")
        if not self.lines:
            return
        places = ", ".join("?" * (9 + MOST_SCORES))
        connection.execute("INSERT INTO blocks VALUES (?, ?)", (self.block, self.compress(b"".join(self.lines))))
        connection.executemany(f"INSERT INTO documents VALUES ({places})", self.rows)
        connection.executemany("INSERT INTO words(rowid, recycled, organic, name) VALUES (?, ?, ?, ?)", self.words)
        self.lines, self.rows, self.words, self.waiting = [], [], [], 0
        self.block += 1

    def commit(self, path: str, place: str, cursor: int, *, finished: bool) -> None:
        """End the transaction, and note how far the file was read."""
        self.flush()
        connection = self.connection
        connection.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)", (path, place, cursor, int(finished)))
        set_meta(connection, "columns", self.columns)
        set_meta(connection, "unreadable", self.unreadable)
        if self.left_out:
            set_meta(connection, "left_out", len(self.left_out))
        connection.execute("COMMIT")
        self.pending = 0


def key_of(identity: str) -> int:
    """What an id is looked up by: 63 bits."""
    return hash_id(identity) >> 1


def _rejected(row: Mapping[str, Any]) -> Document:
    """A line of a rejects file as a document: its text as the page, no rephrasing, and the reason."""
    document = row.get("document")
    document = dict(document) if isinstance(document, dict) else {}
    text = document.get("text", row.get("raw", row.get("raw_base64", "")))
    made_up = f"rejected line {row.get('position', '?')}"
    return {"id": made_up, **document, "organic_text": str(text), "text": "", "reason": row.get("reason")}


def scores_of(document: Mapping[str, Any], text: str, organic: str, dropped: bool) -> dict[str, float]:
    """Every number that a document has for a score, with those that the index adds."""
    found: dict[str, Any] = {"characters": len(organic if dropped else text)}
    if organic and not dropped:
        found["content_kept"] = long_words_kept(organic, text)
        found["numbers_kept"] = numbers_kept(organic, text).recall
    for values in (document, record_of(document) or {}):
        found |= {
            name: value
            for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in NO_SCORES
        }
    scores = {}
    for name, value in itertools.islice(found.items(), 4 * MOST_SCORES):
        if value is not None and len(name) <= 80:
            scores[name] = float(value)
    return scores


def statuses_of(document: Mapping[str, Any]) -> str | None:
    """How a document's chunks ended and what was noted of them, each once, as `|empty|kept_organic|ok|`."""
    chunks = (record_of(document) or {}).get("chunks")
    found: set[str | None] = set()
    for chunk in chunks if isinstance(chunks, list) else ():
        if isinstance(chunk, dict):
            flags = chunk.get("flags")
            found |= {_short(chunk.get("status")), *map(_short, flags if isinstance(flags, list) else ())}
    names = sorted(name for name in found if name)
    return f"|{'|'.join(names)}|" if names else None


def _classes(document: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Topic and source."""
    metadata = document.get("metadata")
    inside = metadata.get("topic") if isinstance(metadata, dict) else None
    return _short(document.get("topic")) or _short(inside), _short(document.get("source"))


def _short(value: Any) -> str | None:
    return storable(value[:120]).replace("|", "/") if isinstance(value, str) and value else None


def _sum_up(connection: sqlite3.Connection) -> None:
    """What the page says of the whole pool, worked out once: counts, and the values that can be filtered by."""
    count = "SELECT count(*), total(dropped) FROM documents"
    everything, dropped = connection.execute(count).fetchone()
    set_meta(connection, "documents", everything - int(dropped))
    set_meta(connection, "dropped", int(dropped))
    for name in ("reason", "topic", "source"):
        rows = connection.execute(
            f"SELECT {name}, count(*) FROM documents WHERE {name} IS NOT NULL GROUP BY {name} ORDER BY 2 DESC LIMIT ?",
            (MOST_FACET,),
        )
        set_meta(connection, f"facet_{name}", rows.fetchall())
    statuses: dict[str, int] = {}
    grouped = "SELECT statuses, count(*) FROM documents WHERE statuses IS NOT NULL GROUP BY statuses LIMIT 5000"
    for together, number in connection.execute(grouped):
        for status in together.strip("|").split("|"):
            statuses[status] = statuses.get(status, 0) + number
    set_meta(connection, "facet_status", sorted(statuses.items(), key=lambda one: -one[1])[:MOST_FACET])
    columns = get_meta(connection, "columns", {})
    figures = {}
    for name, number in columns.items():
        found = connection.execute(
            f"SELECT count(s{number}), min(s{number}), avg(s{number}), max(s{number}) FROM documents"
        )
        figures[name] = found.fetchone()
    set_meta(connection, "scores", figures)


def documents_at(connection: sqlite3.Connection, places: Iterable[tuple[int, int]]) -> Iterator[Document]:
    """The documents at (block, slot), in that order; one block is held at a time, as a document may be huge."""
    held, lines = 0, list[bytes]()
    for block, slot in places:
        if block != held:
            lines = []  # not both at once
            (raw,) = connection.execute("SELECT lines FROM blocks WHERE number = ?", (block,)).fetchone()
            held, lines = block, zstandard.ZstdDecompressor().decompress(raw).split(b"\n")
        yield decode(lines[slot])
