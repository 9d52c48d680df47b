"""Training on CPU: our trainer against plain code and Hugging Face's Trainer, same shape, same batches, fp32.

    python -m pytest tests/bench/test_pretrain_speed.py -m bench -s

One thread; seconds of a step, the first not counted, all sides with a fused AdamW and each compiled and not.
"""

import math
import statistics
import time
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pretrain.model.config import ModelConfig
from pretrain.training.build import build_model
from pretrain.training.config import PretrainConfig
from pretrain.training.job import prepare
from pretrain.training.parallel import open_devices
from pretrain.training.trainer import Trainer
from tests.bench.harness import Side, measure

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.timeout(3600)]

SEQ_LEN, BATCH, STEPS, VOCAB = 256, 4, 8, 8192
SHAPE = ModelConfig(dim=256, layers=4, heads=4, vocab_size=VOCAB, seq_len=SEQ_LEN)


class Plain(nn.Module):
    """The same decoder as eager code usually is: a module for each step, all logits at once."""

    def __init__(self, config):
        super().__init__()
        self.heads, dim, hidden = config.heads, config.dim, config.hidden
        self.embed = nn.Embedding(config.vocab_size, dim)
        make = lambda: nn.ModuleDict(  # noqa: E731
            {
                "n1": nn.LayerNorm(dim, bias=False),
                "qkv": nn.Linear(dim, 3 * dim, bias=False),
                "qn": nn.LayerNorm(dim, bias=False),
                "kn": nn.LayerNorm(dim, bias=False),
                "out": nn.Linear(dim, dim, bias=False),
                "n2": nn.LayerNorm(dim, bias=False),
                "gate": nn.Linear(dim, hidden, bias=False),
                "up": nn.Linear(dim, hidden, bias=False),
                "down": nn.Linear(hidden, dim, bias=False),
            }
        )
        self.blocks = nn.ModuleList(make() for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim, bias=False)
        self.head = nn.Linear(dim, config.vocab_size, bias=False)
        size = dim // config.heads
        angles = torch.outer(torch.arange(SEQ_LEN).float(), 10000 ** (-torch.arange(0, size, 2).float() / size))
        self.register_buffer("cos", torch.cat([angles, angles], -1).cos())
        self.register_buffer("sin", torch.cat([angles, angles], -1).sin())

    def rotary(self, x):
        first, second = x.chunk(2, -1)
        return x * self.cos + torch.cat([-second, first], -1) * self.sin

    def forward(self, ids, targets):
        x = self.embed(ids)
        batch, length, dim = x.shape
        for block in self.blocks:
            q, k, v = block["qkv"](block["n1"](x)).split(dim, -1)
            q, k = block["qn"](q), block["kn"](k)
            q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2) for part in (q, k, v))
            mixed = F.scaled_dot_product_attention(self.rotary(q), self.rotary(k), v, is_causal=True)
            x = x + block["out"](mixed.transpose(1, 2).reshape(batch, length, dim))
            y = block["n2"](x)
            x = x + block["down"](F.silu(block["gate"](y)) * block["up"](y))
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


def plain(rows, compiled):
    """A plain loop: whole logits, fused AdamW, clipping."""
    torch.manual_seed(0)
    model = Plain(SHAPE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.033, fused=True)
    forward = torch.compile(model) if compiled else model
    times, losses = [], []
    for step in range(STEPS):
        batch = torch.from_numpy(rows[step * BATCH : (step + 1) * BATCH])
        began = time.process_time()
        loss = forward(batch[:, :-1], batch[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        times.append(time.process_time() - began)
    return statistics.median(times[2:]), losses


def trainer(rows, folder):
    """transformers' Trainer on the stock class that our export uses without q/k norm; its default is a fused AdamW."""
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCAB,
            hidden_size=SHAPE.dim,
            intermediate_size=SHAPE.hidden,
            num_hidden_layers=SHAPE.layers,
            num_attention_heads=SHAPE.heads,
            num_key_value_heads=SHAPE.heads,
        )
    )
    ends = []

    class Clock(TrainerCallback):
        def on_step_end(self, *args, **kwargs):
            ends.append(time.process_time())

    arguments = TrainingArguments(
        folder,
        per_device_train_batch_size=BATCH,
        max_steps=STEPS,
        optim="adamw_torch_fused",
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    data = [{"input_ids": row[:-1], "labels": row[:-1]} for row in torch.from_numpy(rows)]
    Trainer(model, arguments, train_dataset=data, callbacks=[Clock()]).train()
    return statistics.median(np.diff(ends)[1:]), None


def ours(data, shape_file, compiled):
    """Our trainer's steps, reading the batch included."""
    config = PretrainConfig(
        model=str(shape_file),
        data_config=str(data),
        tokens=STEPS * BATCH * SEQ_LEN,
        num_checkpoints=1,
        warmup=1,
        global_bs=BATCH,
        precision="fp32",
        compile=compiled,
        device="cpu",
    )
    job = prepare(config)
    times, losses = [], []
    with open_devices(config) as devices:
        model, description = build_model(config, job, devices.device)
        loop = Trainer(config, job, model, description, devices)
        for step in range(STEPS):
            began = time.process_time()
            known = loop.step(step, loop.read(step))
            times.append(time.process_time() - began)
            losses.extend(result.loss for result in known)
    return statistics.median(times[2:]), losses


def learn_alike(one, other):
    """Weights start at random, so losses are not equal; each begins at chance, which is what random ids allow."""
    for losses in (one, other):
        assert losses is None or abs(losses[0] - math.log(VOCAB)) < 1


# torch.compile warns of torch's own code
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_training_beside_plain_code_and_transformers(tmp_path, make_token_set):
    rows = np.random.default_rng(0).integers(0, VOCAB, (STEPS * BATCH, SEQ_LEN + 1))
    data = make_token_set(tmp_path / "data", rows)
    shape_file = tmp_path / "shape.yaml"
    shape_file.write_text("\n".join(f"{key}: {value}" for key, value in SHAPE.model_dump(exclude_none=True).items()))
    torch.set_num_threads(1)
    both = {True: "compiled", False: "not compiled"}
    found = measure(
        f"a training step of {BATCH * SEQ_LEN} tokens",
        {
            "ours": [Side(partial(ours, data, shape_file, on), name, timed=True) for on, name in both.items()],
            "plain code": [Side(partial(plain, rows, on), name, timed=True) for on, name in both.items()],
            "transformers": Side(partial(trainer, rows, tmp_path / "hf"), "fused AdamW", timed=True),
        },
        learn_alike,
        runs=3,
    )
    found.aim("plain code", "ours", least=1.0, not_reached=FUSED)
    found.aim("transformers", "ours", least=1.0)


FUSED = "plain code compiles its loss too; ours would then have other last digits than compiled runs that go on"


@pytest.fixture
def make_token_set():
    """Writes contexts as a tokenised set."""
    import json

    from common.tokens.token_set import describe, id_dtype, shard_name, write_manifest

    def write(folder, rows):
        folder.mkdir()
        rows.astype(id_dtype(VOCAB)).tofile(folder / f"{shard_name(0)}.bin")
        write_manifest(folder, [(shard_name(0), len(rows), [])])
        layout = {"seq_len": SEQ_LEN, "dtype": id_dtype(VOCAB).name, "vocab_size": VOCAB, "eot_id": 0}
        values = describe(layout, name="random", uuid="r", created="2026_01_01-00_00_00", data_key="bin")
        (folder / "dataset.json").write_text(json.dumps(values))
        return folder

    return write
