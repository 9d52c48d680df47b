"""Lines, frames and cells that real pools hold: every one is a document or a counted reject, and types survive."""

import datetime
import decimal
import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from common.pools.documents import ShardReader, read_documents, write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.lines import MAX_LINE_BYTES
from common.pools.shards import list_shards


def look(path):
    rejects, repairs = [], []
    reader = ShardReader(
        str(path),
        0,
        lambda place, why, raw: rejects.append((place, why)),
        lambda place, what: repairs.append((place, what)),
    )
    return [document for _, document in reader], rejects, repairs


@pytest.mark.parametrize(
    ("line", "repairs", "value"),
    [
        (b'{"text":"t","v":NaN}', ["nan"], None),
        (b'{"text":"t","v":-Infinity}', ["infinity"], None),
        (b'{"text":"t","v":"a\\udc00b"}', ["surrogate"], "a\ufffdb"),
        (b'\xef\xbb\xbf{"text":"t","v":1}', ["byte_order_mark"], 1),
    ],
)
def test_what_python_reads_is_repaired_and_counted(tmp_path, line, repairs, value):
    (tmp_path / "a.jsonl").write_bytes(line + b"\n")
    (document,), rejects, found = look(tmp_path / "a.jsonl")
    assert (document["v"], rejects, [what for _, what in found]) == (value, [], repairs)


@pytest.mark.parametrize(
    "digits", ["123456789012345678901234567890", "-0.12345678901234567890", "1e400", "18446744073709551616"]
)
def test_a_number_that_no_float_holds_keeps_its_digits(tmp_path, digits):
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.jsonl").write_text(f'{{"id":"x","text":"t","v":[{digits}]}}\n')
    process_shard(list_shards(tmp_path / "pool")[0], tmp_path / "out", lambda ds: map(Result, ds), config_hash="h")
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == (tmp_path / "pool" / "a.jsonl").read_bytes()


def test_objects_on_one_line_are_documents_each_and_what_is_left_is_a_reject(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text":"a"}{"text":"b"} [1] {"te\n{"text":"c"}\n')
    documents, rejects, _ = look(tmp_path / "a.jsonl")
    assert [one["text"] for one in documents] == ["a", "b", "c"]
    assert len({one["id"] for one in documents}) == 3
    assert rejects == [(0, "no_object"), (0, "not_json")]


@pytest.mark.parametrize("depth", [300, 100_000])
def test_deep_nesting_is_a_reject(tmp_path, depth):
    deep = b"[" * depth + b"]" * depth
    (tmp_path / "a.jsonl").write_bytes(b'{"text":"a","v":' + deep + b'}\n{"text":"b"}\n')
    documents, rejects, _ = look(tmp_path / "a.jsonl")
    assert [one["text"] for one in documents] == ["b"]
    assert [why for _, why in rejects] == ["too_deep"]


def test_a_line_without_end_is_a_reject_in_bounded_memory(tmp_path):
    with (tmp_path / "a.jsonl.zst").open("wb") as target, zstandard.ZstdCompressor().stream_writer(target) as lines:
        lines.write(b'{"text":"a"}\n{"text":"')
        for _ in range((MAX_LINE_BYTES >> 20) + 1):
            lines.write(b"x" * (1 << 20))
        lines.write(b'"}\n{"text":"b"}\n')
    documents, rejects, _ = look(tmp_path / "a.jsonl.zst")
    assert [one["text"] for one in documents] == ["a", "b"]
    assert rejects == [(1, "line_too_long")]


@pytest.mark.parametrize("pack", [zstandard.compress, gzip.compress])
@pytest.mark.parametrize("stray", [b"x", b"rubbish" * 50])
def test_stray_bytes_behind_a_frame_take_nothing_that_was_decoded(tmp_path, pack, stray):
    lines = [json.dumps({"id": str(n), "text": f"page {n}"}).encode() for n in range(3000)]
    path = tmp_path / ("a.jsonl.zst" if pack is zstandard.compress else "a.jsonl.gz")
    path.write_bytes(pack(b"\n".join(lines) + b"\n") + stray)
    documents, rejects, _ = look(path)
    assert len(documents) == 3000
    assert rejects == [(3000, "broken_compression")]


def test_a_frame_with_a_window_of_256_mib_is_read(tmp_path):
    parameters = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    line = json.dumps({"text": "long"}).encode() + b"\n"
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    (tmp_path / "a.jsonl.zst").write_bytes(stream.compress(line) + stream.flush())
    assert [one["text"] for one in read_documents(str(tmp_path / "a.jsonl.zst"))] == ["long"]


@pytest.mark.parametrize("name", ["a.json.gz", "a.ndjson", "a.ndjson.gz", "a.json.zst"])
def test_other_names_of_json_lines_are_read_and_written(tmp_path, name):
    write_documents(str(tmp_path / name), [{"id": "1", "text": "t"}])
    (shard,) = list_shards(tmp_path)
    assert shard.name == "a"
    assert list(read_documents(shard.path)) == [{"id": "1", "text": "t"}]


def test_equal_names_in_many_folders_do_not_collide(tmp_path):
    for folder in ("g_0/l_0", "g_0/l_1"):
        write_documents(str(tmp_path / "pool" / folder / "shard.jsonl.zst"), [{"id": folder, "text": folder}])
    for shard in list_shards(tmp_path / "pool"):
        process_shard(shard, tmp_path / "out", lambda ds: map(Result, ds), config_hash="h")
    assert [shard.name for shard in list_shards(tmp_path / "out")] == ["g_0/l_0/shard", "g_0/l_1/shard"]
    assert [one["text"] for shard in list_shards(tmp_path / "out") for one in read_documents(shard.path)] == [
        "g_0/l_0",
        "g_0/l_1",
    ]


def test_parquet_keeps_its_types_from_parquet_to_parquet(tmp_path):
    table = pyarrow.table(
        {
            "id": ["a", "b"],
            "text": ["t", "u"],
            "at": pyarrow.array([1234567890123456789, None], pyarrow.timestamp("ns", "UTC")),
            "day": pyarrow.array([datetime.date(2020, 2, 29), None]),
            "clock": pyarrow.array([86399 * 10**9 + 7, None], pyarrow.time64("ns")),
            "price": pyarrow.array([decimal.Decimal("1.50"), None], pyarrow.decimal128(20, 2)),
            "raw": pyarrow.array([b"\x00\xff", None]),
            "map": pyarrow.array([[("k", 1)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
            "nan": [float("nan"), 1.5],
            "big": pyarrow.array([2**64 - 1, None], pyarrow.uint64()),
            "times": pyarrow.array([[1], None], pyarrow.list_(pyarrow.timestamp("ms"))),
        }
    )
    (tmp_path / "pool").mkdir()
    pyarrow.parquet.write_table(table, tmp_path / "pool" / "a.parquet")
    process_shard(list_shards(tmp_path / "pool")[0], tmp_path / "out", lambda ds: map(Result, ds), config_hash="h")
    found = pyarrow.parquet.read_table(tmp_path / "out" / "a.parquet")
    assert found.schema.equals(pyarrow.parquet.read_schema(tmp_path / "pool" / "a.parquet"))
    assert found.drop_columns(["nan"]).equals(table.drop_columns(["nan"]))
    assert str(found["nan"].to_pylist()) == "[nan, 1.5]"


def test_any_metadata_is_written_as_parquet(tmp_path):
    rows = [
        {"id": "a", "text": "t", "meta": {}, "mixed": 1, "wide": -1, "keys": {str(n): n for n in range(300)}},
        {"id": 7, "text": "u", "meta": {}, "mixed": "one", "wide": 2**64 - 1, "list": [1, "x", None]},
    ]
    write_documents(str(tmp_path / "a.parquet"), rows)
    found = list(read_documents(str(tmp_path / "a.parquet")))
    assert [one["id"] for one in found] == ["a", "7"]
    assert [json.loads(one["mixed"]) for one in found] == [1, "one"]
    assert json.loads(found[0]["keys"]) == rows[0]["keys"]


def test_a_bad_cell_is_a_reject_with_file_and_row(tmp_path):
    offsets, data = pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pyarrow.py_buffer(b"a\xe9")
    bad = pyarrow.StringArray.from_buffers(2, offsets, data)
    pyarrow.parquet.write_table(pyarrow.table({"text": bad}), tmp_path / "a.parquet")
    told = []
    assert [one["text"] for one in read_documents(str(tmp_path / "a.parquet"), 0, lambda *one: told.append(one))] == [
        "a"
    ]
    ((position, reason, raw),) = told
    assert (position, reason) == (1, "bad_cell")
    assert b"a.parquet, row 1, column text" in raw
