"""The array job: its dry run says the command, a mistake is one line, and preemption puts it back into the queue."""

import os
import shlex
import signal
import subprocess
import time

import pytest

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "LOGS"))}


def job(root, *arguments, **environment):
    command = ["bash", str(root / "scripts/slurm/infer.sbatch"), *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=root, env=CLEAN | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(root, *arguments, **environment):
    process = job(root, *arguments, **environment)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_the_job_says_what_it_is_and_what_it_lacks(root):
    code, out, _ = run(root, "--help")
    assert code == 0 and out.startswith("Usage: sbatch") and "--dry-run" in out
    code, _, err = run(root)
    assert code == 2 and err.startswith("error: which shards?")


def test_a_dry_run_prints_the_command_and_each_job_has_a_run_folder_of_its_own(root):
    words = ["0", "7", "input=POOL", "output=OUT", "--dry-run"]
    code, out, err = run(root, *words, SLURM_ARRAY_TASK_ID="3")
    assert code == 0, err
    assert shlex.split(out)[1:] == [
        "./scripts/infer.sh",
        "0",
        "7",
        "input=POOL",
        "output=OUT",
        "logs=OUT/_rephrase/job_3",
    ]
    assert "logs=/runs/l/job_0" in run(root, *words, LOGS="/runs/l")[1]
    assert "job_" not in run(root, *words, "logs=mine")[1]
    assert "logs=" not in run(root, "0", "7", "output=s3://b/out", "--dry-run")[1]  # the command says what is missing


STAND_IN = """#!/usr/bin/env bash
case "$*" in *--dry-run*) exit "${CHECK:-0}" ;; esac
exec python3 -c '
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(os.environ["CODE"])))
pathlib.Path(os.environ["READY"]).touch()
time.sleep(60)
'
"""


@pytest.fixture
def checkout(root, tmp_path):
    """A folder with the job, a stand-in for what it starts, and Slurm's command, which takes down what it is asked."""
    (tmp_path / "scripts" / "slurm").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    job = (root / "scripts/slurm/infer.sbatch").read_text()
    (tmp_path / "scripts/slurm/infer.sbatch").write_text(job)
    (tmp_path / "scripts/infer.sh").write_text(STAND_IN)
    (tmp_path / "bin/scontrol").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    (tmp_path / "bin/scontrol").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("code", "ends", "asked"), [(75, 0, "requeue 12\n"), (1, 1, ""), (0, 0, "")])
def test_a_preempted_job_hands_the_signal_on_and_goes_back_to_the_queue(checkout, code, ends, asked):
    environment = {
        "SLURM_JOB_ID": "12",
        "CODE": str(code),
        "READY": str(checkout / "ready"),
        "PATH": f"{checkout}/bin:{os.environ['PATH']}",
    }
    process = job(checkout, "0", "7", "output=OUT", **environment)
    end = time.monotonic() + 60
    while not (checkout / "ready").exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == ends
    assert ((checkout / "asked").read_text() if asked else "") == asked
    assert (checkout / "asked").exists() == bool(asked)


def test_a_mistake_is_not_queued_again(checkout):
    code, _, _ = run(
        checkout, "0", "7", "output=OUT", CHECK="2", SLURM_JOB_ID="12", PATH=f"{checkout}/bin:{os.environ['PATH']}"
    )
    assert code == 2 and not (checkout / "asked").exists()
