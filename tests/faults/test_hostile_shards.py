"""Generated shards of bad lines, in every form and out in every form: each line is a document or a counted reject.

The short form is in the suite; `FAULTS_SHARDS=2000 python -m pytest tests/faults/test_hostile_shards.py` makes so many.
"""

import gzip
import json
import os

import pyarrow
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.pools.lines import read_lines
from common.pools.stats import NO_DOCUMENT
from filter.quality import main

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
DAMAGE = st.sampled_from(["none", "none", "cut", "stray"])


def packed(lines, form, damage):
    raw = b"\n".join(lines) + b"\n"
    if form.endswith(".gz"):
        raw = gzip.compress(raw)
    elif form.endswith((".zst", ".zstd")):
        raw = zstandard.compress(raw)
    return {"none": raw, "cut": raw[: len(raw) * 2 // 3], "stray": raw + b"stray"}[damage]


@settings(max_examples=SHARDS, suppress_health_check=list(HealthCheck))
@given(
    st.lists(LINES, min_size=1, max_size=8),
    st.sampled_from([".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.zstd", ".ndjson", ".json.gz"]),
    DAMAGE,
)
def test_every_line_of_a_hostile_shard_is_accounted_for(tmp_path_factory, lines, form, damage):
    room = tmp_path_factory.mktemp("hostile")
    (room / "pool").mkdir()
    (room / "pool" / f"a{form}").write_bytes(packed(lines, form, damage))
    try:
        main(["score", str(room / "pool"), str(room / "out"), "kind=simple", "name=character_length", "field=size"])
        code = 0
    except SystemExit as stop:
        code = stop.code
    assert code in (0, 2)
    mark = room / "out" / "a.stats.json"
    if not mark.exists():
        assert code == 2  # not one document could be read of a damaged shard
        return
    stats = json.loads(mark.read_text(encoding="utf-8"))
    drops = stats["drops"]
    assert stats["docs_in"] == stats["docs_out"] + sum(drops.values())
    assert code == (0 if stats["docs_out"] or not stats["docs_in"] else 2)
    if damage == "none":
        assert stats["docs_in"] >= sum(bool(line.strip()) for line in lines)
    rejects = room / "out" / "a.rejects.jsonl"
    counted = sum(count for reason, count in drops.items() if reason in NO_DOCUMENT)
    assert (len(list(read_lines(str(rejects)))) if rejects.exists() else 0) == counted
    assert len(list(read_lines(str(room / "out" / f"a{form}")))) == stats["docs_out"]


@settings(max_examples=max(10, SHARDS // 4), suppress_health_check=list(HealthCheck))
@given(st.lists(DOCUMENTS, min_size=1, max_size=6))
def test_any_documents_become_parquet_and_come_back(tmp_path_factory, documents):
    from common.pools.documents import read_documents, write_documents
    from common.pools.repair import mend

    folder = tmp_path_factory.mktemp("parquet")
    write_documents(str(folder / "a.parquet"), documents)
    assert pyarrow.parquet.ParquetFile(folder / "a.parquet").metadata.num_rows == len(documents)
    found = [one["text"] for one in read_documents(str(folder / "a.parquet"))]
    assert found == [mend(one["text"], []) for one in documents]
