"""Several workers share a pool, and what comes out is what one would have made, to the byte."""

import json
import subprocess
import sys
import threading
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.claims.claims import Claims
from common.claims.index import ShardIndex
from common.claims.owner import Owner, this_process
from common.claims.store import FileStore, SystemClock
from common.claims.work import PoolWork, sweep_parts
from common.pools import storage
from common.pools.documents import read_documents, write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards

PART = 5


def shout(documents):
    for document in documents:
        if document["text"].endswith("3"):
            yield Result(document, reason="ends_in_3", aside=True)
        else:
            yield Result({**document, "text": document["text"].upper()}, counts={"chars": len(document["text"])})


def worker(folder, name, *, late=False, **how):
    shards = list_shards(folder / "pool")
    owner = this_process(name)
    if late:  # as a process of another machine, of which nobody can tell whether it ended
        owner = Owner(name, "elsewhere", 1, "1", owner.token)
    claims = Claims(
        FileStore(str(folder / "out")), SystemClock(), ShardIndex(shard.name for shard in shards), owner, **how
    )
    return PoolWork(claims, shards, str(folder / "out"), config_hash="h", part_docs=PART)


def outputs(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".stats.json") and ".claims" not in path.parts
    }


def marks(folder):
    found = [json.loads(path.read_text()) for path in sorted(folder.rglob("*.stats.json"))]
    return [{key: value for key, value in mark.items() if key != "seconds"} for mark in found]


def one_machine(folder, **how):
    for shard in list_shards(folder / "pool"):
        process_shard(shard, folder / "whole", shout, config_hash="h", part_docs=PART, **how)
    return outputs(folder / "whole"), marks(folder / "whole")


@pytest.fixture
def folder(tmp_path):
    for shard, count in enumerate((52, 0, 3, 20, 33)):
        documents = [{"id": f"{shard}-{n}", "text": f"text {n}"} for n in range(count)]
        write_documents(str(tmp_path / "pool" / f"s{shard}.jsonl.zst"), documents)
    lines = ["no json", *[""] * 7, '{"text": "x"}', *[""] * 9, "rubbish", *[""] * 12]
    (tmp_path / "pool" / "holes.jsonl").write_text("\n".join(lines))
    (tmp_path / "pool" / "deep").mkdir()
    return tmp_path


@pytest.mark.parametrize("by_part", [False, True])
@pytest.mark.parametrize("most_parts", [1, 8])
def test_one_worker_makes_what_one_machine_makes(folder, by_part, most_parts):
    work = worker(folder, "a", most_parts=most_parts)
    work.run(shout, by_part=by_part)
    whole, stats = one_machine(folder)
    assert outputs(folder / "out") == whole
    assert marks(folder / "out") == stats
    assert len(work.done) == 6


@pytest.mark.parametrize("by_part", [False, True])
def test_workers_that_share_every_shard_make_it_too_and_each_document_once(folder, by_part):
    seen, lock = [], threading.Lock()

    def count(documents):
        for result in shout(documents):
            with lock:
                seen.append((result.document or result.source)["id"])
            yield result

    works = [worker(folder, f"w{number}", most_parts=2) for number in range(4)]
    threads = [threading.Thread(target=partial(work.run, count, by_part=by_part)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole, stats = one_machine(folder)
    assert outputs(folder / "out") == whole and marks(folder / "out") == stats
    assert len(seen) == len(set(seen)) == sum(stats["docs_in"] - stats["drops"].get("not_json", 0) for stats in stats)
    assert sorted(name for work in works for name in work.done) == sorted(
        shard.name for shard in list_shards(folder / "pool")
    )


class Killed(BaseException):
    """The end of a process, without the process."""


def killed_at(number):
    def transform(documents):
        for count, result in enumerate(shout(documents)):
            if count == number:
                raise Killed
            yield result

    return transform


@settings(max_examples=5)  # each writes dozens of files through to the disk
@given(st.lists(st.integers(0, 60), max_size=4), st.booleans(), st.booleans())
def test_workers_that_die_anywhere_are_taken_over(tmp_path_factory, stops, by_part, letting_go):
    folder = tmp_path_factory.mktemp("run")
    for shard, count in enumerate((52, 33)):
        documents = [{"id": f"{shard}-{n}", "text": f"text {n}"} for n in range(count)]
        write_documents(str(folder / "pool" / f"s{shard}.jsonl"), documents)
    for number, stop in enumerate(stops):
        work = worker(folder, f"w{number}", late=True, lease_s=0.05, most_parts=3)
        if not letting_go:
            work.claims.release_all = lambda: None
        try:
            work.run(killed_at(stop), by_part=by_part)
        except Killed:
            continue
    worker(folder, "last", lease_s=0.05).run(shout, by_part=by_part)
    whole, stats = one_machine(folder)
    assert outputs(folder / "out") == whole
    assert [mark["docs_in"] for mark in marks(folder / "out")] == [mark["docs_in"] for mark in stats]


def test_what_late_workers_leave_of_finished_shards_is_swept_and_what_is_not_finished_stays(folder):
    worker(folder, "a").run(shout)
    write_documents(str(folder / "pool/deep/more.jsonl"), [{"id": "m", "text": "one"}])
    out = folder / "out"
    for name in (".s0.parts", "deep/.more.parts", ".another.parts"):  # the last one is no shard of this run
        (out / name).mkdir(parents=True)
        (out / name / "000000.json").write_text("{}")
    gone = f".x.{storage._HERE}-999999999.tmp"
    (left := next((out / ".claims").glob("*-0")) / gone).write_text("")
    sweep_parts(list_shards(folder / "pool"), str(out))
    assert not (out / ".s0.parts").exists() and not left.exists()
    assert (out / "deep/.more.parts/000000.json").exists() and (out / ".another.parts/000000.json").exists()


LARGE = """
import resource, sys
from pathlib import Path
sys.path.insert(0, str(Path.cwd()))
from common.pools.exactly_once import process_shard, Result
from common.pools.shards import list_shards

megabytes, form = int(sys.argv[2]), sys.argv[3]
def long(documents):
    text = "word " * (megabytes * 200_000)
    return (Result({**document, "text": text}) for document in documents)

folder = Path(sys.argv[1])
(shard,) = list_shards(folder / "pool")
process_shard(shard, folder / f"out{megabytes}", long, config_hash="h", form=form)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


@pytest.mark.parametrize("form", [".jsonl", ".jsonl.zst"])
def test_a_part_of_long_documents_is_not_held_in_memory(tmp_path, root, form):
    write_documents(str(tmp_path / "pool/s.jsonl"), [{"id": str(number), "text": "t"} for number in range(40)])
    command = [sys.executable, "-c", LARGE, str(tmp_path)]
    small, large = (
        int(subprocess.run([*command, size, form], cwd=root, capture_output=True, text=True, check=True).stdout)
        for size in ("1", "6")
    )
    assert sum(1 for _ in read_documents(str(tmp_path / f"out6/s{form}"))) == 40
    assert large < small + 90  # of 240 MiB
