"""Slurm jobs of judges, evaluations and pass rates: their dry runs print every command, and mistakes end with 2."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "JUDGE_", "SHARES"))}


def run(script, *arguments, **environment):
    return subprocess.run(
        ["bash", f"scripts/slurm/{script}.sbatch", *arguments],
        cwd=ROOT,
        env=CLEAN | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("script", ["judge", "eval", "passrates"])
def test_a_job_says_what_it_is_and_what_it_lacks(script):
    shown = run(script, "--help")
    assert shown.returncode == 0 and shown.stdout.startswith("Usage: sbatch") and "--dry-run" in shown.stdout
    lacking = run(script)
    assert lacking.returncode == 2 and lacking.stderr.startswith("error: which")


def test_the_judge_job_writes_its_url_to_the_run_folder(tmp_path):
    done = run("judge", "verifier", "runs/guru", "port=8010", "--dry-run", SLURM_GPUS_ON_NODE="4", JUDGE_KEY="k")
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout.splitlines()[0])
    assert words[1:3] == ["./scripts/serve.sh", "verifier"]
    assert {"host=0.0.0.0", "api_key_env=JUDGE_KEY", "url_file=runs/guru/judge_url", "gpus=0,1,2,3"} <= set(words)
    assert 'arguments=[--data-parallel-size,"4"]' in words and "port=8010" in words
    assert "k" not in words  # the key is no argument
    wrong = run("judge", "verifier", "runs/guru", "prot=8010", "--dry-run", JUDGE_KEY="k")
    assert wrong.returncode == 2 and "did you mean 'port'" in wrong.stderr
    keyless = run("judge", "verifier", "runs/guru")
    assert keyless.returncode == 2 and "JUDGE_KEY" in keyless.stderr


SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers.get("authorization") == "Bearer " + os.environ["VLLM_API_KEY"] else 401)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_the_url_is_there_while_the_judge_answers(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "server.py").write_text(SERVER)
    command = f"command=[{sys.executable},{tmp_path}/server.py,'{{port}}']"
    words = ["bash", "scripts/slurm/judge.sbatch", "verifier", str(tmp_path / "run"), f"port={port}", command]
    job = subprocess.Popen(
        words, cwd=ROOT, env=CLEAN | {"JUDGE_KEY": "k1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        place, end = tmp_path / "run" / "judge_url", time.monotonic() + 60
        while not place.exists() and time.monotonic() < end:
            time.sleep(0.1)
        assert place.read_text() == f"http://{socket.gethostname()}:{port}/v1\n"
    finally:
        job.send_signal(signal.SIGTERM)
        job.wait(60)
    assert not place.exists()


def test_an_array_of_evaluations_shares_the_examples():
    arguments = ["model=M", "tasks=guru17", "output-file=results/guru.json"]
    done = run("eval", *arguments, "--dry-run", SHARES="3", TENSOR_PARALLEL="4", JUDGE_URL_FILE="runs/j/judge_url")
    assert done.returncode == 0, done.stderr
    judge, *commands = done.stdout.splitlines()
    assert judge.startswith("STEM_LLM_JUDGE_URL=$(cat runs/j/judge_url)")
    assert [shlex.split(line)[-1] for line in commands] == ["share=1/3", "share=2/3", "share=3/3"]
    first = shlex.split(commands[0])
    assert {"engine=vllm", "engine.tensor_parallel_size=4", "workers=2", *arguments} <= set(first)
    alone = run("eval", *arguments, "engine=server", "--dry-run").stdout
    assert "share=" not in alone and "vllm" not in alone and "workers=8" in alone


def test_pass_rates_are_looked_at_before_they_are_measured(tmp_path):
    done = run("passrates", "examples=rows.parquet", f"out={tmp_path}", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout) == ["python3", "-m", "rl.difficulty", "examples=rows.parquet", f"out={tmp_path}"]
    wrong = run("passrates", "examples=rows.parquet", "out=x", "rules=[too_hard]", "--dry-run")
    assert wrong.returncode == 2 and "no rule is called" in wrong.stderr
