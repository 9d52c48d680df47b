"""Pretraining, SFT, RL and evaluation killed anywhere: the same command ends as if never stopped.

The short form is in the suite; `FAULTS_KILLS=25 python -m pytest tests/faults/test_training_kills.py` kills each stage
so often, and goes on in two processes too. The stages are forked from one process that has imported what they need, so
that a start takes as long as the work.
"""

import multiprocessing
import os
import random
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from common.pools.lock import alone
from tests.fixtures.works import WORKS, differences, door, matching, outcome

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("FAULTS_KILLS", "1"))
STAGES = {work.name: work for work in WORKS if work.name in ("pretrain", "sft", "rl_rephraser", "eval")}
OTHER = {
    "pretrain": ["global_bs=8"],
    "sft": ["stages.0.batch_tokens=80"],
    "rl_rephraser": ["per_device_train_batch_size=2"],
    "eval": [],
}
"""Another batch size, where it shapes what comes out."""

PER_PROCESS = re.compile(r"/(world|entropy|kl|eval_\S*std):")
"""Figures that say how many processes there were, or are means over the batches of each."""


@pytest.fixture(scope="module")
def started(root):
    """A function that starts a command in a process of its own."""
    os.environ["PYTHONPATH"] = str(root)  # of the process that the others are forked from
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["rl.grpo.course", "rl.sft.trainer", "pretrain.training.trainer", "eval.runner.course", "tests.fixtures.works"]
    )

    def start(module, arguments):
        before, sys.argv = sys.argv, [module, *arguments]
        try:
            process = context.Process(target=runpy.run_module, args=(module, None, "__main__", True))
            process.start()
        finally:
            sys.argv = before
        return process

    return start


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """The inputs of the works."""
    with tarfile.open(Path(__file__).parents[1] / "fixtures" / "v0" / "inputs.tar.gz") as source:
        source.extractall(tmp_path_factory.getbasetemp(), filter="data")
    folder = tmp_path_factory.getbasetemp() / "inputs"
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def placed(work, name):
    """The command with another folder of work."""
    return [word.replace(f"work/{work.name}", name).replace("logs=work", f"logs={name}") for word in work.arguments]


def folder_of(work, room, name):
    return room / name / work.name if work.name == "pretrain" else room / name


def run(started, work, name, *more):
    process = started(work.module, [*placed(work, name), *more])
    process.join()
    return process.exitcode


@pytest.fixture(scope="module", params=STAGES)
def straight(request, room, started):
    work = STAGES[request.param]
    run(started, work, f"{work.name}_first")  # what is loaded for the first time counts for no length
    began = time.monotonic()
    assert run(started, work, f"{work.name}_straight") == 0
    return work, outcome(work, folder_of(work, room, f"{work.name}_straight")), time.monotonic() - began


def same(work, folder, whole):
    found = outcome(work, folder)
    assert found["files"] == whole["files"]
    assert differences(found, whole) == [] and differences(whole, found) == []


def test_killed_anywhere_and_run_again_equals_never_stopped(straight, room, started):
    work, whole, seconds = straight
    draw = random.Random(work.name)
    killed = number = 0
    while killed < KILLS:
        name, number = f"{work.name}_killed_{number}", number + 1
        for _ in range(2 if KILLS > 1 else 1):
            process = started(work.module, placed(work, name))
            time.sleep(draw.uniform(0.05, 0.9) * seconds)
            process.kill()
            process.join()
            killed += process.exitcode == -signal.SIGKILL  # one that came after the end does not count
        assert run(started, work, name) == 0
        same(work, folder_of(work, room, name), whole)
        shutil.rmtree(room / name)


def test_another_batch_size_and_a_second_start_are_one_line(straight, room, capsys):
    work, whole, _ = straight
    folder = folder_of(work, room, f"{work.name}_straight")
    before = {path: path.stat().st_mtime_ns for path in map(folder.joinpath, matching(folder, work.untouched))}
    attempts = [OTHER[work.name]] if OTHER[work.name] else []
    for more in attempts:
        with pytest.raises(SystemExit) as refused:
            door(work.module)([*placed(work, f"{work.name}_straight"), *more])
        assert refused.value.code in (1, 2)
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    lock = folder / "record" if work.name == "eval" else folder
    with alone(lock), pytest.raises(SystemExit) as refused:
        door(work.module)(placed(work, f"{work.name}_straight"))
    assert refused.value.code in (1, 2) and "another process is working on" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in before}
    same(work, folder, whole)


@pytest.mark.slow
def test_going_on_in_two_processes_equals_never_stopped_or_is_one_line(straight, room, started, root):
    work, whole, seconds = straight
    name = f"{work.name}_two"
    process = started(work.module, placed(work, name))
    time.sleep(0.7 * seconds)
    process.kill()
    process.join()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", work.module]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *placed(work, name)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        found = differences(outcome(work, folder_of(work, room, name)), whole)
        found = [line for line in found if not PER_PROCESS.search(line)]
        assert not found, "\n".join(found)
    else:
        assert [line for line in done.stderr.splitlines() if line.startswith("error: ")], done.stderr
