"""Documents in and out of files: `.jsonl`, `.jsonl.gz`, `.jsonl.zst`/`.zstd` and `.parquet`, local or fsspec.

A document is a JSON object with a string `text`; all other fields ride along. JSONL lines end at `\\n` only: page text
holds U+2028, U+0085 and the like, at which `str.splitlines` would cut a document in two.
"""

import contextlib
import gzip
import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import orjson
import zstandard

from common.pools.storage import atomic_write, open_read

Document = dict[str, Any]
Reject = Callable[[int, str, bytes], None]
"""Called with position, reason and raw bytes of what could not be read as a document."""

FORMS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.zstd", ".parquet")
PARQUET_BATCH_ROWS = 1024
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


def read_documents(path: str, index: int = 0, on_reject: Reject | None = None, start: int = 0) -> Iterator[Document]:
    """Stream a shard's documents in order; memory does not grow with the shard.

    A document without `id` gets `<index>-<position>`, so that its line can be traced.

    Args:
        path: file or fsspec URL.
        index: the shard's number in its pool, for derived ids.
        on_reject: told of every line that is no document (`not_json`, `no_object`, `no_text`) and of the point where a
            compressed file breaks off (`broken_compression`); what follows such a point cannot be read by anyone.
        start: position of the first line wanted; lines before it are neither parsed nor rejected.
    """
    for position, document in read_positions(path, index, on_reject, start):
        del position
        yield document


def read_positions(
    path: str, index: int = 0, on_reject: Reject | None = None, start: int = 0
) -> Iterator[tuple[int, Document]]:
    """`read_documents` with each document's position (line or row number, from 0)."""
    reject = on_reject or _ignore
    raw_rows = _parquet_rows(path, start) if form_of(path) == ".parquet" else _parsed_lines(path, reject, start)
    for position, row in raw_rows:
        if isinstance(row, dict) and isinstance(row.get("text"), str):
            if row.get("id") is None:
                row["id"] = f"{index:08d}-{position:08d}"
            yield position, row
        else:
            reason = "no_text" if isinstance(row, dict) else "no_object"
            reject(position, reason, orjson.dumps(row, default=str))


def read_rows(path: str, on_reject: Reject | None = None, start: int = 0) -> Iterator[tuple[int, Document]]:
    """Any JSON objects or Parquet rows of a file, `text` or not, each with its position; the rest as `read_documents`.

    Chat rows hold `messages` or `prompt` where a document holds `text`.
    """
    reject = on_reject or _ignore
    raw_rows = _parquet_rows(path, start) if form_of(path) == ".parquet" else _parsed_lines(path, reject, start)
    for position, row in raw_rows:
        if isinstance(row, dict):
            yield position, row
        else:
            reject(position, "no_object", orjson.dumps(row, default=str))


def write_documents(path: str, documents: Iterable[Document]) -> int:
    """Write a whole shard; it appears under its name only when complete.

    Returns:
        The number of documents written.
    """
    if form_of(path) == ".parquet":
        return _write_parquet(path, documents)
    count = 0
    with open_lines(path) as target:
        for document in documents:
            target.write(encode(document))
            count += 1
    return count


@contextlib.contextmanager
def open_lines(path: str) -> Iterator[IO[bytes]]:
    """A writable, compressed-by-name JSONL file that appears whole or not at all. Equal content gives equal bytes."""
    form = form_of(path)
    with atomic_write(path) as raw:
        if form == ".jsonl":
            yield raw
        elif form == ".jsonl.gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as target:
                yield target  # type: ignore[misc]
        else:
            with zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(raw, closefd=False) as target:
                yield target


def encode(document: Document) -> bytes:
    """One JSON line with its newline."""
    return orjson.dumps(document, default=str, option=orjson.OPT_APPEND_NEWLINE)


def read_lines(path: str) -> Iterator[bytes]:
    """The lines of a possibly compressed text file, cut at `\\n` only, without it."""
    form = form_of(path)
    with contextlib.ExitStack() as open_files:
        source = open_files.enter_context(open_read(path))
        if form not in (".jsonl", ".jsonl.gz"):
            yield from _zstd_lines(source)
            return
        lines: Iterable[bytes] = source
        if form == ".jsonl.gz":
            lines = open_files.enter_context(gzip.GzipFile(fileobj=source))
        for line in lines:
            yield line.removesuffix(b"\n")


def _zstd_lines(source: IO[bytes]) -> Iterator[bytes]:
    """Lines of one or more zstd frames, without newlines; the library's own reader takes a frame that breaks off for
    the end."""
    decompress = zstandard.ZstdDecompressor().decompressobj
    frame = decompress()
    inside_frame = False
    rest = b""
    # Small pieces: what a damaged piece would have given is lost with it.
    while piece := source.read(1 << 16):
        plain = []
        while piece:
            inside_frame = True
            plain.append(frame.decompress(piece))
            piece = frame.unused_data
            if frame.eof:
                frame, inside_frame = decompress(), False
        *lines, rest = (rest + b"".join(plain)).split(b"\n")
        yield from lines
    if rest:
        yield rest
    if inside_frame:
        raise zstandard.ZstdError("the file breaks off inside a frame")


def _parsed_lines(path: str, reject: Reject, start: int) -> Iterator[tuple[int, Any]]:
    position = -1
    try:
        for position, line in enumerate(read_lines(path)):
            if position < start or not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                reject(position, "not_json", line)
                continue
            yield position, row
    except (zstandard.ZstdError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        if position + 1 >= start:
            reject(position + 1, "broken_compression", str(error).encode())


def _parquet_rows(path: str, start: int) -> Iterator[tuple[int, Any]]:
    import pyarrow
    import pyarrow.parquet

    with open_read(path) as source:
        try:
            table = pyarrow.parquet.ParquetFile(source)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path} is no readable Parquet file: {error}") from None
        position = 0
        for batch in table.iter_batches(batch_size=PARQUET_BATCH_ROWS):
            for row in batch.to_pylist():
                if position >= start:
                    yield position, row
                position += 1


def _write_parquet(path: str, documents: Iterable[Document]) -> int:
    import pyarrow
    import pyarrow.parquet

    # Fields may first appear late in a shard, so the schema needs a pass of its own over what was spooled.
    count = 0
    schema = None
    spooled = io.BytesIO()
    for document in documents:
        spooled.write(encode(document))
        count += 1
    spooled.seek(0)
    for batch in _batches(spooled):
        names = dict.fromkeys(name for row in batch for name in row)
        # filled up, because `from_pylist` takes the columns from the first row alone
        found = pyarrow.Table.from_pylist([{name: row.get(name) for name in names} for row in batch]).schema
        schema = found if schema is None else pyarrow.unify_schemas([schema, found], promote_options="permissive")
    schema = schema or pyarrow.schema([("text", pyarrow.string())])
    spooled.seek(0)
    with atomic_write(path) as target, pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in _batches(spooled):
            rows = [{name: row.get(name) for name in schema.names} for row in batch]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
    return count


def _batches(lines: Iterable[bytes]) -> Iterator[list[Document]]:
    rows = (orjson.loads(line) for line in lines)
    while batch := list(itertools.islice(rows, PARQUET_BATCH_ROWS)):
        yield batch


def _ignore(position: int, reason: str, raw: bytes) -> None:
    del position, reason, raw
