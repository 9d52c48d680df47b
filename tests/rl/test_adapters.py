"""LoRA: off it is the base, merged it is the model, at full rank it is full training; and runs train with it."""

import copy
import json
import shutil

import numpy as np
import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from common.config import load, to_yaml
from common.runs.folder import read_metrics
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Branch, Trunk
from rl.adapters import AdapterConfig, adapter_of, check_bits, merged, peft_config, without_adapter
from rl.grpo.config import RLConfig
from rl.sft.config import SFTRunConfig
from rl.sft.trainer import train as train_sft
from rl.train import main


def with_adapter(folder, **fields):
    """The model with an adapter whose B is not 0."""
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = get_peft_model(base, peft_config(AdapterConfig(**fields)))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return model.eval()


@pytest.fixture
def ids():
    return torch.randint(5, 200, (3, 40), generator=torch.Generator().manual_seed(1))


def test_with_the_adapter_off_the_model_is_the_base_to_the_bit(small_policy, ids):
    model = with_adapter(small_policy, rank=4)
    base = AutoModelForCausalLM.from_pretrained(small_policy, dtype=torch.float32).eval()
    with torch.no_grad():
        assert not torch.equal(model(ids).logits, base(ids).logits)
        assert torch.equal(without_adapter(model)(ids).logits, base(ids).logits)
        off = open_scorer(without_adapter(model)).score([Trunk(ids[0].tolist(), [Branch(10, [7, 8])])])[0]
    alone = open_scorer(base).score([Trunk(ids[0].tolist(), [Branch(10, [7, 8])])])[0]
    for ours, theirs in zip(off.branches, alone.branches, strict=True):
        assert np.array_equal(ours.logprobs, theirs.logprobs)
    assert adapter_of(torch.nn.Linear(2, 2)) is None


@pytest.mark.parametrize("fields", [{"rank": 4}, {"rank": 8, "alpha": 5, "targets": ["q_proj", "down_proj"]}])
def test_the_merged_export_gives_the_adapters_logits(small_policy, ids, tmp_path, fields):
    model = with_adapter(small_policy, **fields)
    merged(model, small_policy, tmp_path / "adapter").save_pretrained(tmp_path / "export")
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "export").eval()
    with torch.no_grad():
        assert torch.allclose(whole(ids).logits, model(ids).logits, atol=1e-5, rtol=0)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert not any("lora" in name for name in whole.state_dict())


def test_at_full_rank_with_a_frozen_identity_twenty_steps_are_those_of_full_training(small_policy, ids):
    width, targets = 32, ["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"]  # all read the stream of that width
    full = AutoModelForCausalLM.from_pretrained(small_policy, dtype=torch.float64)
    adapter = AdapterConfig(rank=width, alpha=width, targets=targets)
    low = get_peft_model(copy.deepcopy(full), peft_config(adapter), autocast_adapter_dtype=False)
    for name, weight in full.named_parameters():
        weight.requires_grad = any(f"{target}.weight" in name for target in targets)
    for name, weight in low.named_parameters():
        if "lora_A" in name:
            torch.nn.init.eye_(weight)
        weight.requires_grad = "lora_B" in name
    optimizers = [
        torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-3, weight_decay=0)
        for model in (full, low)
    ]
    for step in range(20):
        batch = ids.roll(step, 1)
        for model, optimizer in zip((full, low), optimizers, strict=True):
            optimizer.zero_grad()
            model(batch, labels=batch).loss.backward()
            optimizer.step()
    whole = low.merge_and_unload()
    start = AutoModelForCausalLM.from_pretrained(small_policy, dtype=torch.float64)
    moved = 0.0
    for (name, ours), (_, theirs), (_, before) in zip(
        whole.named_parameters(), full.named_parameters(), start.named_parameters(), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-6, rtol=0), name
        moved = max(moved, (theirs - before).abs().max().item())
    assert moved > 1e-2


def test_what_cannot_be_is_said(monkeypatch):
    with pytest.raises(ValueError, match="output layer is read directly"):
        AdapterConfig(targets=["lm_head"])
    monkeypatch.setattr("rl.adapters.Path.exists", lambda path: False)
    with pytest.raises(ValueError, match="needs an NVIDIA GPU and bitsandbytes"):
        check_bits(AdapterConfig(bits=4))
    check_bits(AdapterConfig())
    with pytest.raises(ValueError, match="needs trained weights beside it"):
        SFTRunConfig(model="shape.json", data=["rows.jsonl"], adapter={})


COMMON = {
    "rewards": [{"kind": "reference_probability"}, {"kind": "completion_gain", "shape": {"kind": "identity"}}],
    "reward_weights": [1, 0],
    "num_generations": 4,
    "prompts_per_step": 2,
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 4,
    "max_prompt_length": 200,
    "max_completion_length": 48,
    "learning_rate": 1e-2,
    "warmup_frac": 0.0,
    "precision": "fp32",
    "beta": 0.01,
    "top_p": 1.0,
    "eval_steps": 1,
    "save_steps": 1,
    "max_skipped": 1.0,
    "adapter": {"rank": 4},
}


@pytest.mark.integration
def test_a_run_with_likelihood_rewards_trains_the_adapter_alone_and_goes_on(answering_policy, questions, tmp_path):
    data = {"kind": "conversations", "train": [questions], "eval_rows": 4}

    def run(name, steps):
        values = {**COMMON, "model": answering_policy, "out": str(tmp_path / name), "data": data, "max_steps": steps}
        path = tmp_path / f"{name}.yaml"
        path.write_text(to_yaml(load(RLConfig, [], values)))
        main([str(path)])
        return read_metrics(tmp_path / name)

    rows = [row for row in run("whole", 2) if "loss" in row]
    assert len(rows) == 2 and all(row["grad_norm"] > 0 for row in rows)
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-6) and rows[1]["kl"] > 1e-6  # the reference is the base
    start = AutoModelForCausalLM.from_pretrained(answering_policy, dtype=torch.float32).state_dict()
    export = AutoModelForCausalLM.from_pretrained(tmp_path / "whole" / "export").state_dict()
    changed = {name for name in start if not torch.equal(start[name], export[name])}
    assert changed and all("_proj.weight" in name for name in changed)
    saved = tmp_path / "whole" / "checkpoints" / "checkpoint-1"
    assert (saved / "adapter_model.safetensors").is_file() and not (saved / "model.safetensors").exists()
    # cut off after the first step: the second is the same
    kept = json.loads((tmp_path / "whole" / "done.json").read_text())
    (tmp_path / "whole" / "done.json").unlink()
    shutil.rmtree(tmp_path / "whole" / "checkpoints" / "checkpoint-2")
    again = [row for row in run("whole", 2) if "loss" in row]
    assert again[1]["loss"] == pytest.approx(rows[1]["loss"], abs=1e-9)
    assert again[1]["kl"] == pytest.approx(rows[1]["kl"], abs=1e-9)
    assert json.loads((tmp_path / "whole" / "done.json").read_text())["eval_reward"] == kept["eval_reward"]


@pytest.mark.integration
def test_fine_tuning_with_an_adapter_learns_and_exports_a_whole_model(small_policy, tmp_path):
    rows = [{"messages": [{"role": "user", "content": "Say it."}, {"role": "assistant", "content": "Glass is made."}]}]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows * 8))
    config = load(
        SFTRunConfig,
        [],
        {
            "model": small_policy,
            "out": str(tmp_path / "out"),
            "data": [str(tmp_path / "rows.jsonl")],
            "adapter": {"rank": 8},
            "learning_rate": 0.02,
            "max_steps": 12,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 1,
            "precision": "fp32",
            "export_dtype": "float32",
            "logging_steps": 1,
        },
    )
    export = train_sft(config)
    losses = [row["loss"] for row in read_metrics(tmp_path / "out") if "loss" in row]
    assert losses[-1] < losses[0] - 0.5
    model = AutoModelForCausalLM.from_pretrained(export)
    start = AutoModelForCausalLM.from_pretrained(small_policy)
    assert torch.equal(model.get_input_embeddings().weight, start.get_input_embeddings().weight)
    assert len(AutoTokenizer.from_pretrained(export)) == model.config.vocab_size
