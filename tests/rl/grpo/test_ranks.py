"""Two processes train as one does, however the work and the weights are shared; slow but for the short DDP form."""

import json
import os
import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from common.runs.folder import read_metrics

pytestmark = pytest.mark.integration

YAML = """
data: {rows: 24, eval_rows: 6, noise: {max_tokens: 48, harvest_pages: 0}}
rewards:
  - {kind: repetition, words: 1, times: 2}
  - {kind: overlong, max_tokens: 16, buffer: 16}
reward_weights: [1, 1]
num_generations: 4
prompts_per_step: 2
per_device_train_batch_size: 4
per_device_eval_batch_size: 2
max_prompt_length: 2000
max_completion_length: 16
max_steps: 4
learning_rate: 1e-3
precision: fp32
loss_type: dapo # normalised over all processes; bnpo's mean over each process's tokens depends on their number
gradient_checkpointing: false
eval_steps: 2
eval_kl: true
save_steps: 2
"""
COMPARED = ("loss", "grad_norm", "reward", "reward_std", "completions/mean_length", "kl", "entropy")
HELD_OUT = ("eval_reward", "eval_kl", "eval_entropy")

# accelerate shards with FSDP2 on the kinds of device in its own list, which has no CPU: the CPU passes for one of them.
AS_IF_DEVICES = """
import torch.distributed
from accelerate.state import DistributedType, PartialState
from rl.train import main

torch.distributed.init_process_group("gloo")
PartialState._prepare_backend = lambda self, *_: ("gloo", DistributedType.MULTI_GPU)
main()
"""


def environment(root, **more):
    """Two processes, a core each; commands are those of this Python's environment."""
    scripts = Path(sys.executable).parent
    return os.environ | {
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "VIRTUAL_ENV": sys.prefix,
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "MASTER_PORT": str(free_port()),
        **more,
    }


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "rl.train"]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, small_pool, small_policy):
    """Of every run but for `out`; the policy repeats itself and ends at different lengths."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("ranks")
    model = AutoModelForCausalLM.from_pretrained(small_policy)
    model.get_input_embeddings().weight.data.mul_(10)  # tied: the last token comes again with p = 0.35
    model.generation_config.eos_token_id = [1, *range(100, 200)]
    model.save_pretrained(folder / "policy")
    AutoTokenizer.from_pretrained(small_policy).save_pretrained(folder / "policy")
    (folder / "config.yaml").write_text(YAML)
    return [str(folder / "config.yaml"), f"model={folder}/policy", f"data.pool={small_pool}"]


@pytest.fixture(scope="module")
def one(root, arguments, tmp_path_factory):
    """Run folder of a single process."""
    out = tmp_path_factory.mktemp("one") / "run"
    run([sys.executable, "-m", "rl.train", *arguments, f"out={out}"], environment(root))
    return out


@pytest.fixture(scope="module")
def ddp(root, arguments, tmp_path_factory):
    """Run folder of two processes that hold the whole model each."""
    out = tmp_path_factory.mktemp("ddp") / "run"
    run([*TORCHRUN, *arguments, f"out={out}"], environment(root))
    return out


def curves(out):
    return [row for row in read_metrics(out) if "reward" in row or "eval_reward" in row]


def same_curve(found, expected, names=COMPARED + HELD_OUT, rel=1e-4):
    """Every named metric at every step; how many there were."""
    assert [row["step"] for row in found] == [row["step"] for row in expected]
    compared = 0
    for mine, theirs in zip(found, expected, strict=True):
        for name in set(names) & theirs.keys():
            assert mine[name] == pytest.approx(theirs[name], rel=rel, abs=1e-6), (theirs["step"], name)
            compared += 1
    return compared


def same_run(found, expected):
    """The curve, and an export that loads with the same weights."""
    import torch
    from transformers import AutoModelForCausalLM

    rows = curves(expected)
    assert same_curve(curves(found), rows) == 4 * len(COMPARED) + 3 * len(HELD_OUT)
    assert all(row["reward_std"] > 0.1 for row in rows if "reward" in row) and rows[-1]["eval_kl"] > 1e-5  # it learns
    mine, theirs = (
        AutoModelForCausalLM.from_pretrained(out / "export", dtype=torch.float32).state_dict()
        for out in (found, expected)
    )
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(mine[name], value, rtol=1e-3, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.slow
def test_ddp_trains_as_one_process_does(ddp, one):
    same_run(ddp, one)


def test_two_processes_take_the_step_of_one(root, arguments, tmp_path):
    from rl.train import main

    short = [*arguments, "max_steps=1", "eval_steps=1", "save_steps=1", "data.rows=8"]
    with subprocess.Popen(
        [*TORCHRUN, *short, f"out={tmp_path}/two"],
        env=environment(root),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as two:
        main([*short, f"out={tmp_path}/one"])
        assert two.wait() == 0, two.stderr.read()[-4000:]
    assert same_curve(curves(tmp_path / "two"), curves(tmp_path / "one")) == len(COMPARED) + 2 * len(HELD_OUT)


@pytest.mark.slow
def test_one_two_and_three_processes_measure_the_same(root, arguments, tmp_path):
    """Ten held-out rows leave the last batch of two or three processes open: what only fills it up does not count."""
    more = ["data.rows=24", "data.eval_rows=10", "prompts_per_step=3", "per_device_train_batch_size=2"]
    more += ["max_steps=1", "eval_steps=1", "save_steps=1", "learning_rate=1e-2", "warmup_frac=0"]
    found = {}
    for count in (1, 2, 3):
        out = tmp_path / str(count)
        launcher = [word.replace("node=2", f"node={count}") for word in TORCHRUN]
        run([*launcher, *arguments, *more, f"out={out}"], environment(root))
        found[count] = curves(out)
    assert found[1][-1]["eval_kl"] > 1e-4
    for count in (2, 3):
        assert same_curve(found[count], found[1]) == len(COMPARED) + 2 * len(HELD_OUT)


@pytest.mark.slow
def test_two_processes_go_on_where_they_were_cut_off(root, arguments, ddp, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(ddp, copy)
    (copy / "done.json").unlink()
    shutil.rmtree(copy / "checkpoints" / "checkpoint-4")
    shutil.rmtree(copy / "export")
    run([*TORCHRUN, *arguments, f"out={copy}"], environment(root))
    assert same_curve(curves(copy), curves(ddp), rel=1e-6) == 4 * len(COMPARED) + 3 * len(HELD_OUT)
    assert json.loads((copy / "done.json").read_text())["steps"] == 4


@pytest.mark.slow
def test_fsdp2_trains_as_one_process_does(root, arguments, one, tmp_path):
    (tmp_path / "as_if.py").write_text(AS_IF_DEVICES)
    out = tmp_path / "run"
    settings = environment(root, ACCELERATE_TORCH_DEVICE="cpu")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "configs/accelerate/fsdp2.yaml"]
    command += ["--num_processes", "2", "--main_process_port", settings["MASTER_PORT"], str(tmp_path / "as_if.py")]
    run([*command, *arguments, f"out={out}"], settings)
    same_run(out, one)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("deepspeed") is None, reason="needs DeepSpeed: pip install -e .[deepspeed]")
@pytest.mark.parametrize("stage", [2, 3])
def test_zero_trains_as_one_process_does(root, arguments, one, tmp_path, stage):
    settings = environment(root, DS_ACCELERATOR="cpu", NPROC="2", ACCELERATE=f"configs/accelerate/zero{stage}.yaml")
    run(["bash", "scripts/rl.sh", *arguments, f"out={tmp_path}/run"], settings)
    same_run(tmp_path / "run", one)
