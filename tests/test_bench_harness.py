"""The benches' harness: equal outputs before any ratio, the peer's best setting, pairs of runs, aims that fail."""

import sys

import pytest

from tests.bench.harness import ENVIRONMENT, Side, measure, process


def same(one, other):
    assert one == other


def scripted(seconds, output=1):
    """A side that says its own seconds: a round that does not count, then those given."""
    left = [9.0, *seconds]
    return Side(lambda: (left.pop(0), output), str(seconds[0]), timed=True)


def test_a_peer_stands_at_its_best_setting_and_ratios_are_taken_pair_by_pair(capsys):
    slow, fast = scripted([8, 8, 8]), scripted([4, 6, 2])
    found = measure("x", {"peer": [slow, fast], "ours": scripted([2, 2, 2])}, same, runs=3)
    assert found.ratio("peer", "ours") == (2, 1, 3)
    found.aim("peer", "ours", least=2)
    assert "peer / ours = 2 (1 to 3), aim 2: reached" in capsys.readouterr().out


def test_an_aim_that_is_missed_fails_or_is_marked(capsys):
    found = measure("x", {"peer": scripted([2]), "ours": scripted([2])}, same, runs=1)
    with pytest.raises(AssertionError, match="1 of 2"):
        found.aim("peer", "ours", least=2)
    found.aim("peer", "ours", least=2, not_reached="memory")
    assert "NOT REACHED: memory" in capsys.readouterr().out


def test_nothing_is_measured_where_outputs_differ():
    with pytest.raises(AssertionError):
        measure("x", {"peer": scripted([2], output=2), "ours": scripted([1])}, same, runs=1)


def test_seconds_are_those_of_the_processor():
    import time

    found = measure("x", {"sleeps": Side(lambda: time.sleep(0.2)), "ours": Side(lambda: sum(range(3000)))}, any_two, 1)
    assert found.times["sleeps"][0].median < 0.1


def any_two(one, other):
    del one, other


def test_processes_get_the_same_environment():
    program = "import os; print('noise'); print(1.5, os.environ['OMP_NUM_THREADS'], os.environ['GLIBC_TUNABLES'])"
    seconds, output = process([sys.executable, "-c", program])
    assert seconds == 1.5
    assert output == f"{ENVIRONMENT['OMP_NUM_THREADS']} {ENVIRONMENT['GLIBC_TUNABLES']}"
