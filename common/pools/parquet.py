"""Parquet in and out: damage is told by row, types that JSON lacks come back as they were.

Reading, a time, date or decimal becomes text, bytes become `{"base64": …}` when written as JSON. Writing to a schema
that is known turns these back. Other fields get a type that fits all their values; where none does, they become JSON
text.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from common.pools.parquet_types import Shape, back, from_json, plain_type, shaped
from common.pools.repair import LongNumber
from common.pools.storage import atomic_write, open_read

if TYPE_CHECKING:
    import pyarrow

log = logging.getLogger("repro")

Document = dict[str, Any]
Reject = Callable[[int, str, bytes], None]

BATCH_ROWS = 1024
"""Rows of a row group that is written, and rows that are read at once."""

BATCH_CHARS = 1 << 24
"""A row group ends with the document whose text passes this, so that memory is bounded whatever their length."""


class NotParquet(ValueError):
    """A file has no readable Parquet footer."""


def read_parquet(
    path: str, reject: Reject, start: int = 0, columns: Sequence[str] | None = None
) -> Iterator[tuple[int, Document]]:
    """Rows with their numbers; a damaged cell or row group is rejected with the file's name, row by row.

    Args:
        path: file or URL.
        reject: told of rows that cannot be read (`bad_cell`, `broken_row_group`).
        start: number of the first row wanted.
        columns: the only ones to read; None for all.

    Raises:
        NotParquet: the file has no readable footer.
    """
    import pyarrow
    import pyarrow.parquet

    with open_read(path) as source:
        try:
            table = pyarrow.parquet.ParquetFile(source)
            groups = [table.metadata.row_group(number).num_rows for number in range(table.metadata.num_row_groups)]
            names = table.schema_arrow.names
        except (pyarrow.ArrowException, OSError) as error:
            raise NotParquet(f"{path} is no readable Parquet file: {error}") from None
        wanted = None if columns is None else [name for name in columns if name in names]
        first = 0
        for number, count in enumerate(groups):
            at, first = first, first + count
            if first <= start:
                continue
            try:
                for batch in table.iter_batches(BATCH_ROWS, row_groups=[number], columns=wanted):
                    yield from _rows(path, batch, at, start, reject)
                    at += batch.num_rows
            except (pyarrow.ArrowException, OSError) as error:
                for row in range(max(at, start), first):
                    reject(row, "broken_row_group", f"{path}, row {row}, row group {number}: {error}".encode())


def count_rows(path: str) -> int:
    """The rows of a file, by what its end says; 0 where it cannot be read."""
    import pyarrow
    from pyarrow import parquet

    try:
        with open_read(path) as source, parquet.ParquetFile(source) as table:
            return int(table.metadata.num_rows)
    except (pyarrow.ArrowException, OSError):
        return 0


def read_schema(path: str) -> "pyarrow.Schema":
    """The Arrow schema of a Parquet file.

    Raises:
        NotParquet: the file has no readable footer.
    """
    import pyarrow
    import pyarrow.parquet

    with open_read(path) as source:
        try:
            return pyarrow.parquet.ParquetFile(source).schema_arrow
        except (pyarrow.ArrowException, OSError) as error:
            raise NotParquet(f"{path} is no readable Parquet file: {error}") from None


def write_parquet(
    path: str, documents: Callable[[], Iterable[Document]], known: Sequence["pyarrow.Schema"] = ()
) -> tuple[int, dict[str, Any]]:
    """Write documents as Parquet in bounded memory; the file appears when complete.

    The documents are gone through twice: once to settle the schema, once to write.

    Args:
        path: file or URL.
        documents: gives them anew at each call.
        known: schemas of the files that they come from, the first that has a field decides.

    Returns:
        The number of documents, and the file's length and digest.
    """
    import pyarrow
    import pyarrow.parquet

    types: dict[str, Any] = {}
    for schema in reversed(known):
        types = {field.name: field.type for field in schema} | types
    shapes: dict[str, Shape] = {}
    for batch in _batches(documents()):
        for name in dict.fromkeys(name for row in batch for name in row):
            shape = shapes.setdefault(name, Shape())
            for row in batch:
                shape.see(row.get(name))
            if name in types and back([row.get(name) for row in batch], types[name]) is None:
                log.warning("%s: %r does not fit the type %s any more that it was read with", path, name, types[name])
                del types[name]
    shapes = shapes or {"text": Shape("string")}
    mixed = sorted(name for name, shape in shapes.items() if name not in types and shape.has_json())
    if mixed:
        log.warning("%s: no one Parquet type fits %s; values are kept as JSON text", path, ", ".join(mixed))
    schema = pyarrow.schema([(name, types.get(name) or shape.type(name)) for name, shape in shapes.items()])
    count = 0
    with atomic_write(path) as target:
        with pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in _batches(documents()):
                columns = [_column(name, shape, batch, types) for name, shape in shapes.items()]
                writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
                count += len(batch)
        written = target.sum()
    return count, written


def _column(name: str, shape: Shape, batch: Sequence[Document], types: dict[str, Any]) -> Any:
    import pyarrow

    values = [row.get(name) for row in batch]
    if name in types:
        return back(values, types[name])
    return pyarrow.array([shaped(value, shape, name) for value in values], shape.type(name))


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    chars = 0
    for document in documents:
        batch.append(document)
        chars += sum(len(value) for value in document.values() if isinstance(value, str))
        if len(batch) == BATCH_ROWS or chars >= BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _rows(
    path: str, batch: "pyarrow.RecordBatch", first: int, start: int, reject: Reject
) -> Iterator[tuple[int, Document]]:
    """A batch's rows; where it does not turn into Python values as a whole, row by row and cell by cell."""
    import pyarrow

    try:
        columns = [_values(column) for column in batch.columns]
    except (pyarrow.ArrowException, ValueError, OverflowError):
        for number in range(batch.num_rows):
            if first + number >= start:
                yield from _row(path, batch.slice(number, 1), first + number, reject)
        return
    names = batch.schema.names
    for number in range(batch.num_rows):
        if first + number >= start:
            yield first + number, {name: column[number] for name, column in zip(names, columns, strict=True)}


def _row(path: str, row: "pyarrow.RecordBatch", number: int, reject: Reject) -> Iterator[tuple[int, Document]]:
    import pyarrow

    values = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            values[name] = _values(column)[0]
        except (pyarrow.ArrowException, ValueError, OverflowError) as error:
            reject(number, "bad_cell", f"{path}, row {number}, column {name}: {error}".encode())
            return
    yield number, values


def _values(column: "pyarrow.Array") -> list[Any]:
    """Python values that JSON holds, but for bytes, which `encode` writes reversibly."""
    import pyarrow

    plain = plain_type(column.type)
    if plain != column.type:
        was, column = column.type, column.cast(plain)
        if pyarrow.types.is_date(was) or pyarrow.types.is_timestamp(was):
            import pyarrow.compute

            if pyarrow.compute.any(pyarrow.compute.starts_with(column, "<value")).as_py():
                raise ValueError(f"a value of type {was} is out of range")
    values = column.to_pylist()
    if pyarrow.types.is_floating(column.type):
        # a float's own NaN would be null in a part, and null in the end
        return [value if value is None or math.isfinite(value) else LongNumber(from_json(value)) for value in values]
    return values
