"""Two processes train as one does."""

import os
import subprocess
import sys

import pytest

from common.run import read_metrics

pytestmark = [pytest.mark.integration, pytest.mark.slow]

YAML = """
data: {rows: 24, eval_rows: 4, noise: {max_tokens: 48, harvest_pages: 0}}
rewards:
  - {kind: repetition, words: 1, times: 2}
  - {kind: length}
reward_weights: [1, 1]
num_generations: 4
prompts_per_step: 2
per_device_eval_batch_size: 2
max_prompt_length: 2000
max_completion_length: 8
max_steps: 3
learning_rate: 1e-3
precision: fp32
loss_type: dapo # normalised over all processes; bnpo's mean over each process's tokens depends on their number
gradient_checkpointing: false
eval_steps: 3
save_steps: 3
"""
COMPARED = ("loss", "grad_norm", "reward", "kl", "entropy", "completions/mean_length", "eval_reward", "eval_kl")


def run(command, root):
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_ddp_gives_the_single_process_curve(root, tmp_path, small_pool, small_policy):
    (tmp_path / "config.yaml").write_text(YAML)
    arguments = ["-m", "rl.train", str(tmp_path / "config.yaml"), f"model={small_policy}", f"data.pool={small_pool}"]
    run([sys.executable, *arguments, f"out={tmp_path}/one", "per_device_train_batch_size=8"], root)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run([*launcher, *arguments, f"out={tmp_path}/two", "per_device_train_batch_size=4"], root)
    one, two = read_metrics(tmp_path / "one"), read_metrics(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two]
    compared = 0
    for mine, theirs in zip(two, one, strict=True):
        for name in set(COMPARED) & theirs.keys():
            assert mine[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-6), (theirs["step"], name)
            compared += 1
    assert compared >= 3 * 6 + 2
