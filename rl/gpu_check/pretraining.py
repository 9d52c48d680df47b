"""Pretraining on all devices of the machine: tokens per second, MFU, and whether bf16 follows fp32."""

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from common.tokens.token_set import describe, id_dtype, shard_name, write_manifest
from pretrain.model.config import load_model_config
from pretrain.training.config import load_scale
from rl.gpu_check.config import GpuCheckConfig

TARGETS = {"411m_1x": 0.50, "1b_1x": 0.55}
"""MFU to reach on H100 or H200; DCLM's published runs: 0.22 and 0.28 (arXiv:2406.11794, by its hours)."""

WINDOW = 10
"""Steps whose mean loss is compared."""


def pretraining(config: GpuCheckConfig, folder: Path) -> dict[str, Any]:
    """Speed of each scale, and the loss curves of the first."""
    figures: dict[str, Any] = {}
    outside: list[str] = []
    for scale in config.scales:
        found = _train(config, folder, scale, global_bs=config.global_bs, steps=config.steps)
        figures[f"{scale}: tokens per s and device"] = found["tok_s_per_gpu"]
        figures[f"{scale}: MFU"] = found["mfu"] or "unknown"
        if scale in TARGETS:
            figures[f"{scale}: MFU to reach"] = TARGETS[scale]
        figures[f"{scale}: memory, GiB"] = found["memory_gib"]
    if config.curve_steps:
        curves = {}
        for precision in ("fp32", "amp_bf16"):
            options = {"precision": precision, "curve": True}
            found = _train(config, folder, config.scales[0], global_bs=8, steps=config.curve_steps, **options)
            curves[precision] = found["losses"]
        apart = distance(*curves.values())
        figures[f"{config.scales[0]}: last losses in fp32 and bf16"] = [curve[-1] for curve in curves.values()]
        figures[f"{config.scales[0]}: bf16 curve from fp32, most"] = apart
        if not apart <= config.curve_tolerance:
            outside.append(f"the bf16 loss curve is {apart:.2%} from fp32's, bound {config.curve_tolerance:.0%}")
    return {"figures": figures, "outside": outside}


def distance(first: list[float], second: list[float]) -> float:
    """Largest relative difference of two loss curves, as means of 10 steps; of all steps where there are fewer.

    >>> distance([2.0] * 10 + [1.0] * 10, [2.0] * 10 + [1.5] * 10)
    0.5
    """
    size = min(WINDOW, len(first))
    starts = range(0, len(first) - size + 1, size)
    means = [[sum(losses[at : at + size]) / size for at in starts] for losses in (first, second)]
    return max(abs(one - other) / one for one, other in zip(*means, strict=True))


def _train(config: GpuCheckConfig, folder: Path, scale: str, **options: Any) -> dict[str, Any]:
    """One run in processes of their own, so that nothing of it stays in memory."""
    model = load_model_config(load_scale(scale).model)
    data = config.data_config or str(made_up(folder / "data", model.seq_len or 256, model.vocab_size or 4096))
    out = folder / "train_speed.json"
    out.unlink(missing_ok=True)
    devices = torch.cuda.device_count() if config.device == "cuda" else 1
    command = [sys.executable, "-m"]
    if devices > 1:
        command += ["torch.distributed.run", "--standalone", f"--nproc-per-node={devices}", "-m"]
    values = {"scale": scale, "out": out, "data_config": data, "device": config.device, **options}
    command += ["rl.gpu_check.train_speed", *(f"{key}={value}" for key, value in values.items())]
    home = str(resources.files("common").joinpath(".."))  # the child finds our packages from any folder
    paths = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{scale}: exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return json.loads(out.read_text(encoding="utf-8"))


def made_up(folder: Path, seq_len: int, vocab: int) -> Path:
    """64 contexts in which the next id is mostly the last one plus one: a curve has something to learn."""
    import numpy as np

    folder = folder.with_name(f"data_{seq_len}_{vocab}")
    if (folder / "dataset.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = (rng.integers(0, vocab, (64, 1)) + np.arange(seq_len + 1)) % vocab
    noise = rng.random(rows.shape) < 0.2
    rows[noise] = rng.integers(0, vocab, int(noise.sum()))
    rows.astype(id_dtype(vocab)).tofile(folder / f"{shard_name(0)}.bin")
    write_manifest(folder, [(shard_name(0), len(rows), [])])
    layout = {"seq_len": seq_len, "dtype": id_dtype(vocab).name, "vocab_size": vocab, "eot_id": 0}
    values = describe(layout, name="made_up", uuid="made_up", created="2026_01_01-00_00_00", data_key="bin")
    (folder / "dataset.json").write_text(json.dumps(values), encoding="utf-8")
    return folder
