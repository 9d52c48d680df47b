"""Slurm jobs: their dry runs print every command, and mistakes end with 2."""

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


@pytest.mark.parametrize("script", ["judge", "eval", "passrates", "sft", "data"])
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
    shares = run("passrates", "examples=rows.parquet", f"out={tmp_path}", "--dry-run", SHARES="2").stdout.splitlines()
    assert [shlex.split(line)[-1] for line in shares] == ["share=1/2", "share=2/2"]
    wrong = run("passrates", "examples=rows.parquet", "out=x", "rules=[too_hard]", "--dry-run")
    assert wrong.returncode == 2 and "no rule is called" in wrong.stderr


def test_a_data_stage_uses_all_cores_of_one_node():
    words = ["filter", "configs/filter/smoke_cpu.yaml", "source_ref_paths=a,b", "output_dir=c"]
    done = run("data", *words, "--dry-run", SLURM_CPUS_PER_TASK="48")
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout) == ["bash", "./scripts/filter.sh", *words[1:], "workers=48"]
    asked = run("data", *words, "workers=5", "--dry-run").stdout
    assert "workers=5" in asked and "workers=64" not in asked


def test_several_nodes_of_a_data_stage_are_one_ray_cluster():
    words = ["tokenize", "input=a", "output=b", "tokenizer=c", "seq_len=512"]
    done = run("data", *words, "--dry-run", SLURM_JOB_NUM_NODES="3", SLURM_CPUS_PER_TASK="10")
    assert done.returncode == 0, done.stderr
    address, cluster, work = done.stdout.splitlines()
    assert address.startswith("MASTER_ADDR=$(scontrol")
    assert r"ray\ start\ --block\ --head" in cluster and cluster.endswith('"$MASTER_ADDR" 6379 10 &')
    assert shlex.split(work) == [
        "RAY_ADDRESS=$MASTER_ADDR:6379",
        "bash",
        "./scripts/tokenize.sh",
        *words[1:],
        "workers=30",
        "cluster=ray",
    ]


def test_a_mistake_ends_a_data_job_before_a_cluster_starts(tmp_path):
    (tmp_path / "srun").write_text("#!/bin/sh\ntouch started\n")
    (tmp_path / "srun").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = run("data", "filter", "no_such_key=1", SLURM_JOB_NUM_NODES="2", PATH=path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert not (ROOT / "started").exists()


def test_a_data_job_works_on_the_ray_cluster_that_it_started(tmp_path):
    stand_ins = {
        "srun": f"env | grep ^RAY_ | sort >{tmp_path}/nodes; exec sleep 60",
        "scontrol": "echo node7; echo node8",
        "python3": f'[ "$1" = -c ] && echo 2 || {{ env | grep ^RAY_ | sort; echo "$@"; }} >>{tmp_path}/work',
    }
    for name, body in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    words = ["filter", "configs/filter/smoke_cpu.yaml", "source_ref_paths=a", "output_dir=b"]
    path = f"{tmp_path}:{os.environ['PATH']}"
    slurm = {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_CPUS_PER_TASK": "4"}
    done = run("data", *words, PATH=path, VIRTUAL_ENV="here", **slurm)
    assert done.returncode == 0, done.stderr
    nodes, work = (tmp_path / "nodes").read_text().splitlines(), (tmp_path / "work").read_text().splitlines()
    assert nodes[0] == "RAY_AUTH_MODE=token" and len(nodes[1].removeprefix("RAY_AUTH_TOKEN=")) == 64
    assert [line for line in nodes if "ADDRESS" not in line] == [line for line in work[-5:-1] if "ADDRESS" not in line]
    assert "RAY_ADDRESS=node7:6379" in work
    assert work[-1].split()[-2:] == ["workers=8", "cluster=ray"] and "--dry-run" not in work[-1]


def test_every_node_fine_tunes_with_its_own_rank(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
    words = ["configs/rl/sft_tiny.yaml", f"data={tmp_path}/rows.jsonl", "model=rephrase/tiny", f"out={tmp_path}/out"]
    done = run("sft", *words, "--dry-run", SLURM_JOB_NUM_NODES="2", SLURM_GPUS_ON_NODE="4")
    assert done.returncode == 0, done.stderr
    launches = [shlex.split(line) for line in done.stdout.splitlines() if "accelerate launch" in line]
    assert len(launches) == 2
    for rank, launch in enumerate(launches):
        assert launch[launch.index("--machine_rank") + 1] == str(rank)
        assert launch[launch.index("--num_processes") + 1] == "8"
        assert launch[launch.index("--main_process_ip") + 1] == "$MASTER_ADDR"
        assert launch[-4:] == words
    wrong = run("sft", words[0], "lerning_rate=1", "--dry-run")
    assert wrong.returncode == 2 and "did you mean 'learning_rate'" in wrong.stderr
