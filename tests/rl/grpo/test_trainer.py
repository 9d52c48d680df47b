"""Advantages, options and metrics of the trainer, without a run."""

import json

import pytest
import torch

from common.config import load
from rl.grpo.config import RLConfig
from rl.grpo.journal import batch_metrics, forget_after
from rl.grpo.trl_options import trainer_options


def config(**values):
    rewards = {"rewards": [{"kind": "length"}], "reward_weights": [1], "model": "m", "out": "runs/x"}
    return load(RLConfig, [], {**rewards, **values})


def test_k3_of_a_tenth():  # TRL's estimator: exp(d) - d - 1
    d = torch.tensor(0.1, dtype=torch.float64)
    assert (torch.exp(d) - d - 1).item() == pytest.approx(0.0051709, abs=1e-7)


def test_learning_rate_vectors():
    options = trainer_options(config(max_steps=2000), processes=1, cpu=True)
    from transformers import get_scheduler

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=options.learning_rate)
    scheduler = get_scheduler(
        options.lr_scheduler_type,
        optimizer,
        num_warmup_steps=options.get_warmup_steps(2000),
        num_training_steps=2000,
        scheduler_specific_kwargs=options.lr_scheduler_kwargs,
    )
    rate = scheduler.lr_lambdas[0]
    found = [1e-6 * rate(step) for step in (0, 100, 200, 1100, 1980, 2000)]
    assert found == pytest.approx([0, 5e-7, 1e-6, 5.5e-7, 1.002741e-7, 1e-7], rel=1e-6)


def test_options_that_moved_between_trl_versions_are_set():
    options = trainer_options(config(), processes=1, cpu=True)
    assert (options.beta, options.loss_type, options.scale_rewards) == (0.005, "bnpo", "group")
    assert (options.num_iterations, options.mask_truncated_completions, options.top_k) == (1, False, 0)


def test_192_completions_are_24_prompts_on_6_devices_with_4_accumulated():
    options = trainer_options(config(), processes=6, cpu=True)
    assert options.gradient_accumulation_steps == 4
    assert options.per_device_train_batch_size * options.gradient_accumulation_steps * 6 == 192 == 24 * 8


def test_an_option_of_trl_passes_through_and_an_unknown_one_does_not():
    options = trainer_options(config(trl={"vllm_gpu_memory_utilization": 0.4}), processes=1, cpu=True)
    assert options.vllm_gpu_memory_utilization == 0.4
    with pytest.raises(ValueError, match="vllm_memory"):
        trainer_options(config(trl={"vllm_memory": 0.4}), processes=1, cpu=True)
    with pytest.raises(ValueError, match=r"trl\.beta is set by the config itself"):
        trainer_options(config(trl={"beta": 0.1}), processes=1, cpu=True)


@pytest.mark.parametrize(("version", "parameters", "reshards"), [(2, 10**9, False), (2, 8 * 10**9, True), (1, 1, True)])
def test_fsdp2_gathers_a_small_policy_once_for_both_passes(version, parameters, reshards):
    from types import SimpleNamespace

    from rl.grpo.course import gather_once

    plugin = SimpleNamespace(fsdp_version=version, reshard_after_forward=True)
    gather_once(SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin)), parameters)
    assert plugin.reshard_after_forward is reshards
    gather_once(SimpleNamespace(state=SimpleNamespace()), parameters)  # without FSDP there is nothing to do


def row(completion, skipped="", **parts):
    return {"id": "a", "completion": completion, "skipped": skipped, "parts": parts}


def test_metrics_are_means_shares_and_counts():
    rows = [row("x", f1=0.5, status="ok"), row("x", f1=None, status="empty"), row("y", "judge/timeout", status="ok")]
    assert batch_metrics(rows) == {
        "f1": 0.5,
        "status/ok": pytest.approx(2 / 3),
        "status/empty": pytest.approx(1 / 3),
        "skipped/judge/timeout": 1,
        "skipped_frac": pytest.approx(1 / 3),
        "completions/duplicate_frac": pytest.approx(1 / 3),
    }


def test_a_continued_run_drops_the_rows_it_makes_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": step}) for step in (1, 2, 3)]
    path.write_text("\n".join([*lines, '{"step": 4, "cut o']), encoding="utf-8")
    forget_after(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
