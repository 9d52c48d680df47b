"""The job for several nodes: a dry run says every command, and a real one starts what the dry run said."""

import os
import re
import shlex
import subprocess

import pytest


def run(root, *arguments, **environment):
    return subprocess.run(
        ["bash", "scripts/slurm/rl.sbatch", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=root,
        env={**os.environ, **environment},
    )


def test_a_dry_run_prints_every_command_of_every_node(root):
    words = ["configs/rl/rephraser_qwen3_4b.yaml", "max_steps=60", "--dry-run"]
    done = run(root, *words, SLURM_JOB_NUM_NODES="3", JUDGE_URL_FILE="runs/judge_url")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^# node \d of 3$", done.stdout, re.MULTILINE)) == 3
    assert done.stdout.count("scripts/serve.sh dataman") == done.stdout.count("scripts/serve.sh structure") == 3
    assert "--machine_rank 2 --num_processes 24" in done.stdout
    assert "STEM_LLM_JUDGE_URL=$(cat runs/judge_url)" in done.stdout
    assert "--dry-run" not in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [([], "which config?"), (["configs/rl/guru_qwen2.5_7b.yaml", "max_stps=8", "--dry-run"], "unknown key 'max_stps'")],
)
def test_a_mistake_is_one_line(root, words, says):
    done = run(root, *words)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_job_starts_what_its_dry_run_printed(root, tmp_path):
    (tmp_path / "scontrol").write_text("#!/bin/sh\necho node7\necho node8\n")
    (tmp_path / "srun").write_text('#!/bin/sh\nprintf "%s\\n" "$MASTER_ADDR" "$STEM_LLM_JUDGE_URL" srun "$@"\n')
    for name in ("scontrol", "srun"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "url").write_text("http://node9:8000/v1\n")
    words = ["configs/rl/guru_qwen2.5_7b.yaml", "seed=1"]
    slurm = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_NODELIST": "node[7-8]",
        "JUDGE_URL_FILE": str(tmp_path / "url"),
    }
    address, judge, *started = run(root, *words, **slurm).stdout.splitlines()
    assert (address, judge) == ("node7", "http://node9:8000/v1")
    printed = run(root, *words, "--dry-run", **slurm).stdout.splitlines()
    assert started == shlex.split(next(line for line in printed if line.startswith("srun ")))
