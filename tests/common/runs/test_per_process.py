"""A worker is opened once in each process, by the first shard it gets, and closed with the block."""

import os
from functools import partial
from pathlib import Path

import pytest

from common.pools.shards import Shard
from common.runs.launch import run_shards
from common.runs.per_process import PerProcess, process_number


class Counting:
    """Says which process it is in, and how many shards it has had."""

    def __init__(self, log):
        self.log = log
        self.done = 0
        self.note("opened")

    def note(self, word):
        with Path(self.log).open("a") as target:
            target.write(f"{os.getpid()} {word}\n")

    def __call__(self, shard):
        self.done += 1
        return os.getpid(), process_number(), self.done

    def close(self):
        self.note("closed")


@pytest.mark.parametrize("workers", [1, 2])
def test_each_process_opens_one_worker_and_keeps_it(tmp_path, workers):
    log = tmp_path / "log.txt"
    shards = [Shard(number, "", str(number)) for number in range(6)]
    with PerProcess(partial(Counting, str(log))) as work:
        found = run_shards(work, shards, workers=workers)
    by_process = {}
    for process, number, done in found:
        by_process.setdefault((process, number), []).append(done)
    for done in by_process.values():
        assert sorted(done) == list(range(1, len(done) + 1))
    numbers = {number for _, number in by_process}
    assert numbers == {None} if workers == 1 else None not in numbers
    lines = log.read_text().splitlines()
    assert sum("opened" in line for line in lines) == len(by_process)
    assert sum("closed" in line for line in lines) == (workers == 1)  # the others end with their processes


def test_two_of_them_do_not_share_a_worker(tmp_path):
    log = str(tmp_path / "log.txt")
    with PerProcess(partial(Counting, log)) as one, PerProcess(partial(Counting, log)) as other:
        assert one.worker is one.worker is not other.worker
    with PerProcess(partial(Counting, log)):
        pass  # never used: nothing is opened, nothing is closed
    assert (tmp_path / "log.txt").read_text().count("opened") == 2
