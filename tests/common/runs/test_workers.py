"""Workers die with their parent, whatever the signal, and a killed worker is no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.pools.shards import Shard
from common.runs.launch import WorkerKilled, run_shards

SLEEPERS = """
import sys, tests_workers
from common.pools.shards import Shard
from common.runs.launch import run_shards
if __name__ == "__main__":
    run_shards(tests_workers.sleep, [Shard(n, sys.argv[1], str(n)) for n in range(2)], workers=2)
"""
WORK = """
import os, pathlib, time
def sleep(shard):
    pathlib.Path(shard.path, str(os.getpid())).touch()
    time.sleep(120)
"""


def lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_die_with_their_parent(tmp_path, root, number):
    (tmp_path / "tests_workers.py").write_text(WORK)
    (tmp_path / "main.py").write_text(SLEEPERS)
    (tmp_path / "pids").mkdir()
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"}
    parent = subprocess.Popen([sys.executable, str(tmp_path / "main.py"), str(tmp_path / "pids")], env=environment)
    end = time.monotonic() + 60
    while len(list((tmp_path / "pids").iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    workers = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    assert len(workers) == 2
    parent.send_signal(number)
    parent.wait()
    end = time.monotonic() + 10
    while any(map(lives, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(lives, workers))


def kill_myself_once(shard):
    """Ends its process the first time that it is called for a shard."""
    marker = Path(f"{shard.path}.{shard.index}")
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return shard.index


def kill_myself(shard):
    """Ends its process."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.mark.integration
def test_a_killed_worker_does_not_end_the_run_and_a_second_one_ends_it_in_one_line(tmp_path, importable):
    import test_workers  # by a name that a spawned process finds

    with pytest.raises(WorkerKilled, match="finished shards stay finished"):
        run_shards(test_workers.kill_myself, [Shard(n, "", "") for n in range(2)], workers=2)
    (tmp_path / "s.1").touch()
    shards = [Shard(n, str(tmp_path / "s"), "") for n in range(2)]
    assert run_shards(test_workers.kill_myself_once, shards, workers=2) == [0, 1]
