"""Guards against rare events: each is taken away in thought, and the test is what would then fail."""

import fcntl
import hashlib
import json
import os
import threading
import time
from pathlib import Path

import pytest

from common.pools import exactly_once, storage
from common.pools.documents import write_documents
from common.pools.exactly_once import Result, ShardWork, process_shard
from common.pools.lock import alone, wait
from common.pools.shards import list_shards


def keep(documents):
    for document in documents:
        yield Result(document)


def dies_at(number):
    def transform(documents):
        for position, document in enumerate(documents):
            if position == number:
                raise KeyboardInterrupt
            yield Result(document)

    return transform


@pytest.fixture
def shard(tmp_path):
    write_documents(str(tmp_path / "pool" / "a.jsonl"), [{"id": f"d{n}", "text": f"page {n}"} for n in range(20)])
    return list_shards(tmp_path / "pool")[0]


@pytest.fixture
def half_done(shard, tmp_path):
    """Two parts of five documents are committed; the folder of parts."""
    with pytest.raises(KeyboardInterrupt):
        process_shard(shard, tmp_path / "out", dies_at(12), config_hash="h", part_docs=5)
    parts = tmp_path / "out" / ".a.parts"
    assert sorted(path.name for path in parts.glob("*.json")) == ["000000.json", "000001.json"]
    return parts


def work(shard, tmp_path):
    return ShardWork(shard, str(tmp_path / "out"), "h", 5, ".jsonl")


@pytest.mark.parametrize("kind", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_lock_shuts_readers_and_writers_out(tmp_path, kind):
    with alone(tmp_path / "here") as waited, (tmp_path / "here" / "lock").open("rb") as other:
        assert waited is False
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, kind | fcntl.LOCK_NB)
    with (tmp_path / "here" / "lock").open("rb") as other:
        fcntl.flock(other, kind | fcntl.LOCK_NB)  # and lets go at its end


def test_a_lock_is_not_shared_with_one_who_shares_it(tmp_path, monkeypatch):
    monkeypatch.setattr("common.pools.lock.GRACE_S", 0.1)
    tmp_path.joinpath("lock").touch()
    with tmp_path.joinpath("lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with pytest.raises(ValueError, match="another process is working on the pool"), alone(tmp_path, "the pool"):
            pass


def test_one_who_is_about_to_end_is_waited_for(tmp_path):
    tmp_path.joinpath("lock").touch()
    with tmp_path.joinpath("lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        threading.Timer(0.3, lambda: fcntl.flock(other, fcntl.LOCK_UN)).start()
        with alone(tmp_path) as waited:
            assert waited is True


def test_who_waits_goes_on_only_when_the_lock_is_free(tmp_path):
    lock, order = tmp_path / "lock", []
    lock.touch()
    with lock.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)  # a shared lock would not wait for this one

        def let_go():
            time.sleep(0.3)
            order.append("free")
            fcntl.flock(other, fcntl.LOCK_UN)

        thread = threading.Thread(target=let_go)
        thread.start()
        with wait(lock):
            order.append("mine")
        thread.join()
    assert order == ["free", "mine"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_is_flushed_last(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace

    def flushed(handle):
        place = Path(f"/proc/self/fd/{handle}").readlink()
        size = 0 if place.is_dir() else place.stat().st_size
        events.append(("folder" if place.is_dir() else "file", size))
        fsync(handle)

    def renamed(self, target):
        events.append(("rename", self.stat().st_size))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    with storage.atomic_write(str(tmp_path / "x")) as target:
        target.write(b"12345")
    assert events == [("file", 5), ("rename", 5), ("folder", 0)]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    (tmp_path / "x").write_bytes(b"old")

    def write():
        with storage.atomic_write(str(tmp_path / "x")) as target:
            target.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x": b"old"}


def test_what_makes_work_count_is_written_last(shard, tmp_path, monkeypatch):
    names, real = [], storage.atomic_write

    def noted(path):
        names.append(Path(path).name)
        return real(path)

    for module in ("exactly_once", "marks", "documents"):
        monkeypatch.setattr(f"common.pools.{module}.atomic_write", noted)
    removed = []
    monkeypatch.setattr(exactly_once, "remove", lambda path: removed.append((Path(path).name, len(names))))
    with Path(shard.path).open("ab") as file:
        file.write(b"no document\n")
    process_shard(shard, tmp_path / "out", keep, config_hash="h", part_docs=100)
    assert names == [
        "000000.jsonl",
        "000000.rejects.jsonl",
        "000000.json",
        "a.jsonl",
        "a.rejects.jsonl",
        "a.stats.json",
    ]
    assert removed == [(".a.parts", len(names))]  # the parts go when all else is there


def test_a_part_of_the_right_length_and_other_bytes_is_done_again(half_done, shard, tmp_path):
    part = half_done / "000001.jsonl"
    part.write_bytes(part.read_bytes().replace(b"page 7", b"page 8"))
    resumed = work(shard, tmp_path)
    resumed.resume()
    assert len(resumed.committed) == 1
    done = process_shard(shard, tmp_path / "out", keep, config_hash="h", part_docs=5)
    assert done["docs_out"] == 20
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == Path(shard.path).read_bytes()


def test_parts_behind_a_broken_one_are_taken_for_nobodys_successors(half_done, shard, tmp_path):
    (half_done / "000000.jsonl").unlink()
    work(shard, tmp_path).resume()
    assert not list(half_done.glob("*.json"))


def test_parts_of_another_configuration_are_refused_and_kept(half_done, shard, tmp_path):
    mark = half_done / "000001.json"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "config_hash": "other"}))
    with pytest.raises(ValueError, match="another configuration"):
        process_shard(shard, tmp_path / "out", keep, config_hash="h", part_docs=5)
    assert mark.exists()


def test_parts_of_an_input_that_changed_are_begun_again(half_done, shard, tmp_path):
    Path(shard.path).write_bytes(Path(shard.path).read_bytes().replace(b'page 1"', b'page !"'))
    resumed = work(shard, tmp_path)
    resumed.resume()
    assert resumed.committed == [] and not list(half_done.glob("*.json"))


def test_a_stage_of_too_many_results_and_one_of_too_few_stop(shard, tmp_path):
    def twice(documents):
        for document in documents:
            yield Result(document)
            yield Result(document)

    with pytest.raises(RuntimeError, match="more results than it had documents"):
        process_shard(shard, tmp_path / "two", twice, config_hash="h", part_docs=5)
    with pytest.raises(RuntimeError, match="no result for 20 documents"):
        process_shard(shard, tmp_path / "none", lambda documents: iter(list(documents)[:0]), config_hash="h")
    assert not (tmp_path / "two" / "a.stats.json").exists() and not (tmp_path / "none" / "a.stats.json").exists()


def test_stray_files_go_only_where_their_writer_is_dead_and_was_here(tmp_path):
    with storage.atomic_write(str(tmp_path / "x")) as target:
        target.write(b"1")
        (mine,) = (path.name for path in tmp_path.glob(".x.*.tmp"))
        here = mine.removeprefix(".x.").partition("-")[0]
        elsewhere = "0" * 6 if here != "0" * 6 else "1" * 6
        names = {
            "dead": f".x.{here}-4194304.tmp",  # beyond the largest process id
            "of the first process": f".x.{here}-1.tmp",
            "of another machine": f".x.{elsewhere}-4194304.tmp",
            "a person's": ".notes.tmp",
            "seen": f"x.{here}-4194304.tmp",
        }
        for name in names.values():
            (tmp_path / name).write_bytes(b"")
        storage.sweep(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {mine, *names.values()} - {names["dead"]}


def test_stray_files_in_a_pool_are_no_shards(tmp_path):
    write_documents(str(tmp_path / "a.jsonl"), [{"id": "a", "text": "page"}])
    for name in (".b.jsonl", "_plans/c.jsonl", ".d.parts/000000.jsonl", "a.stats.json", "a.rejects.jsonl", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"id": "s", "text": "stray"}\n')
    assert [shard.name for shard in list_shards(tmp_path)] == ["a"]


def test_what_is_written_is_counted_and_summed(tmp_path):
    with storage.atomic_write(str(tmp_path / "x")) as target:
        assert [target.write(b"abc"), target.write(memoryview(b"de")), target.write(b"")] == [3, 2, 0]
        assert target.tell() == 5
    assert target.sum() == {"bytes": 5, "digest": hashlib.blake2b(b"abcde", digest_size=16).hexdigest()}


def test_a_mark_of_a_version_that_recorded_no_input_is_told_the_input_of_now(half_done, shard, tmp_path):
    for mark in half_done.glob("*.json"):
        stats = json.loads(mark.read_text())
        stats["files"].pop("input")
        stats["last"] = mark.name == "000001.json"
        mark.write_text(json.dumps(stats))
    done = process_shard(shard, tmp_path / "out", keep, config_hash="h", part_docs=5)
    assert done["docs_out"] == 10 and done["files"]["input"]["bytes"] == Path(shard.path).stat().st_size


def test_marks_of_an_earlier_version_are_believed_and_that_is_said_once(tmp_path, caplog):
    for name in ("a", "b"):
        write_documents(str(tmp_path / "pool" / f"{name}.jsonl"), [{"id": name, "text": "page"}])
    for shard in list_shards(tmp_path / "pool"):
        process_shard(shard, tmp_path / "out", keep, config_hash="h")
        mark = tmp_path / "out" / f"{shard.name}.stats.json"
        mark.write_text(json.dumps({**json.loads(mark.read_text()), "files": {}}))
    for shard in list_shards(tmp_path / "pool"):
        assert process_shard(shard, tmp_path / "out", keep, config_hash="h")["docs_out"] == 1
    assert caplog.text.count("was finished by an earlier version") == 1


def test_a_stray_file_that_another_process_sweeps_first_is_no_error(tmp_path, monkeypatch):
    with storage.atomic_write(str(tmp_path / "x")):
        (mine,) = (path.name for path in tmp_path.glob(".x.*.tmp"))
    stray = tmp_path / mine.replace(f"-{os.getpid()}.", "-4194304.")
    stray.write_bytes(b"")
    monkeypatch.setattr(storage, "_lives", lambda process: stray.unlink())  # dead, and swept at this moment
    storage.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
