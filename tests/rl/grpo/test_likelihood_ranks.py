"""Two processes with uneven work: nobody hangs, and rewards and training equal those of one process."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from common.runs.folder import read_metrics

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="gloo over a file, two processes"),
]

NEEDS_DEEPSPEED = pytest.mark.skipif(
    find_spec("deepspeed") is None, reason="needs DeepSpeed: pip install -e .[deepspeed]"
)
KINDS = ("reference_probability", "completion_gain", "process")
PROMPTS = [[{"role": "user", "content": text}] for text in ("Two and two?", "Which bird?", "How far is the coast?")]
COMPLETIONS = [
    "<think>One.\n\nTwo.\n</think> <answer> 4 </answer> In summary: count.",
    "no tags and no plan",
    "<think>The train takes two hours.\n\nSo it is far.\n</think> <answer> far </answer>",
]
REFERENCES = ["4", None, "two hours by train"]
SHARES = ([0, 2], [1]), ([1], [0, 1, 2]), ([0, 1, 2], [2]), ([], [2, 2])
"""Rows of rank 0 and of rank 1 in four batches; row 1 has no reference, so a rank may have nothing to score."""


def opened(kind, model, policy, folder, writes, gather, collective):
    """A reward with its scorer over `model` and its store."""
    from transformers import AutoTokenizer

    from eval.likelihood.config import ScorerConfig
    from eval.likelihood.open import open_scorer
    from rl.rewards import completion, process, reference
    from rl.rewards.kinds import open_rewards
    from rl.scoring.baselines import BaselineStore
    from rl.scoring.models import Scoring, bind

    class OneModel:
        def scoring(self, role, frozen_model):
            return Scoring(scorer, {"model": "m"})

    scorer = open_scorer(model, ScorerConfig(max_tokens_per_batch=64), collective=collective)
    configs = (
        reference.ReferenceProbabilityConfig(),
        completion.CompletionGainConfig(shape={"kind": "identity"}, share_prefix=True),
        process.ProcessConfig(),
    )
    (reward,) = open_rewards([config for config in configs if config.kind == kind])
    store = BaselineStore(f"{folder}/{kind}.parquet", writes=writes, gather=gather)
    bind([reward], OneModel(), AutoTokenizer.from_pretrained(policy), store)
    return reward


def judged(reward, rows):
    values = reward(
        [PROMPTS[row] for row in rows],
        [COMPLETIONS[row] for row in rows],
        reference=[REFERENCES[row] for row in rows],
    )
    return [None if value is None else float(value) for value in values]


def fsdp2(model):
    from torch.distributed.fsdp import fully_shard

    for layer in model.model.layers:
        fully_shard(layer)
    fully_shard(model)
    return model


def zero3(model):
    import deepspeed

    # Not worth minutes of compiling: DeepSpeed's own reduction in shared memory, which training does not use.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    stage = {"stage": 3, "stage3_param_persistence_threshold": 0}
    options = {"train_micro_batch_size_per_gpu": 1, "zero_optimization": stage, "zero_allow_untested_optimizer": True}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=options)
    assert all(not weights.numel() for weights in model.parameters())
    return engine.module


def work(rank, policy, folder, shard):
    """Shard the policy over two ranks and judge all batches with every kind of reward."""
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "DS_ACCELERATOR": "cpu"}
    # DeepSpeed asks for an address; all meet in a file.
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    model = shard(AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32))

    def gather(own):
        every = [None, None]
        dist.all_gather_object(every, own)
        return [entry for entries in every for entry in entries]

    found = {}
    for kind in KINDS:
        reward = opened(kind, model, policy, folder, rank == 0, gather, True)
        found[kind] = [judged(reward, share[rank]) for share in SHARES]
    with Path(folder, f"{rank}.json").open("w", encoding="utf-8") as target:
        json.dump(found, target)
    dist.destroy_process_group()


@pytest.mark.parametrize("shard", [fsdp2, pytest.param(zero3, marks=NEEDS_DEEPSPEED)])
def test_sharded_ranks_with_uneven_work_judge_as_one_process_does(small_policy, tmp_path, shard):
    from transformers import AutoModelForCausalLM

    mp.spawn(work, (small_policy, str(tmp_path), shard), nprocs=2)
    model = AutoModelForCausalLM.from_pretrained(small_policy, dtype=torch.float32)
    (tmp_path / "alone").mkdir()
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        for kind in KINDS:
            reward = opened(kind, model, small_policy, tmp_path / "alone", True, None, False)
            for share, values in zip(SHARES, found[kind], strict=True):
                expected = judged(reward, share[rank])
                assert [value is None for value in values] == [value is None for value in expected]
                numbers = ([value for value in one if value is not None] for one in (values, expected))
                np.testing.assert_allclose(*numbers, atol=1e-3 if kind == "completion_gain" else 1e-5)
    from rl.scoring.baselines import BaselineStore

    for kind in KINDS[:2]:  # what either rank computed was written by one
        one, two = (BaselineStore(folder / f"{kind}.parquet") for folder in (tmp_path / "alone", tmp_path))
        assert one.entries.keys() == two.entries.keys() and len(one.entries) == 2


YAML = """
rewards:
  - {kind: exact_answer}
  - {kind: reference_probability}
  - {kind: process, alpha: 0.5}
reward_weights: [1, 0.5, 0]
std_filter: {beta: 1.0, record_from: 1, filter_from: 2, max_rounds: 3}
num_generations: 4
prompts_per_step: 2
per_device_eval_batch_size: 2
max_prompt_length: 200
max_completion_length: 48
max_steps: 4
learning_rate: 1e-3
precision: fp32
loss_type: dapo
beta: 0.001
top_p: 1.0
gradient_checkpointing: false
eval_steps: 4
save_steps: 4
max_skipped: 1.0
"""
COMPARED = ("loss", "grad_norm", "reward", "kl", "process/share", "process/r_mean", "eval_reward", "filter/kept")


def launched(command, root):
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_train_as_one_until_the_filter_makes_rounds_of_other_sizes(
    root, tmp_path, answering_policy, questions
):
    """In a round of one process of 2 groups or 2 of 1 the same prompts are judged; then who keeps which may differ."""
    (tmp_path / "config.yaml").write_text(YAML)
    arguments = ["-m", "rl.train", str(tmp_path / "config.yaml"), f"model={answering_policy}"]
    arguments += [f"data={{kind: conversations, train: [{questions}], eval_rows: 4}}"]
    launched([sys.executable, *arguments, f"out={tmp_path}/one", "per_device_train_batch_size=8"], root)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    launched([*launcher, *arguments, f"out={tmp_path}/two", "per_device_train_batch_size=4"], root)
    one, two = read_metrics(tmp_path / "one"), read_metrics(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two]
    steps = {row["step"]: row.get("filter/rounds", 1) for row in two if "reward" in row}
    same_until = next((step for step, rounds in steps.items() if rounds > 1), 4)
    compared = 0
    for mine, theirs in zip(two, one, strict=True):
        if mine["step"] >= same_until and "reward" in mine:
            assert np.isfinite(mine["loss"])
            continue
        for name in set(COMPARED) & theirs.keys():
            if mine["step"] == 0 or "reward" in mine:
                assert mine[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-6), (theirs["step"], name)
                compared += 1
    assert compared >= 7


ROLES = YAML.replace(
    "  - {kind: process, alpha: 0.5}\nreward_weights: [1, 0.5, 0]\n",
    """\
  - {kind: reference_probability, name: initial, role: initial}
  - {kind: reference_probability, name: frozen, role: frozen, frozen_model: FROZEN}
  - {kind: completion_gain, shape: {kind: identity}, role: frozen, frozen_model: FROZEN}
  - {kind: process, alpha: 0.5}
reward_weights: [1, 0.5, 0.1, 0.1, 0, 0]
samples_every: 1
""",
).replace("std_filter", "# std_filter")
"""Every role beside the live policy; the KL term's reference is the initial model."""


@pytest.mark.slow
@NEEDS_DEEPSPEED
def test_zero3_scores_with_every_role_as_one_process_does(root, tmp_path, small_policy, answering_policy, questions):
    """Completions and rewards of every step; the policy, its reference and a third model are all sharded."""
    (tmp_path / "config.yaml").write_text(ROLES.replace("FROZEN", small_policy))
    arguments = ["-m", "rl.train", str(tmp_path / "config.yaml"), f"model={answering_policy}"]
    arguments += [f"data={{kind: conversations, train: [{questions}], eval_rows: 4}}"]
    launched([sys.executable, *arguments, f"out={tmp_path}/one", "per_device_train_batch_size=8"], root)
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "configs/accelerate/zero3.yaml"]
    launcher += ["--num_processes", "2", "--main_process_port", "0"]
    launched([*launcher, *arguments, f"out={tmp_path}/two", "per_device_train_batch_size=4"], root)
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "samples.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) == len(two) == 4 * 8 + 2 * 4
    compared = dict.fromkeys(one[0]["rewards"], 0)
    for mine, theirs in zip(two, one, strict=True):
        assert [mine[name] for name in ("step", "id", "completion")] == [
            theirs[name] for name in ("step", "id", "completion")
        ]
        close = 1e-5 if theirs["step"] < 2 else 1e-4  # from the second step on the weights differ in the last digits
        for name, value in theirs["rewards"].items():
            scale = 100 if name == "completion_gain" else 1  # percent
            assert mine["rewards"][name] == pytest.approx(value, abs=close * scale), (theirs["step"], name)
            compared[name] += value is not None
    assert min(compared.values()) >= 8, compared
