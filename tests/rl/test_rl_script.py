"""`scripts/rl.sh`: servers started and gone on every way out, processes for the GPUs there are, several nodes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.runs.folder import read_metrics

pytestmark = pytest.mark.integration

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
RUN = """
data: {rows: 8, eval_rows: 0, noise: {max_tokens: 48, harvest_pages: 0}}
rewards: [{kind: repetition, words: 1, times: 2}]
reward_weights: [1]
num_generations: 4
prompts_per_step: 2
per_device_train_batch_size: 4
max_prompt_length: 2000
max_completion_length: 4
max_steps: 1
eval_steps: 1
save_steps: 1
precision: fp32
gradient_checkpointing: false
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(*first, **more):
    """This Python's environment, where commands of the folders `first` come before all others."""
    scripts = Path(sys.executable).parent
    path = ":".join([*map(str, first), str(scripts), os.environ["PATH"]])
    return os.environ | {"VIRTUAL_ENV": sys.prefix, "OMP_NUM_THREADS": "1", "PATH": path, **more}


@pytest.fixture
def server(tmp_path):
    """The config of a server that answers at once, and its port."""
    port = free_port()
    (tmp_path / "server.py").write_text(SERVER)
    path = tmp_path / "server.yaml"
    path.write_text(f"model: m\nport: {port}\ncommand: [{sys.executable}, {tmp_path}/server.py, '{{port}}']\n")
    return path, port


@pytest.fixture
def config(tmp_path, small_pool, small_policy):
    """A run of one step."""
    path = tmp_path / "run.yaml"
    path.write_text(f"model: {small_policy}\nout: {tmp_path}/run\n{RUN}")
    return [str(path), f"data.pool={small_pool}"]


def ended(folder, seconds=10):
    """Whether all processes that name the folder end in time."""
    until = time.monotonic() + seconds
    while left_running(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return not left_running(folder)


def left_running(folder):
    """Command lines that name the folder."""
    listing = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if str(folder) in line]


def rl_sh(root, *arguments):
    return ["bash", str(root / "scripts" / "rl.sh"), *arguments]


@pytest.mark.slow
def test_a_run_that_ends_well_leaves_no_server(root, server, config, tmp_path):
    path, port = server
    command = rl_sh(root, *config, f"servers=[{path}]")
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert f"http://127.0.0.1:{port}/v1" in done.stdout and (tmp_path / "run" / "done.json").is_file()
    assert ended(tmp_path), left_running(tmp_path)  # another test may have the port by now


def test_ctrl_c_stops_the_run_and_its_servers(root, server, config, tmp_path):
    path, port = server
    with subprocess.Popen(
        rl_sh(root, *config, f"servers=[{path}]"),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        # a suite that was itself started in the background ignores Ctrl-C, and its children would too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}/v1"
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells the whole group
        assert process.wait(60) == 130
    assert ended(tmp_path), left_running(tmp_path)  # another test may have the port by now


def test_a_server_that_cannot_start_ends_the_run_at_once(root, server, config, tmp_path):
    path, _ = server
    (tmp_path / "server.py").write_text("raise SystemExit(7)")
    command = rl_sh(root, *config, f"servers=[{path}]")
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert done.returncode == 1
    assert "error: the server ended with code 7" in done.stderr
    assert not left_running(tmp_path) and not (tmp_path / "run").exists()


def stand_in(folder, name, text):
    """A command that prints."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("given", "server_gpu", "gpus", "processes", "sharding"),
    [
        ({}, "0", "1,2", 2, "zero3"),  # 2 batches a step: 2 of the 3 GPUs that the server leaves
        ({"CUDA_VISIBLE_DEVICES": "4"}, "4", "4", 1, None),  # one GPU: shared
        ({"POLICY_GPUS": "5,7", "ACCELERATE": "configs/accelerate/zero2.yaml"}, "0", "5,7", 2, "zero2"),
    ],
)
def test_the_policy_gets_the_gpus_that_the_servers_leave(
    root, server, config, tmp_path, given, server_gpu, gpus, processes, sharding
):
    path, _ = server
    path.write_text(f"{path.read_text()}gpus: '{server_gpu}'\n")
    stand_in(tmp_path / "bin", "nvidia-smi", "seq 0 3")
    says = 'echo "gpus=$CUDA_VISIBLE_DEVICES $*"'
    stand_in(tmp_path / "bin", "accelerate", says)
    real = Path(sys.executable)
    stand_in(
        tmp_path / "bin",
        "python3",
        f'case "$*" in *rl.train*--check | *common.serve*) exec {real} "$@" ;; esac\n{says}',
    )
    (tmp_path / "modules" / "deepspeed").mkdir(parents=True)  # a launch that shards with it is refused without
    command = rl_sh(root, *config, f"servers=[{path}]")
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment(tmp_path / "bin", CUDA_VISIBLE_DEVICES="", PYTHONPATH=str(tmp_path / "modules")) | given,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    started = done.stdout.splitlines()[-1]
    assert started.startswith(f"gpus={gpus} ") and "-m rl.train" in started
    if sharding:
        assert f"configs/accelerate/{sharding}.yaml" in started and f"--num_processes {processes} " in started
    else:
        assert "launch" not in started


@pytest.mark.slow
def test_two_nodes_train_together(root, config, tmp_path):
    port = str(free_port())
    # Without a GPU accelerate leaves the weights whole under this file: plain DDP, a process on each node.
    shared = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NPROC": "1"}
    shared["ACCELERATE"] = str(root / "configs" / "accelerate" / "fsdp2.yaml")
    nodes = [
        subprocess.Popen(
            rl_sh(root, *config), env=environment(NODE_RANK=str(rank), **shared), stderr=subprocess.PIPE, text=True
        )
        for rank in (1, 0)
    ]
    errors = [node.communicate()[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], errors
    samples = (tmp_path / "run" / "samples.jsonl").read_text().splitlines()
    assert len(samples) == 8  # 4 completions of each
    assert [row["step"] for row in read_metrics(tmp_path / "run") if "reward" in row] == [1]


def test_a_dry_run_shows_the_launch_and_counts_with_its_processes(root, config, tmp_path):
    command = rl_sh(root, *config, "--dry-run")
    done = subprocess.run(command, capture_output=True, text=True, env=environment(NPROC="2"), check=False)
    assert done.returncode == 0, done.stderr
    assert "8 completions = 4 per device x 1 accumulated x 2" in done.stdout
    launch = done.stdout.splitlines()[-1]
    assert launch.startswith("# launch: env accelerate launch") and "--num_processes 2" in launch
    assert "zero3.yaml" in launch and not (tmp_path / "run").exists()


@pytest.mark.parametrize("script", ["pretrain.sbatch", "rl.sbatch"])
def test_the_slurm_scripts_take_the_first_of_many_nodes(root, tmp_path, script):
    # a closed pipe would end scontrol with an error, and under pipefail the script
    stand_in(tmp_path / "bin", "scontrol", "seq -f node%g 1 20000")
    stand_in(tmp_path / "bin", "srun", 'echo "$MASTER_ADDR$TORCHRUN"')
    stand_in(tmp_path / "bin", "python3", "exit 0")
    slurm = {
        "SLURM_JOB_NODELIST": "node[1-20000]", "SLURM_NNODES": "2", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7",
        "SLURM_SUBMIT_DIR": str(root), "TORCHRUN": "", "MASTER_ADDR": "",
    }  # fmt: skip
    command = ["bash", str(root / "scripts" / "slurm" / script), "x=1"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(tmp_path / "bin", **slurm), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "node1:29500" in done.stdout or done.stdout.strip() == "node1"
