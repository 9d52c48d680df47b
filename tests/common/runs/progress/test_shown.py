"""CountedWork of long work: lines off a terminal, a bar on one, both without control codes of others."""

import os
import pty
import re
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from common.runs.progress import shown
from common.runs.progress.shown import FIRST_S, LONGEST_S, CountedWork, LineClock, progress

BAR = """
import sys, time
from common.runs.progress.shown import progress
for _ in progress(range(3), 3, "work\\x1b[2J", "shards", lambda: "shard_7\\x1b]0;owned"):
    time.sleep(0.8)
"""


@pytest.fixture
def quick(monkeypatch):
    """Lines after hundredths of a second in place of tens of seconds."""
    monkeypatch.setattr(shown, "FIRST_S", 0.05)
    monkeypatch.setattr(shown, "LOOK_S", 0.01)


def test_lines_come_at_growing_intervals_up_to_five_minutes():
    clock = LineClock(0.0)
    said = [second for second in range(2000) if clock.due(float(second))]
    assert said[:6] == [10, 30, 70, 150, 310, 610]
    assert {later - before for before, later in pairwise(said[4:])} == {int(LONGEST_S)}
    assert FIRST_S == 10


def test_everything_passes_through_and_short_work_says_nothing(capsys):
    assert list(progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_long_work_says_share_rate_and_time_left_and_its_end(quick, capsys):
    for _ in progress(range(4), 4, "score pool", "shards"):
        time.sleep(0.12)
    *lines, last = capsys.readouterr().err.splitlines()
    wanted = re.compile(r"score pool: [123] of 4 shards \(\d+ %\), [\d.,]+ s(hards/s| per shard), [\d.]+ s left")
    assert any(wanted.fullmatch(line) for line in lines)
    assert last.startswith("score pool: 4 of 4 shards (100 %), ")


def test_a_line_comes_though_nothing_gets_done_and_names_what_is_waited_for(quick, capsys):
    for _ in progress(range(1), 1, "rephrase", "shards", lambda: "shard_7\x1b[2J"):
        time.sleep(0.2)
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "rephrase: 0 of 1 shards (0 %); waits for shard_7\\x1b[2J"


def test_work_inside_other_work_stands_in_the_same_line(quick, capsys):
    with CountedWork("shares", 2, "shares") as outer:
        outer.at(1)
        for _ in progress(range(2), 2, "samples", "samples"):
            time.sleep(0.1)
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("shares: 1 of 2 shares (50 %), ") and "; samples: " in line


def test_work_that_is_not_shown_says_nothing_and_is_told_to_those_who_watch(quick, capsys):
    with CountedWork("rl", 10, "steps", shown=False) as work:
        time.sleep(0.15)
        assert shown.going_on() == [work]
    assert shown.going_on() == []
    assert capsys.readouterr().err == ""


def test_the_rate_is_of_the_work_itself(monkeypatch):
    monkeypatch.setattr(shown.time, "monotonic", iter([0.0, 90.0, 100.0]).__next__)
    work = CountedWork("rl", unit="steps")
    work.begin(4, 8)  # a model was opened for 90 s, and four steps were there
    work.at(6)
    assert work.words() == "rl: 6 of 8 steps (75 %), 5 s per step, 10 s left"


def test_other_processes_of_a_launch_say_nothing(quick, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    for _ in progress(range(2), 2):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_the_thread_ends_with_the_work(quick):
    with CountedWork():
        time.sleep(0.05)
    deadline = time.monotonic() + 5
    while shown._SHOW._thread is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert shown._SHOW._thread is None


@pytest.mark.parametrize("plain", [True, False])
def test_a_terminal_gets_a_bar_without_the_codes_of_a_name(root, plain):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(root), "TERM": "xterm-256color", "COLUMNS": "160"}
    environment.pop("NO_COLOR", None)
    if plain:
        environment["NO_COLOR"] = "1"
    with subprocess.Popen([sys.executable, "-c", BAR], env=environment, stderr=theirs) as work:
        os.close(theirs)
        found = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed
                break
            if not piece:
                break
            found += piece
        assert work.wait() == 0
    os.close(ours)
    assert b"3 of 3 shards (100 %)" in found
    assert b"waits for shard_7\\x1b]0;owned" in found
    assert b"\x1b[2J" not in found and b"\x1b]0;" not in found
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", found)) is not plain
