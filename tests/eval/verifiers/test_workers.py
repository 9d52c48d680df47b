"""Work in processes: killed on its own time, replaced, and no neighbour is the later for it."""

import os
import threading
import time
from pathlib import Path

import pytest

from eval.verifiers import workers

NAME = "eval.verifiers.workers:rehearse"


def test_a_value_comes_back_and_an_exception_is_an_outcome():
    assert workers.call(NAME, {"action": "echo", "amount": 3}, 4) == workers.Outcome(3)
    failed = workers.call(NAME, {"action": "raise", "amount": 0}, 4)
    assert failed.failure == "error"
    assert "rehearsed" in failed.message


def test_only_functions_of_the_verifiers_are_run():
    with pytest.raises(ValueError, match="only"):
        workers.call("os:system", {"command": "true"}, 1)


def test_work_that_spins_is_ended_by_its_processor_time_and_the_next_one_runs_at_once():
    workers.call(NAME, {"action": "echo", "amount": 0}, 4)
    start = time.monotonic()
    assert workers.call(NAME, {"action": "spin", "amount": 60}, 30, 0.5).failure == "time_limit"
    assert workers.call(NAME, {"action": "echo", "amount": 1}, 4).value == 1
    assert time.monotonic() - start < 10


def test_work_that_sleeps_is_ended_at_the_wall_deadline_and_is_not_the_answers_fault():
    workers.call(NAME, {"action": "echo", "amount": 0}, 4)
    start = time.monotonic()
    assert workers.call(NAME, {"action": "sleep", "amount": 60}, 1).failure == "overloaded"
    assert time.monotonic() - start < 2


def test_work_that_takes_all_memory_or_ends_its_process_is_an_outcome():
    assert workers.call(NAME, {"action": "fill", "amount": 1 << 40}, 4).failure == "memory_limit"
    assert workers.call(NAME, {"action": "exit", "amount": 3}, 4).failure == "worker_died"
    assert workers.call(NAME, {"action": "exit", "amount": 0}, 4).failure == "worker_died"
    assert workers.call(NAME, {"action": "echo", "amount": 5}, 4).value == 5


def test_time_in_the_queue_does_not_count():
    pool = workers.Pool("eval.verifiers.workers", 1)
    try:
        pool.call(NAME, {"action": "echo", "amount": 0}, 4)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(pool.call(NAME, {"action": "sleep", "amount": 0.4}, 1)))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one.failure for one in found] == [""] * 5
    finally:
        pool.close()


def test_nothing_is_left_when_a_pool_is_closed():
    pool = workers.Pool("eval.verifiers.workers", 1)
    pid = pool.call(NAME, {"action": "pid", "amount": 0}, 4).value
    os.kill(pid, 0)
    pool.close()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
