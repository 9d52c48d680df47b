"""Workers in processes: one that dies is replaced, one that fails stops the others, SIGTERM reaches all."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from common.claims.crew import Overdue, run_crew, stop_on_sigterm
from common.runs.launch import WorkerKilled
from common.runs.progress.shown import CountedWork


def say(number, tell, folder):
    tell("at", f"s{number}")
    tell("done", f"s{number}")
    return number, os.getpid()


def die_once(number, tell, folder):
    mark = Path(folder) / str(number)
    if number == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number, tell, folder):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return wait(number, tell, folder)


def fail(number, tell, folder):
    if number == 1:
        raise FileNotFoundError(2, "gone", "there")
    return wait(number, tell, folder)


def wait(number, tell, folder):
    """Work until it is told to stop."""
    told = threading.Event()
    with stop_on_sigterm(told.set):
        (Path(folder) / f"ready_{number}").touch()
        while not told.wait(0.05):
            pass
    (Path(folder) / f"told_{number}").touch()
    return number


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A function of this file by a name that a spawned process finds."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import test_crew

    return lambda name: partial(getattr(test_crew, name), folder=str(tmp_path))


@pytest.mark.parametrize("workers", [1, 2])
def test_each_worker_works_in_a_process_of_its_own_and_says_where_it_is(work, workers):
    counted = CountedWork("rephrase", 2, "shards", shown=False)
    found = run_crew(work("say"), workers, counted)
    assert sorted(number for number, _ in found) == list(range(workers))
    assert len({process for _, process in found}) == workers
    assert (os.getpid() in {process for _, process in found}) == (workers == 1)
    assert counted.done == workers and counted.waited_for().startswith("s0")


def test_a_worker_that_dies_is_replaced_and_one_that_dies_again_and_again_ends_the_run(work, tmp_path):
    assert sorted(run_crew(work("die_once"), 2, CountedWork(shown=False))) == [0, 1]
    with pytest.raises(WorkerKilled, match="died 4 times"):
        run_crew(work("die"), 2, CountedWork(shown=False))
    assert (tmp_path / "told_0").exists()


def test_the_first_error_tells_the_others_to_stop_and_is_raised(work, tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        run_crew(work("fail"), 2, CountedWork(shown=False))
    assert (tmp_path / "told_0").exists() or not (tmp_path / "ready_0").exists()


CREW = """
import sys, test_crew
from functools import partial
from common.claims.crew import run_crew
from common.runs.progress.shown import CountedWork
if __name__ == "__main__":
    print(sorted(run_crew(partial(test_crew.wait, folder=sys.argv[1]), 2, CountedWork(shown=False))))
"""


def test_sigterm_reaches_every_worker(tmp_path, root):
    (tmp_path / "main.py").write_text(CREW)
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{Path(__file__).parent}"}
    command = [sys.executable, str(tmp_path / "main.py"), str(tmp_path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while len(list(tmp_path.glob("ready_*"))) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == "[0, 1]\n" and process.returncode == 0


def test_who_is_not_done_when_the_notice_is_over_is_ended():
    told = []

    def be_slow():
        with stop_on_sigterm(lambda: told.append(time.monotonic()), 0.2):
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(20)

    with pytest.raises(Overdue):
        be_slow()
    assert 0.1 < time.monotonic() - told[0] < 10
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
