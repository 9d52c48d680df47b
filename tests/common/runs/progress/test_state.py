"""Where a run is, as its folder says it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from common.config import RunConfig
from common.runs.folder import Run
from common.runs.progress import shown
from common.runs.progress.shown import CountedWork, waiting
from common.runs.progress.state import read_now, read_processes

ENDLESS = """
import sys, time
from pathlib import Path
from common.config import RunConfig
from common.runs.folder import Run
with Run(sys.argv[1], RunConfig()):
    print("open", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(shown, "LOOK_S", 0.01)


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_says_what_it_counts_what_it_waits_for_and_that_it_is_finished(tmp_path):
    with Run(tmp_path, RunConfig()):
        assert read_now(tmp_path).state == "running" and read_now(tmp_path).alive is True
        with CountedWork("score", 8, "shards", waits=lambda: "shard_3") as work:
            work.at(2, "loss 3.5")
            until(lambda: read_now(tmp_path).work and read_now(tmp_path).work[0]["done"] == 2)
            now = read_now(tmp_path)
            ((label, pace, note),) = now.paces()
            assert (label, pace.done, pace.total, pace.unit, note) == ("score", 2, 8, "shards", "loss 3.5")
            assert now.waits == "shard_3" and abs(time.time() - now.waits_since) < 30
        waiting("reward quality")
        until(lambda: read_now(tmp_path).waits == "reward quality")
        waiting("")
    assert (read_now(tmp_path).state, read_now(tmp_path).why) == ("finished", "")


def test_a_run_that_fails_says_with_what_and_no_secret(tmp_path):
    with pytest.raises(ValueError, match="no answer"), Run(tmp_path, RunConfig()):
        raise ValueError("no answer from http://user:SECRET@host/v1")
    now = read_now(tmp_path)
    assert now.state == "failed" and now.why.startswith("ValueError: no answer from ")
    assert "SECRET" not in (tmp_path / "progress.json").read_text()


def test_a_run_that_is_closed_while_an_error_is_raised_failed(tmp_path):
    with pytest.raises(RuntimeError, match="diverged"), contextlib.closing(Run(tmp_path, RunConfig())):
        raise RuntimeError("diverged")
    assert read_now(tmp_path).why == "RuntimeError: diverged"


def test_a_killed_run_is_known_by_its_process(root, tmp_path):
    work = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    )
    with work:
        assert work.stdout.readline() == b"open\n"
        assert read_now(tmp_path).alive is True
        work.send_signal(signal.SIGKILL)
        work.wait()
    now = read_now(tmp_path)
    assert now.state == "running" and now.alive is False
    now.host = "elsewhere"
    assert now.alive is None


def test_only_processes_that_are_there_are_told_of(tmp_path):
    about = {"host": os.uname().nodename, "work": [], "state": "running"}
    (tmp_path / "progress-1.json").write_text(json.dumps({**about, "pid": os.getpid()}))
    (tmp_path / "progress-2.json").write_text(json.dumps({**about, "pid": 2**22 + 1}))
    (tmp_path / "progress-3.json").write_text("{cut o")
    assert [one.pid for one in read_processes(tmp_path)] == [os.getpid()]
    with Run(tmp_path, RunConfig()):  # what an earlier run's processes left
        assert list(tmp_path.glob("progress-*.json")) == []


def test_a_folder_that_says_nothing_is_of_an_earlier_version(tmp_path):
    assert read_now(tmp_path) is None
