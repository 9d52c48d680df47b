"""Documents survive every form; shards are processed exactly once, also through kills."""

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from common.pools import exactly_once
from common.pools.documents import FORMS, read_documents, write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import Shard, list_shards, read_pool
from common.pools.stats import add_stats

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = st.lists(
    st.builds(lambda rest, text, name: {**rest, "text": text, "id": name}, st.dictionaries(st.text(), JSON, max_size=3),
              st.text() | st.sampled_from(["a\u2028b\x85c\x0cd\r\ne", "\x00", "naïve 🙂"]), st.text()),
    max_size=5,
)  # fmt: skip
LINES = [form for form in FORMS if form != ".parquet"]


@settings(max_examples=60)
@given(DOCUMENTS, st.sampled_from(LINES))
def test_any_document_survives_a_round_trip(tmp_path_factory, documents, form):
    path = str(tmp_path_factory.mktemp("shard") / f"a{form}")
    assert write_documents(path, documents) == len(documents)
    assert list(read_documents(path)) == documents


def test_documents_survive_parquet_also_with_fields_that_come_late(tmp_path):
    documents = [{"id": str(n), "text": f"t{n}"} for n in range(3000)]
    documents.append({"id": "x", "text": "late", "scores": {"quality": 0.5}})
    write_documents(str(tmp_path / "a.parquet"), documents)
    read = list(read_documents(str(tmp_path / "a.parquet")))
    assert [document["text"] for document in read] == [document["text"] for document in documents]
    assert read[-1]["scores"] == {"quality": 0.5}
    assert read[0]["scores"] is None


def test_several_zstd_frames_are_one_shard(tmp_path):
    frames = [zstandard.compress(json.dumps({"text": text}).encode() + b"\n") for text in ("one", "two")]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(frames))
    assert [document["text"] for document in read_documents(str(tmp_path / "a.jsonl.zst"))] == ["one", "two"]


def test_a_document_without_id_gets_one_that_traces_its_line(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "one"}\n\n{"text": "two", "id": 7}\n{"text": "three"}')
    assert [document["id"] for document in read_documents(str(tmp_path / "a.jsonl"), index=3)] == [
        "00000003-00000000",
        7,
        "00000003-00000003",
    ]


def test_what_is_no_document_is_reported_with_its_reason(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": 1}\nnonsense\n[1]\n{"url": "u"}\n{"text": "good"}\n\xff\xfe\n')
    rejects = []
    good = list(read_documents(str(tmp_path / "a.jsonl"), on_reject=lambda *reject: rejects.append(reject[:2])))
    assert [document["text"] for document in good] == ["good"]
    assert rejects == [(0, "no_text"), (1, "not_json"), (2, "no_object"), (3, "no_text"), (5, "not_json")]


@pytest.mark.parametrize("form", [".jsonl.zst", ".jsonl.gz"])
@pytest.mark.parametrize(
    "damage",
    [lambda whole: whole[: len(whole) // 2], lambda whole: whole[: len(whole) // 2] + b"rubbish" * 9000],
    ids=["cut", "overwritten"],
)
def test_a_shard_that_breaks_off_gives_what_can_be_read_and_one_reject(tmp_path, form, damage):
    documents = [{"id": str(n), "text": os.urandom(200).hex()} for n in range(2000)]
    path = tmp_path / f"a{form}"
    write_documents(str(path), documents)
    path.write_bytes(damage(path.read_bytes()))
    rejects = []
    read = list(read_documents(str(path), on_reject=lambda *reject: rejects.append(reject)))
    assert 0 < len(read) < 2000
    # the last one may be damaged yet readable: gzip has its only checksum at the end of the file
    assert read[:-1] == documents[: len(read) - 1]
    assert rejects[-1][1] == "broken_compression"


def test_an_empty_shard_is_no_document(tmp_path):
    for name in ("a.jsonl", "b.jsonl.zst", "c.jsonl.gz"):
        (tmp_path / name).write_bytes(b"")
        assert list(read_documents(str(tmp_path / name))) == []


@pytest.fixture
def pool(tmp_path):
    folder = tmp_path / "pool"
    for shard in range(4):
        documents = [{"id": f"{shard}-{n}", "text": f"text {n}"} for n in range(25)]
        write_documents(str(folder / f"shard_{shard}.jsonl.zst"), documents)
    (folder / "shard_0.rejects.jsonl").write_text("{}\n")
    (folder / "shard_0.stats.json").write_text("{}")
    return folder


def test_shards_are_ordered_by_name_and_both_ends_are_included(pool):
    assert [shard.name for shard in list_shards(pool)] == ["shard_0", "shard_1", "shard_2", "shard_3"]
    assert [shard.index for shard in list_shards(str(pool), 1, 2)] == [1, 2]
    assert [shard.name for shard in list_shards(f"{pool}/*_3.jsonl.zst")] == ["shard_3"]
    assert [shard.name for shard in list_shards(f"file://{pool}")] == ["shard_0", "shard_1", "shard_2", "shard_3"]


def test_a_pool_may_be_links_to_shards(pool, tmp_path):
    (tmp_path / "links").mkdir()
    for shard in list_shards(pool):
        (tmp_path / "links" / Path(shard.path).name).symlink_to(shard.path)
    assert [shard.name for shard in list_shards(tmp_path / "links")] == [shard.name for shard in list_shards(pool)]
    assert list(read_pool(tmp_path / "links")) == list(read_pool(pool))


@pytest.mark.parametrize(
    ("ends", "message"),
    [((2, 1), "START 2 is after END 1"), ((0, 4), "has shards 0 to 3; 0 to 4 were asked for")],
)
def test_impossible_shard_numbers_are_refused(pool, ends, message):
    with pytest.raises(ValueError, match=message):
        list_shards(pool, *ends)


def test_a_missing_or_empty_pool_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such file or folder"):
        list_shards(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no shards in"):
        list_shards(tmp_path)


def shout(documents):
    for document in documents:
        if document["text"].endswith("3"):
            yield Result(document, reason="ends_in_3", aside=True)
        else:
            yield Result({**document, "text": document["text"].upper()}, counts={"chars": len(document["text"])})


@pytest.mark.parametrize("restart_each_part", [False, True])
@pytest.mark.parametrize("form", [None, ".parquet", ".jsonl"])
def test_a_stage_keeps_or_drops_every_document(pool, tmp_path, restart_each_part, form):
    shard = list_shards(pool)[1]
    out = tmp_path / "out"
    stats = process_shard(
        shard, out, shout, config_hash="h", part_docs=10, form=form, restart_each_part=restart_each_part
    )
    assert (stats["docs_in"], stats["docs_out"], stats["drops"]) == (25, 22, {"ends_in_3": 3})
    assert stats["chars"] == sum(len(f"text {n}") for n in range(25) if n % 10 != 3)
    (written,) = list_shards(out)
    assert [document["id"] for document in read_documents(written.path)] == [f"1-{n}" for n in range(25) if n % 10 != 3]
    rejects = [json.loads(line) for line in (out / "shard_1.rejects.jsonl").read_text().splitlines()]
    assert [reject["document"]["id"] for reject in rejects] == ["1-3", "1-13", "1-23"]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [Path(written.path).name, "shard_1.rejects.jsonl", "shard_1.stats.json"]
    )


def test_finished_shards_are_skipped_and_other_configurations_refused(pool, tmp_path):
    shard, other = list_shards(pool)[:2]
    first = process_shard(shard, tmp_path / "out", shout, config_hash="h")
    assert process_shard(shard, tmp_path / "out", pytest.fail, config_hash="h") == first
    for one in (shard, other):
        with pytest.raises(ValueError, match="another configuration"):
            process_shard(one, tmp_path / "out", shout, config_hash="other")


def test_rejects_count_as_documents_in(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "x1"}\nrubbish\n{"text": "x3"}\n')
    stats = process_shard(list_shards(tmp_path)[0], tmp_path / "out", shout, config_hash="h", part_docs=2)
    assert stats["drops"] == {"not_json": 1, "ends_in_3": 1}
    assert stats["docs_in"] == stats["docs_out"] + sum(stats["drops"].values()) == 3


@pytest.mark.parametrize("broken", [lambda documents: [], lambda documents: [Result(d) for d in documents] * 2])
def test_a_stage_that_loses_or_invents_documents_stops_the_run(pool, tmp_path, broken):
    with pytest.raises(RuntimeError, match="the stage gave"):
        process_shard(list_shards(pool)[0], tmp_path / "out", broken, config_hash="h")


@settings(max_examples=12)  # each writes dozens of files through to the disk
@given(st.lists(st.integers(0, 24), max_size=3), st.integers(4, 30), st.booleans())
def test_stopped_anywhere_and_run_again_equals_never_stopped(tmp_path_factory, stops, part_docs, restart_each_part):
    folder = tmp_path_factory.mktemp("run")
    write_documents(str(folder / "a.jsonl.zst"), [{"id": str(n), "text": f"text {n}"} for n in range(25)])
    shard = Shard(0, str(folder / "a.jsonl.zst"), "a")
    how = {"config_hash": "h", "part_docs": part_docs, "restart_each_part": restart_each_part}

    def stopping(at):
        def transform(documents):
            for result in shout(documents):
                if result.document["id"] == str(at):
                    raise KeyboardInterrupt
                yield result

        return transform

    for at in stops:
        # not always raised: an earlier attempt may have committed that part already
        with contextlib.suppress(KeyboardInterrupt):
            process_shard(shard, folder / "stopped", stopping(at), **how)
    process_shard(shard, folder / "stopped", shout, **how)
    process_shard(shard, folder / "straight", shout, **how)
    for name in ("a.jsonl.zst", "a.rejects.jsonl"):
        assert (folder / "stopped" / name).read_bytes() == (folder / "straight" / name).read_bytes()


SLOW_STAGE = """
import sys, time
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards
def slow(documents):
    for document in documents:
        time.sleep(0.002)
        yield Result({**document, "text": document["text"].upper()})
process_shard(list_shards(sys.argv[1])[0], sys.argv[2], slow, config_hash="h", part_docs=20)
"""


@pytest.mark.integration
def test_killed_with_signal_9_and_run_again_gives_the_same_bytes(tmp_path, root):
    documents = [{"id": str(n), "text": f"text {n}"} for n in range(200)]
    write_documents(str(tmp_path / "pool" / "a.jsonl.gz"), documents)

    def start(out):
        return subprocess.Popen([sys.executable, "-c", SLOW_STAGE, str(tmp_path / "pool"), str(out)], cwd=root)

    assert start(tmp_path / "straight").wait() == 0
    for parts in (2, 5):
        worker = start(tmp_path / "killed")
        deadline = time.monotonic() + 30
        while not (tmp_path / "killed" / ".a.parts" / f"{parts:06d}.json").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert not (tmp_path / "killed" / "a.jsonl.gz").exists()
    assert start(tmp_path / "killed").wait() == 0
    assert (tmp_path / "killed" / "a.jsonl.gz").read_bytes() == (tmp_path / "straight" / "a.jsonl.gz").read_bytes()
    assert gzip.decompress((tmp_path / "killed" / "a.jsonl.gz").read_bytes()).count(b"\n") == 200


STATS = st.fixed_dictionaries(
    {"docs_in": st.integers(0, 9), "drops": st.dictionaries(st.sampled_from("abc"), st.integers(0, 9))}
)


@given(STATS, STATS, STATS)
def test_stats_add_in_any_order(one, two, three):
    assert add_stats(add_stats(one, two), three) == add_stats(one, add_stats(three, two))


def test_stats_of_two_configurations_do_not_add():
    with pytest.raises(ValueError, match="two configurations"):
        add_stats({"config_hash": "a"}, {"config_hash": "b"})


def test_rows_without_text_are_read_as_rows(tmp_path):
    from common.pools.documents import read_rows

    path = tmp_path / "chats.jsonl"
    path.write_text('{"messages": []}\n[1]\nno json\n{"text": "t"}\n', encoding="utf-8")
    rejected = []
    found = list(read_rows(str(path), lambda position, reason, raw: rejected.append((position, reason))))
    assert found == [(0, {"messages": []}), (3, {"text": "t"})]
    assert rejected == [(1, "no_object"), (2, "not_json")]


def test_a_stage_that_begins_anew_with_each_part_gets_that_parts_documents_and_no_other(tmp_path):
    write_documents(str(tmp_path / "pool" / "a.jsonl"), [{"id": str(n), "text": "t"} for n in range(8)])
    given = []

    def transform(documents):
        given.append([])
        for document in documents:
            given[-1].append(int(document["id"]))
            yield Result(document)

    (shard,) = list_shards(tmp_path / "pool")
    process_shard(shard, tmp_path / "out", transform, config_hash="h", part_docs=3, restart_each_part=True)
    assert [part for part in given if part] == [[0, 1, 2], [3, 4, 5], [6, 7]]


@pytest.mark.parametrize("documents", [1, 3, 8, 9])
def test_of_the_parts_only_the_last_says_that_the_input_ended(tmp_path, documents, monkeypatch):
    rows = [{"id": str(n), "text": "t"} for n in range(documents)]
    write_documents(str(tmp_path / "pool" / "a.jsonl"), rows)

    def all_at_the_end(given):
        for document in list(given):
            yield Result(document)

    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(exactly_once, "mark_done", stop)  # all parts are committed, and still there
    (shard,) = list_shards(tmp_path / "pool")
    with pytest.raises(KeyboardInterrupt):
        process_shard(shard, tmp_path / "out", all_at_the_end, config_hash="h", part_docs=3)
    marks = [json.loads(mark.read_text()) for mark in sorted((tmp_path / "out" / ".a.parts").glob("*.json"))]
    assert [mark["last"] for mark in marks] == [*[False] * (len(marks) - 1), True]
    assert sum(mark["docs_out"] for mark in marks) == documents
