"""Files of rows in any layout: which one a file has, its rows one after the other, and rows out into one."""

import heapq
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from common.pools.documents import open_lines
from common.pools.lines import read_lines
from common.pools.storage import atomic_write, exists, is_folder, list_files, open_read
from rl.data.rows import guru_files, schema
from rl.data.rows.guru_files import Rows
from rl.data.rows.objects import read_object, write_object
from rl.data.rows.schema import COLUMNS, ROWS_PER_GROUP, Row

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUTS = ("rows", "guru", "guru-compressed", "verl", "trl", "messages", "taskset")
"""`rows` is the schema of `rl.data.rows.schema`."""

LINES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.zstd")


def files_of(path: str) -> list[str]:
    """The files that a file, folder or glob stands for, in the order of their names.

    Raises:
        ValueError: there are none.
    """
    found = [path] if exists(path) and not is_folder(path) else sorted(list_files(path))
    found = [one for one in found if one.endswith((".parquet", *LINES))]
    if not found:
        raise ValueError(f"{path} holds no file of rows; their names end in .parquet or .jsonl")
    return found


def layout_of(path: str) -> str:
    """The layout of a file, by its columns or by the keys of its first object.

    Raises:
        ValueError: it is none of `LAYOUTS`.
    """
    names = _column_fields(path) if path.endswith(".parquet") else _first_keys(path)
    if set(COLUMNS) <= set(names):
        return "trl" if "solution" in names else "rows"
    if {"prompt", "provenance"} <= set(names):
        missing = next(name for name in COLUMNS if name not in names)
        raise ValueError(f"{path} has the columns of rows without {missing!r}")
    if {"data_source", "prompt"} <= set(names) and path.endswith(".parquet"):
        return "verl" if names.get("extra_info") == {"id", "index", "split", "payload"} else "guru"
    for layout, wanted in (("messages", {"messages"}), ("taskset", {"prompt", "answer"}), ("trl", {"prompt"})):
        if wanted <= set(names):
            return layout
    raise ValueError(f"{path} has none of the known layouts ({', '.join(LAYOUTS)}); its columns: {', '.join(names)}")


def read_any(path: str, source: str = "") -> Iterator[Row]:
    """Stream the rows of a file, folder or glob, each file in its own layout.

    Rows that `write_any` spread over several files come back in the order that they had.

    Args:
        path: file, folder or glob.
        source: the data set of rows that do not name one that is known.

    Raises:
        ValueError: a file cannot be read without loss; with file and row.
    """
    streams = [_numbered(file, source) for file in files_of(path)]
    firsts = [next(stream, None) for stream in streams]
    if len(streams) > 1 and all(first is None or first[0] is not None for first in firsts):
        parts = [itertools.chain([first], stream) for first, stream in zip(firsts, streams, strict=True) if first]
        yield from (row for _, row in heapq.merge(*parts, key=lambda one: one[0] or 0))
        return
    for first, stream in zip(firsts, streams, strict=True):
        yield from (row for _, row in itertools.chain([first] if first else [], stream))


def write_any(path: str, rows: Rows, layout: str, schemas: Mapping[str, str]) -> list[str]:
    """Write rows in a layout.

    Args:
        path: the file; a folder where rows of the layouts `guru` and `guru-compressed` need several schemas.
        rows: opens the rows, which are read more than once.
        layout: one of `LAYOUTS`.
        schemas: foreign Arrow schemas that rows name, by digest (`schemas_of`).

    Returns:
        The files written.

    Raises:
        ValueError: the layout is not known, or the file's name does not fit it.
    """
    if layout in ("guru", "guru-compressed"):
        return guru_files.write_records(path, rows, schemas, layout == "guru-compressed")
    if layout == "rows" and path.endswith(".parquet"):
        schema.write_rows(path, rows(), {guru_files.SCHEMAS: json.dumps(schemas, sort_keys=True)} if schemas else {})
        return [path]
    if layout not in LAYOUTS:
        raise ValueError(f"no layout {layout!r}; there are: {', '.join(LAYOUTS)}")
    objects = (dict(row) if layout == "rows" else write_object(layout, row, at) for at, row in enumerate(rows()))
    if path.endswith(LINES) and layout != "verl":
        with open_lines(path) as target:
            for one in objects:
                target.write(json.dumps(one, ensure_ascii=False).encode() + b"\n")
    elif path.endswith(".parquet") and layout in ("verl", "trl"):
        _write_flat(path, objects, _flat_schema(layout))
    else:
        form = ".parquet" if layout in ("rows", "verl") else ".jsonl"
        raise ValueError(f"rows of the layout {layout!r} go into a file ending in {form}, not {path}")
    return [path]


def schemas_of(path: str) -> dict[str, str]:
    """The foreign Arrow schemas of all files that a path stands for, by digest."""
    found: dict[str, str] = {}
    for file in files_of(path):
        if file.endswith(".parquet") and layout_of(file) in ("rows", "guru"):
            found |= guru_files.schemas_in(file)
    return found


def _numbered(path: str, source: str) -> Iterator[tuple[int | None, Row]]:
    """Rows of one file, each with its place in the file of rows that was spread over several, if it was."""
    layout = layout_of(path)
    if layout == "guru":
        yield from guru_files.read_records(path)
        return
    for at, one in enumerate(_parquet(path) if path.endswith(".parquet") else _objects(path)):
        try:
            row: Any = one if layout == "rows" else read_object(layout, one, at, source)
            for turn in row["prompt"]:
                turn["content"].encode()
        except UnicodeEncodeError:
            raise ValueError(f"{path}, row {at}: the prompt holds half a character (\\ud800 to \\udfff)") from None
        except ValueError as error:
            raise ValueError(f"{path}, row {at}: {error}") from None
        yield None, {name: row[name] for name in COLUMNS}  # type: ignore[misc]


def _objects(path: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: no JSON: {error}") from None
        if not isinstance(found, dict):
            raise ValueError(f"{path}, line {number}: no JSON object")
        yield found


def _parquet(path: str) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    with open_read(path) as source:
        for batch in pyarrow.parquet.ParquetFile(source).iter_batches(batch_size=ROWS_PER_GROUP):
            yield from batch.to_pylist()


def _write_flat(path: str, objects: Iterable[Mapping[str, Any]], kind: "pa.Schema") -> None:
    import pyarrow as pa
    import pyarrow.parquet

    left = iter(objects)
    with atomic_write(path) as target, pyarrow.parquet.ParquetWriter(target, kind, compression="zstd") as writer:
        while group := list(itertools.islice(left, ROWS_PER_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=kind))


def _flat_schema(layout: str) -> "pa.Schema":
    """The one Arrow schema of all files of `trl` or `verl`."""
    import pyarrow as pa

    rows = schema.arrow_schema()
    if layout == "trl":
        return rows.append(pa.field("solution", pa.string()))
    text = pa.string()
    extra = [("id", text), ("index", pa.int64()), ("split", text), ("payload", text)]
    return pa.schema(
        [
            ("data_source", text),
            ("prompt", rows.field("prompt").type),
            ("ability", text),
            ("apply_chat_template", pa.bool_()),
            ("reward_model", pa.struct([("style", text), ("ground_truth", text)])),
            ("extra_info", pa.struct(extra)),
        ]
    )


def _column_fields(path: str) -> dict[str, set[str]]:
    """The columns of a Parquet file, each with the names of its fields."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with open_read(path) as source:
            found = pyarrow.parquet.read_schema(source)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no readable Parquet file: {error}") from None
    return {one.name: {inner.name for inner in one.type} if pa.types.is_struct(one.type) else set() for one in found}


def _first_keys(path: str) -> dict[str, set[str]]:
    first: dict[str, Any] = next(iter(_objects(path)), {})
    return {name: set() for name in first}
