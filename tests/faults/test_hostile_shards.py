"""Generated shards of bad lines, in every form and out in every form: each line is a document or a counted reject.

The short form is in the suite; `FAULTS_SHARDS=2000 python -m pytest tests/faults/test_hostile_shards.py` makes so many.
"""

import gzip
import json
import os

import pyarrow.parquet
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.pools.documents import read_documents, write_documents
from common.pools.lines import read_lines
from common.pools.repair import mend
from common.pools.stats import NO_DOCUMENT
from filter.quality import main as score
from filter.run import main as select

SHARDS = int(os.environ.get("FAULTS_SHARDS", "40"))

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from(["text", "id", "meta", "q", "é"]), VALUES, max_size=4)
DOCUMENTS = st.builds(lambda rest, text: {**rest, "text": text}, OBJECTS, st.text(st.characters(), max_size=20))
LINES = st.one_of(
    DOCUMENTS.map(lambda one: json.dumps(one).encode()),
    OBJECTS.map(lambda one: json.dumps(one).encode()),
    st.tuples(DOCUMENTS, OBJECTS).map(lambda two: b"".join(json.dumps(one).encode() for one in two)),
    st.sampled_from(
        [b"[" * 400 + b"]" * 400, b'{"text": "t", "v": 1e999}', b'\xef\xbb\xbf{"text": "b"}', b"null", b"\xff\xfe"]
    ),
    st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b" ")),
)
DAMAGE = st.sampled_from(["none", "none", "cut", "stray", "flipped"])
IN = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.zstd", ".ndjson", ".ndjson.gz", ".json.gz", ".json.zst", ".parquet"]
OUT = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".json.gz", ".parquet"]


def packed(lines, form, damage):
    raw = b"\n".join(lines) + b"\n"
    if form.endswith(".gz"):
        raw = gzip.compress(raw)
    elif form.endswith((".zst", ".zstd")):
        raw = zstandard.compress(raw)
    return damaged(raw, damage)


def damaged(raw, damage):
    middle = len(raw) // 2
    flipped = raw[:middle] + bytes(byte ^ 0x5A for byte in raw[middle : middle + 3]) + raw[middle + 3 :]
    return {"none": raw, "cut": raw[: len(raw) * 2 // 3], "stray": raw + b"stray", "flipped": flipped}[damage]


def ended(command, *words):
    """The exit code of a command; anything but an exit is a traceback."""
    try:
        command(list(map(str, words)))
    except SystemExit as stop:
        return stop.code
    return 0


def count_rows(path):
    """Lines or rows of a file that we wrote, by other readers than ours."""
    if path.name.endswith(".parquet"):
        return pyarrow.parquet.read_metadata(path).num_rows
    return len(list(read_lines(str(path))))


def check_scored(room, form, least):
    """Score a pool of one shard: the exit code fits, and what came in went out or was counted. Its stats, or None."""
    out = room / "out"
    code = ended(score, "score", room / "pool", out, "kind=simple", "name=character_length", "field=size")
    mark = out / "a.stats.json"
    if not mark.exists():
        assert code == 1  # not one document could be read of a damaged shard
        return None
    stats = json.loads(mark.read_text(encoding="utf-8"))
    drops = stats["drops"]
    assert stats["docs_in"] == stats["docs_out"] + sum(drops.values())
    assert code == (0 if stats["docs_out"] or not stats["docs_in"] else 2)
    assert stats["docs_in"] >= least
    rejects = out / "a.rejects.jsonl"
    counted = sum(count for reason, count in drops.items() if reason in NO_DOCUMENT)
    assert (count_rows(rejects) if rejects.exists() else 0) == counted
    assert count_rows(out / f"a{form}") == stats["docs_out"]
    return stats


def check_selected(room, stats, form):
    """The same pool through a recipe, into another form: as many documents, each exactly once."""
    words = [f"source_ref_paths={room / 'pool'}", f"output_dir={room / 'mixed'}", f"form={form}", "bytes_per_token=4"]
    code = ended(select, *words)
    assert code == (0 if stats["docs_out"] or not stats["docs_in"] else 2)
    if code == 0:
        dataset = json.loads((room / "mixed" / "dataset.json").read_text(encoding="utf-8"))
        assert dataset["documents"] == stats["docs_out"]
        assert sum(count_rows(path) for path in (room / "mixed").glob(f"shard_*{form}")) == stats["docs_out"]


@settings(max_examples=SHARDS, suppress_health_check=list(HealthCheck))
@given(st.lists(LINES, min_size=1, max_size=8), st.sampled_from(IN[:-1]), st.sampled_from(OUT), DAMAGE)
def test_every_line_of_a_hostile_shard_is_accounted_for(tmp_path_factory, lines, form, out_form, damage):
    room = tmp_path_factory.mktemp("hostile")
    (room / "pool").mkdir()
    (room / "pool" / f"a{form}").write_bytes(packed(lines, form, damage))
    stats = check_scored(room, form, sum(bool(line.strip()) for line in lines) if damage == "none" else 0)
    if stats is not None:
        check_selected(room, stats, out_form)


@settings(max_examples=max(10, SHARDS // 4), suppress_health_check=list(HealthCheck))
@given(st.lists(DOCUMENTS | OBJECTS, min_size=1, max_size=8), st.sampled_from(OUT), DAMAGE)
def test_every_row_of_a_hostile_parquet_shard_is_accounted_for(tmp_path_factory, documents, out_form, damage):
    room = tmp_path_factory.mktemp("hostile")
    path = room / "pool" / "a.parquet"
    write_documents(str(path), documents)
    path.write_bytes(damaged(path.read_bytes(), damage))
    stats = check_scored(room, ".parquet", len(documents) if damage == "none" else 0)
    if stats is not None:
        check_selected(room, stats, out_form)


@settings(max_examples=max(10, SHARDS // 4), suppress_health_check=list(HealthCheck))
@given(st.lists(DOCUMENTS, min_size=1, max_size=6))
def test_any_documents_become_parquet_and_come_back(tmp_path_factory, documents):
    folder = tmp_path_factory.mktemp("parquet")
    write_documents(str(folder / "a.parquet"), documents)
    assert pyarrow.parquet.ParquetFile(folder / "a.parquet").metadata.num_rows == len(documents)
    found = [one["text"] for one in read_documents(str(folder / "a.parquet"))]
    assert found == [mend(one["text"], []) for one in documents]
