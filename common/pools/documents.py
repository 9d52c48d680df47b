"""Documents in and out of files: JSON lines, plain or compressed, and Parquet, local or fsspec.

A document is a JSON object with a string `text`; all other fields ride along. JSONL lines end at `\\n` only: page text
holds U+2028, U+0085 and the like, at which `str.splitlines` would cut a document in two.

A recycled document tells in its `rephrase` record of the page that it rephrases; it is read the same way everywhere.
Null and absent are one, since a trip through Parquet gives every row every field. Nothing is read out of an id: a
record names its page (`page`) and the rollout (`rollout`) where a page has several; without `page` the document's own
id is the page's.
"""

import contextlib
import gzip
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, cast

import orjson
import zstandard

from common.pools.inputs import Record, place_of, record
from common.pools.lines import BrokenOff, Taken, scan_lines
from common.pools.repair import decode, encode, id_text, parse_line
from common.pools.storage import Written, atomic_write

Document = dict[str, Any]
Reject = Callable[[int, str, bytes], None]
"""Called with position, reason and raw bytes of what could not be read as a document."""
Repair = Callable[[int, str], None]
"""Called with position and name of a change that a line needed to be read."""

FORMS = (
    ".jsonl",
    ".jsonl.gz",
    ".jsonl.zst",
    ".jsonl.zstd",
    ".ndjson",
    ".ndjson.gz",
    ".ndjson.zst",
    ".json.gz",
    ".json.zst",
    ".parquet",
)
ZSTD_LEVEL = 3


def form_of(path: str) -> str:
    """The ending that says how a shard is stored.

    Raises:
        ValueError: the name ends in none of `FORMS`.
    """
    for form in FORMS:
        if path.endswith(form):
            return form
    raise ValueError(f"{path} is no shard: its name should end in one of {', '.join(FORMS)}")


class ShardReader:
    """A shard's documents in order, each with its position (line or row number, from 0), read once from start to end.

    Two documents on one line have one position; ids that are made up tell them apart.

    Args:
        path: file or URL.
        index: the shard's number in its pool, for derived ids.
        on_reject: told of all that is no document; see `common.pools.stats.NO_DOCUMENT`.
        on_repair: told of lines that needed a change to be read; see `common.pools.repair`.
        start: position of the first line wanted; lines before it are neither parsed nor rejected.
        columns: of a Parquet file, the only ones that are needed.
        any_row: give objects without `text` too.
    """

    def __init__(
        self,
        path: str,
        index: int = 0,
        on_reject: Reject | None = None,
        on_repair: Repair | None = None,
        start: int = 0,
        columns: Sequence[str] | None = None,
        any_row: bool = False,
    ) -> None:
        self.path = path
        self.index = index
        self.reject = on_reject or _ignore
        self.repair = on_repair or _ignore
        self.start = start
        self.columns = columns
        self.any_row = any_row
        self.place = place_of(path)
        self.lines = 0
        self.broken: str | None = None
        self._taken = Taken()
        self._record: Record | None = None

    def __iter__(self) -> Iterator[tuple[int, Document]]:
        """Position and document, one after the other."""
        parquet = form_of(self.path) == ".parquet"
        for position, nth, row in self._parquet() if parquet else self._parsed():
            if not isinstance(row, dict):
                self.reject(position, "no_object", encode(row).rstrip(b"\n"))
            elif self.any_row:
                yield position, row
            elif isinstance(row.get("text"), str):
                if row.get("id") is None:
                    row["id"] = f"{self.index:08d}-{position:08d}" + (f".{nth}" if nth else "")
                yield position, row
            else:
                self.reject(position, "no_text", encode(row).rstrip(b"\n"))
        if place_of(self.path) != self.place:
            raise ValueError(f"{self.path} changed while it was read; run the same command again")

    def share_read(self) -> float:
        """How much of a file of lines was read so far, from 0 to 1."""
        size = int(self.place[2] if len(self.place) > 2 else self.place[1])
        return min(1.0, self._taken.bytes / size) if size else 1.0

    def taken(self) -> Record:
        """What was read so far, by which the file is known again (`common.pools.inputs`)."""
        if form_of(self.path) != ".parquet":
            return {"place": self.place, "bytes": self._taken.bytes, "digest": self._taken.digest()}
        if self._record is None:
            self._record = {**record(self.path), "place": self.place}  # Parquet is not read from start to end
        return self._record

    def _parquet(self) -> Iterator[tuple[int, int, Any]]:
        from common.pools.parquet import NotParquet, read_parquet

        try:
            for position, row in read_parquet(self.path, self.reject, self.start, self.columns):
                yield position, 0, row
        except NotParquet as error:
            self.broken = str(error)
            self.reject(0, "broken_compression", str(error).encode())

    def _parsed(self) -> Iterator[tuple[int, int, Any]]:
        position = -1
        try:
            for position, line in enumerate(scan_lines(self.path, taken=self._taken)):
                self.lines = position + 1
                if position < self.start:
                    continue
                if line.too_long:
                    self.reject(position, "line_too_long", line.raw)
                    continue
                for nth, found in enumerate(parse_line(line.raw, first=position == 0)):
                    for name in found.repairs:
                        self.repair(position, name)
                    if found.reason is not None:
                        self.reject(position, found.reason, found.raw)
                    else:
                        yield position, nth, found.value
        except BrokenOff as error:
            self.broken = f"{self.path} breaks off after {position + 1:,} lines: {error}"
            if position + 1 >= self.start:
                self.reject(position + 1, "broken_compression", self.broken.encode())


def read_documents(
    path: str, index: int = 0, on_reject: Reject | None = None, start: int = 0, columns: Sequence[str] | None = None
) -> Iterator[Document]:
    """Stream a shard's documents in order; memory does not grow with the shard.

    A document without `id` gets `<index>-<position>`, so that its line can be traced. The arguments are those of
    `ShardReader`.
    """
    return (document for _, document in ShardReader(path, index, on_reject, None, start, columns))


def read_positions(
    path: str, index: int = 0, on_reject: Reject | None = None, start: int = 0
) -> Iterator[tuple[int, Document]]:
    """`read_documents` with each document's position (line or row number, from 0)."""
    return iter(ShardReader(path, index, on_reject, None, start))


def read_rows(path: str, on_reject: Reject | None = None, start: int = 0) -> Iterator[tuple[int, Document]]:
    """Any JSON objects or Parquet rows of a file, `text` or not, each with its position; the rest as `read_documents`.

    Chat rows hold `messages` or `prompt` where a document holds `text`.
    """
    return iter(ShardReader(path, 0, on_reject, None, start, any_row=True))


def write_documents(path: str, documents: Iterable[Mapping[str, Any]], known: Sequence[Any] = ()) -> int:
    """Write a whole shard; it appears under its name only when complete.

    Args:
        path: file or URL; its name says how it is stored.
        documents: gone through once.
        known: for Parquet, Arrow schemas of the files that the documents come from.

    Returns:
        The number of documents written.
    """
    if form_of(path) == ".parquet":
        from common.pools.parquet import write_parquet

        # The schema is settled before the first row is written, so the documents wait in a file, not in memory.
        with tempfile.TemporaryFile() as spool:
            spool.writelines(encode(document, exact=True) for document in documents)

            def again() -> Iterator[Document]:
                spool.seek(0)
                return (decode(line) for line in spool)

            return write_parquet(path, again, known)[0]
    with open_lines(path) as target:
        count = 0
        for document in documents:
            target.write(encode(document))
            count += 1
    return count


@contextlib.contextmanager
def open_lines(path: str, raw: list[Written] | None = None) -> Iterator[IO[bytes]]:
    """A writable, compressed-by-name JSONL file that appears whole or not at all. Equal content gives equal bytes.

    Args:
        path: file or URL.
        raw: gets the compressed file, which knows its length and digest when the block has ended.
    """
    form = form_of(path)
    with atomic_write(path) as file:
        if raw is not None:
            raw.append(file)
        if form.endswith(".gz"):
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as target:  # type: ignore[call-overload]
                yield cast(IO[bytes], target)
        elif form.endswith((".zst", ".zstd")):
            compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
            with compressor.stream_writer(cast(IO[bytes], file), closefd=False) as target:
                yield target
        else:
            yield file  # type: ignore[misc]


_OLD_ROLLOUT = re.compile(r"(.+)#(\d{1,9})", re.DOTALL)


def as_object(value: Any) -> dict[str, Any] | None:
    """A JSON object, also one that Parquet keeps as JSON text; None for all else.

    >>> as_object('{"model": "m"}'), as_object({}), as_object("text"), as_object(None)
    ({'model': 'm'}, {}, None, None)
    """
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, dict) else None


def record_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """A recycled document's `rephrase` record; None for organic text."""
    return as_object(document.get("rephrase"))


ADDRESSES = ("url", "WARC-Target-URI")
"""Fields, of a document or of its `metadata`, that hold a page's address."""


def address_of(document: Mapping[str, Any]) -> str:
    """A page's address; empty where it has none."""
    metadata = as_object(document.get("metadata")) or {}
    found = (part.get(name) for part in (document, metadata) for name in ADDRESSES)
    return next((text for text in found if isinstance(text, str) and text), "")


def page_of(document: Mapping[str, Any]) -> str | None:
    """Id of the page that a document rephrases; None for organic text."""
    record = record_of(document)
    if record is None:
        return None
    page = record.get("page")
    return id_text(document["id"] if page is None else page)


def rollout_of(document: Mapping[str, Any]) -> int | None:
    """Which rephrasing of its page a document is, where its record says so."""
    rollout = (record_of(document) or {}).get("rollout")
    return rollout if isinstance(rollout, int) and not isinstance(rollout, bool) else None


def old_rollout(document: Mapping[str, Any]) -> str | None:
    """The page, if this may be a rollout that an earlier version wrote: recycled, no `page`, an id that ends in `#n`.

    The id of a page may end like this as well (the fragment of an address), so one document alone proves nothing; see
    `are_old`.
    """
    record = record_of(document)
    return before_mark(id_text(document["id"])) if record is not None and record.get("page") is None else None


def age(document: Mapping[str, Any]) -> int:
    """What a document says of the pools that it lies in: 1 if it may be a rollout of an earlier version, -1 if it
    speaks against that (an organic page whose id ends in `#n`, a recycled one without `page` whose id does not)."""
    record = record_of(document)
    marked = before_mark(id_text(document["id"])) is not None
    if record is None:
        return -1 if marked else 0
    return 0 if record.get("page") is not None else 1 if marked else -1


def are_old(ages: Iterable[int]) -> bool:
    """Whether the recycled documents without `page` of some pools are rollouts of an earlier version.

    They are where all of them have ids that end in `#n` and no organic page has such an id: then `#n` is no fragment.
    """
    found = set(ages)
    return 1 in found and -1 not in found


def before_mark(identity: str) -> str | None:
    """What stands before a number mark at an id's end, where earlier versions wrote a rollout's number.

    >>> before_mark("page#3"), before_mark("page#top")
    ('page', None)
    """
    found = _OLD_ROLLOUT.fullmatch(identity)
    return found[1] if found else None


def _ignore(*_: object) -> None:
    """Nobody is told."""
