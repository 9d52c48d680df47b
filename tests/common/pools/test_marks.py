"""Finished work is believed while its files are what its mark says, and refused or redone where they are not."""

import os
from functools import partial
from pathlib import Path

import pytest

from common.pools import exactly_once, storage
from common.pools.documents import read_documents, write_documents
from common.pools.exactly_once import Result, process_shard, with_own
from common.pools.inputs import refuse_overlap
from common.pools.marks import Unreadable
from common.pools.shards import list_shards
from common.runs.launch import run_shards


def keep(documents):
    for document in documents:
        yield Result(document)


def stop_at(number):
    def transform(documents):
        for document in documents:
            if document["id"] == f"d{number}":
                raise KeyboardInterrupt
            yield Result(document)

    return transform


@pytest.fixture
def shard(tmp_path):
    write_documents(str(tmp_path / "pool" / "a.jsonl"), [{"id": f"d{n}", "text": f"page {n}"} for n in range(20)])
    return list_shards(tmp_path / "pool")[0]


def ids(folder):
    return [document["id"] for document in read_documents(str(folder / "a.jsonl"))]


def edit(path, old, new):
    Path(path).write_text(Path(path).read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_a_finished_shard_whose_input_changed_is_refused_and_a_touched_one_believed(shard, tmp_path):
    first = process_shard(shard, tmp_path / "out", keep, config_hash="h")
    os.utime(shard.path, ns=(1, 1))
    assert process_shard(shard, tmp_path / "out", pytest.fail, config_hash="h") == first
    edit(shard.path, "page 3", "page E")  # of the same length
    with pytest.raises(ValueError, match=r"a\.jsonl changed since"):
        process_shard(shard, tmp_path / "out", pytest.fail, config_hash="h")


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_an_output_that_is_gone_or_cut_is_made_again(shard, tmp_path, damage):
    process_shard(shard, tmp_path / "out", keep, config_hash="h")
    path = tmp_path / "out" / "a.jsonl"
    whole = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(whole[:-40])
    process_shard(shard, tmp_path / "out", keep, config_hash="h")
    assert path.read_bytes() == whole


def test_verify_reads_what_a_length_does_not_tell(shard, tmp_path):
    process_shard(shard, tmp_path / "out", keep, config_hash="h")
    edit(tmp_path / "out" / "a.jsonl", "page 3", "page E")
    process_shard(shard, tmp_path / "out", pytest.fail, config_hash="h")
    process_shard(shard, tmp_path / "out", keep, config_hash="h", verify=True)
    assert "page E" not in (tmp_path / "out" / "a.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("change", ["page 1", "page 15"])
def test_an_input_edited_under_a_resume_loses_and_doubles_nothing(shard, tmp_path, change):
    with pytest.raises(KeyboardInterrupt):
        process_shard(shard, tmp_path / "out", stop_at(12), config_hash="h", part_docs=4)
    edit(shard.path, f'"{change}"', '"another and longer page"')
    process_shard(shard, tmp_path / "out", keep, config_hash="h", part_docs=4)
    assert list(read_documents(str(tmp_path / "out" / "a.jsonl"))) == list(read_documents(shard.path))


def test_a_part_that_was_cut_is_done_again(shard, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        process_shard(shard, tmp_path / "out", stop_at(12), config_hash="h", part_docs=4)
    part = tmp_path / "out" / ".a.parts" / "000001.jsonl"
    part.write_bytes(part.read_bytes()[:-9])
    process_shard(shard, tmp_path / "out", keep, config_hash="h", part_docs=4)
    assert ids(tmp_path / "out") == [f"d{n}" for n in range(20)]


def test_a_shard_is_read_once_over_all_its_parts_and_a_folder_listed_once(tmp_path, monkeypatch):
    for number in range(6):
        write_documents(str(tmp_path / "pool" / f"s{number}.jsonl"), [{"id": str(n), "text": "t"} for n in range(40)])
    readers, listed = [], []
    reader, below = exactly_once.ShardReader, storage.list_below
    monkeypatch.setattr(exactly_once, "ShardReader", lambda *args: readers.append(args[0]) or reader(*args))
    monkeypatch.setattr(storage, "list_below", lambda folder: listed.append(folder) or below(folder))

    def work(shard):
        return process_shard(shard, tmp_path / "out", keep, config_hash="h", part_docs=5, restart_each_part=True)

    run_shards(work, list_shards(tmp_path / "pool"))
    assert len(readers) == 6
    assert listed.count(str(tmp_path / "out")) == 1
    run_shards(work, list_shards(tmp_path / "pool"))
    assert len(readers) == 6  # an unchanged pool is not read again


def test_a_shard_of_which_nothing_can_be_read_is_not_done_and_the_others_are(tmp_path):
    write_documents(str(tmp_path / "pool" / "b.jsonl"), [{"text": "t"}])
    (tmp_path / "pool" / "a.jsonl.zst").write_bytes(b"no frame at all")
    shards = list_shards(tmp_path / "pool")
    with pytest.raises(Unreadable, match=r"a\.jsonl\.zst.*the other shards are done"):
        run_shards(partial(process_shard, output=tmp_path / "out", transform=keep, config_hash="h"), shards)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.jsonl", "b.stats.json"]


def test_a_foreign_mark_is_named(shard, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.stats.json").write_text("")
    with pytest.raises(ValueError, match=r"a\.stats\.json is not the mark"):
        process_shard(shard, tmp_path / "out", keep, config_hash="h")


def test_temporary_files_of_killed_processes_go(shard, tmp_path):
    process_shard(shard, tmp_path / "out", keep, config_hash="h")
    with storage.atomic_write(str(tmp_path / "out" / "x")):
        (name,) = (path.name for path in (tmp_path / "out").glob(".x.*.tmp"))
    stray = tmp_path / "out" / name.replace(f"-{os.getpid()}.", "-4194304.")  # beyond the largest process id
    stray.write_bytes(b"")
    (tmp_path / "out" / "a.jsonl").unlink()
    process_shard(shard, tmp_path / "out", keep, config_hash="h")
    assert not stray.exists()


def test_an_output_is_no_input_by_any_name(tmp_path):
    pool = tmp_path / "pool"
    pool.mkdir()
    (tmp_path / "link").symlink_to(pool)
    for output, source in [
        (pool, pool),
        (tmp_path / "link", pool),
        (f"{pool}/../pool/", pool),
        (f"file://{pool}", pool),
        (pool / "inside", pool),
        (tmp_path, pool),
        (pool, pool / "*.jsonl"),
        ("s3://b/pool", "s3a://b//pool/"),
        ("s3://b/x/../pool", "s3://b/pool"),
    ]:
        with pytest.raises(ValueError, match="choose another place"):
            refuse_overlap(str(output), [str(source)])
    refuse_overlap(str(tmp_path / "pool2"), [str(pool)])


def test_older_values_under_our_names_are_kept():
    once = with_own({"source": "a"}, {"source": "b"})
    assert with_own(once, {"source": "c"}) == {"source": "c", "source_before": "a", "source_before_2": "b"}
    assert with_own(once, {"source": "b"}) == once
