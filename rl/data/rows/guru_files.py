"""Parquet files of Guru's records: streamed in as rows, and out again with the Arrow schema that they came with.

The schema of each foreign file stands in the metadata of the file of rows, under `SCHEMAS`, and each row names its own
by a digest (`info._guru.schema`). So a file of rows may hold several, and goes out as one file for each of them.
"""

import base64
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.pools.storage import atomic_write, open_read
from rl.data.rows import guru, packed
from rl.data.rows.kinds import GoldKinds, Kinds
from rl.data.rows.names import verifier_of
from rl.data.rows.schema import ROWS_PER_GROUP, SPLITS, Row, canonical

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMAS = "repro.schemas"
"""Key of a file's metadata: JSON, digest to base64 of an Arrow schema."""

Rows = Callable[[], Iterable[Mapping[str, Any]]]
"""Opens the same rows each time: a file is written in two passes."""


def read_records(path: str, batch_rows: int = ROWS_PER_GROUP) -> Iterator[tuple[int | None, Row]]:
    """Stream a Parquet file of Guru's layout as rows, compressed or not; memory does not grow with the file.

    Args:
        path: the file; a folder `train`, `online_eval` or `offline_eval` names the split.
        batch_rows: rows held at a time; the result does not depend on it.

    Yields:
        The place of the row in the file of rows that this one was written from, None in a foreign file; the row.

    Raises:
        ValueError: the name of a data set is not known, or a packed text is broken; with file and row.
    """
    import pyarrow.parquet

    folder = Path(path).parent.name
    split = folder if folder in SPLITS else ""
    seen: Counter[str] = Counter()
    numbers = itertools.count()
    with open_read(path) as source:
        file = pyarrow.parquet.ParquetFile(source)
        schema = file.schema_arrow
        digest, packing = digest_of(schema), _packing(schema)
        fields = {field.name: _names(field.type) for field in schema}
        for batch in file.iter_batches(batch_size=batch_rows):
            for index, raw in enumerate(batch.to_pylist()):
                number = next(numbers)
                whence = {"file": Path(path).name, "row": number}
                try:
                    record = packing.opened(raw)
                    if (words := guru.own_words(record)) is not None:
                        yield words["at"], guru.row_of_own(record, words)
                        continue
                    row = guru.base_row(record, split, whence)
                except ValueError as error:
                    raise ValueError(f"{path}, row {number}: {error}") from None
                foretold = guru.record_of(row)
                how = packing.how(raw, foretold)
                kept = guru.kept_words(raw, packing.closed(foretold, how), fields)
                whole = {name: _encoded(batch.column(name).slice(index, 1)) for name in kept.pop("whole")}
                parts = {"schema": digest, "packed": how, "whole": whole, **kept}
                info = json.loads(row["info"]) | {guru.KEPT: {name: part for name, part in parts.items() if part}}
                yield None, guru.unique_id({**row, "info": canonical(info)}, seen)


def write_records(path: str, rows: Rows, schemas: Mapping[str, str], compressed: bool = False) -> list[str]:
    """Write rows as Parquet files of Guru's layout: one file, or a folder with one for each schema there is.

    Rows read from such files get the schema they came with; of others, each data set gets one of its own, or all of
    them the same if `compressed`.

    Args:
        path: a file, or a folder if there are several schemas.
        rows: opens the rows.
        schemas: those that rows name, by digest (`schemas_in`).
        compressed: pack `extra_info` and gold answers into texts.

    Returns:
        The files written.

    Raises:
        ValueError: a file was named and there are several schemas.
    """
    foreign = {digest: schema for digest, text in schemas.items() if _is_packed(schema := _decoded(text)) == compressed}
    groups = {_group(row, foreign, compressed): row["source"] for row in rows()}
    if len(groups) > 1 and path.endswith(".parquet"):
        raise ValueError(f"these rows need {len(groups)} files, each with its schema: give a folder in place of {path}")
    written = []
    for number, (group, source) in enumerate(groups.items()):
        target = path if path.endswith(".parquet") else f"{path}/{number:03d}_{source}.parquet"
        found = ((at, row) for at, row in enumerate(rows()) if _group(row, foreign, compressed) == group)
        if group in foreign:
            _write(target, foreign[group], (_foreign(row, foreign[group]) for _, row in found))
        else:
            own = (
                guru.own_record(row, at) for at, row in enumerate(rows()) if _group(row, foreign, compressed) == group
            )
            schema = _own_schema(own, compressed, schemas)
            _write(target, schema, ((_own(row, at, schema), {}) for at, row in found))
        written.append(target)
    return written


def schemas_in(path: str) -> dict[str, str]:
    """The foreign schemas that the rows of a file may name, as its metadata has them, and its own if it is foreign."""
    import pyarrow.parquet

    with open_read(path) as source:
        schema = pyarrow.parquet.read_schema(source)
    known = (schema.metadata or {}).get(SCHEMAS.encode())  # in every file that we wrote
    if known is not None:
        return json.loads(known)
    return {digest_of(schema): _text(schema)} if "data_source" in schema.names else {}


def digest_of(schema: "pa.Schema") -> str:
    """16 hex digits that tell one Arrow schema from another, metadata included."""
    return hashlib.sha256(_text(schema).encode()).hexdigest()[:16]


def _group(row: Mapping[str, Any], foreign: Mapping[str, Any], compressed: bool) -> str:
    kept = json.loads(row["info"]).get(guru.KEPT)
    digest = kept.get("schema") if isinstance(kept, dict) else None
    return digest if isinstance(digest, str) and digest in foreign else "" if compressed else row["source"]


def _foreign(row: Mapping[str, Any], schema: "pa.Schema") -> tuple[guru.Record, dict[str, str]]:
    """A record as the file had it that its row came from, and the columns that are kept whole."""
    kept = json.loads(row["info"])[guru.KEPT]
    record = _packing(schema).closed(guru.record_of(row), kept.get("packed", {}))
    return guru.with_kept_words(record, kept), kept.get("whole", {})


def _own(row: Mapping[str, Any], at: int, schema: "pa.Schema") -> guru.Record:
    """A record in a schema of ours, with what only the row can say."""
    record = _projected(guru.own_record(row, at), schema)
    return _packing(schema).closed(guru.sealed(record, row, at), {})


def _own_schema(records: Iterable[guru.Record], compressed: bool, schemas: Mapping[str, str]) -> "pa.Schema":
    """A schema for records that came with none: what has one type throughout gets its column or field."""
    import pyarrow as pa

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    extra: pa.DataType = pa.struct([(name, pa.string()) for name in packed.PARTS])
    gold: pa.DataType = pa.struct([("compressed", pa.string())])
    rates: set[str] = set()
    if not compressed:
        inside, golds = Kinds(), GoldKinds()
        for record in records:
            inside.add(record["extra_info"])
            golds.add(verifier_of(record["data_source"]), record["reward_model"]["ground_truth"])
            rates |= {name for name in record if name.endswith(guru.RATE)}
        inside.add({guru.OWN: ""})
        extra, gold = inside.arrow(), golds.arrow()
    fields = [
        ("data_source", pa.string()),
        ("prompt", pa.list_(turn)),
        ("ability", pa.string()),
        ("apply_chat_template", pa.bool_()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", gold)])),
        ("extra_info", extra),
        *((name, pa.float64()) for name in sorted(rates)),
    ]
    return pa.schema(fields, metadata={SCHEMAS: json.dumps(schemas, sort_keys=True)})


def _projected(record: guru.Record, schema: "pa.Schema") -> guru.Record:
    """A record as columns of a schema of ours give it back: what they do not hold is gone."""
    found = {name: record.get(name) for name in schema.names}
    packing = _packing(schema)
    if not packing.parts:
        inner = _names(schema.field("extra_info").type)
        found["extra_info"] = {key: value for key, value in record["extra_info"].items() if key in inner}
    if not packing.gold:
        native = record["reward_model"]["ground_truth"]
        text = str(_rule_type(schema)) == "string" and not isinstance(native, str)
        found["reward_model"] = {"style": "rule", "ground_truth": json.dumps(native) if text else native}
    return found


def _write(path: str, schema: "pa.Schema", records: Iterable[tuple[guru.Record, Mapping[str, str]]]) -> None:
    """Write records, and columns of them that are kept whole, as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet

    left = iter(records)
    with atomic_write(path) as target, pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        while group := list(itertools.islice(left, ROWS_PER_GROUP)):
            columns = [_column(group, field) for field in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _column(group: list[tuple[guru.Record, Mapping[str, str]]], field: "pa.Field") -> "pa.ChunkedArray":
    """One column of some records: values in runs, between them the cells that are kept whole."""
    import pyarrow as pa

    chunks = []
    for whole, run in itertools.groupby(group, key=lambda one: field.name in one[1]):
        cells = list(run)
        if whole:
            chunks += [_decoded_array(found[field.name]) for _, found in cells]
        else:
            chunks.append(pa.array([record.get(field.name) for record, _ in cells], field.type))
    return pa.chunked_array(chunks, field.type)


def _names(kind: "pa.DataType") -> set[str]:
    """The names of a struct's fields; none for another type."""
    import pyarrow as pa

    return {inner.name for inner in kind} if pa.types.is_struct(kind) else set()


def _rule_type(schema: "pa.Schema") -> "pa.DataType | None":
    """The Arrow type of the gold answers, None where there are none."""
    fields = schema.field("reward_model").type if "reward_model" in schema.names else ()
    return next((inner.type for inner in fields if inner.name == "ground_truth"), None)


def _packing(schema: "pa.Schema") -> packed.Packing:
    kind = _rule_type(schema)
    fields = {field.name: _names(field.type) for field in schema}
    return packed.packing_of(fields, _names(kind) if kind is not None else set())


def _is_packed(schema: "pa.Schema") -> bool:
    return any(_packing(schema))


def _text(schema: "pa.Schema") -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def _decoded(text: str) -> "pa.Schema":
    import pyarrow.ipc

    return pyarrow.ipc.read_schema(pyarrow.py_buffer(base64.b64decode(text)))


def _encoded(cell: "pa.Array") -> str:
    """One cell of a column as base64 of Arrow's own bytes, for what JSON cannot hold."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    batch = pa.record_batch([cell], names=["cell"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()


def _decoded_array(text: str) -> "pa.Array":
    import pyarrow as pa

    with pa.ipc.open_stream(base64.b64decode(text)) as reader:
        return reader.read_next_batch().column(0)
