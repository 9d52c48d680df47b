"""How fast this machine's GPU pretrains, and whether bf16 follows fp32.

Usage:
    python -m pretrain.gpu_check out=runs/gpu_check
    python -m pretrain.gpu_check scales=411m_1x steps=20 data-config=runs/tokens

For each scale: `steps` steps of its model in its precision, compiled; tokens per second, MFU (6N + 12LdS over the dense
bf16 peak), memory. Then the first scale's model on the same data in bf16 and in fp32, and how far the losses part.
Needs no network and no data: without `data-config` it trains on a made-up set, whose speed is that of any other.
"""

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field

from common.command import entry_point, fail, parse
from common.config import HOW, CommaList, Out, RunConfig
from common.runs.folder import write_json
from pretrain.model.config import load_model_config
from pretrain.training.config import PretrainConfig, load_scale

TARGETS = {"411m_1x": 0.50, "1b_1x": 0.55}
"""MFU to reach on one H100 or H200; DCLM's published runs: 0.22 and 0.28 (arXiv:2406.11794, by its hours)."""


class GpuCheckConfig(RunConfig):
    """What to measure."""

    out: Annotated[str, HOW, Out(folder=True)] = "runs/gpu_check"
    """Folder for gpu_check.json and the made-up data."""

    scales: CommaList = ["411m_1x", "1b_1x"]
    """Scales whose models are timed."""

    steps: int = Field(50, gt=1)
    """Steps of each measurement; the first does not count."""

    global_bs: int = Field(64, gt=0)
    """Contexts per step of the speed measurement."""

    curve_steps: int = Field(50, ge=0)
    """Steps of the bf16 and fp32 loss curves, of 8 contexts each; 0 leaves them out."""

    curve_tolerance: float = Field(0.05, gt=0)
    """Largest relative difference between the two curves, as means of 10 steps."""

    data_config: str = ""
    """A tokenised set to train on; empty: a made-up one."""

    device: Annotated[str, HOW] = "cuda"
    """`cpu` only shows that the check runs."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then measure."""
    config = parse(GpuCheckConfig, __doc__, argv)
    import torch

    if config.device == "cuda" and not torch.cuda.is_available():
        print("pretrain: not measured, this machine has no CUDA device")  # noqa: T201 - the command's output
        return
    folder = Path(config.out)
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.cuda.get_device_name() if config.device == "cuda" else "cpu"
    report: dict[str, object] = {"device": device, "torch": torch.__version__, "speed": {}}
    for scale in config.scales:
        report["speed"][scale] = _speed(config, scale, folder)  # type: ignore[index]
    within = True
    if config.curve_steps:
        report["curve"], within = _curves(config, config.scales[0], folder)
    write_json(folder / "gpu_check.json", report)
    print(f"{device}: {folder / 'gpu_check.json'}")  # noqa: T201 - the command's output
    if not within:
        fail("the bf16 loss curve leaves the fp32 one", code=1)


def _speed(config: GpuCheckConfig, scale: str, folder: Path) -> dict[str, float | int | None]:
    run = _run(config, scale, folder, global_bs=config.global_bs, steps=config.steps)
    outcome = _train(run)
    del outcome["losses"]
    mfu = f"{outcome['mfu']:.1%}" if outcome["mfu"] else "unknown"
    target = f", target {TARGETS[scale]:.0%}" if scale in TARGETS else ""
    print(  # noqa: T201 - the command's output
        f"{scale}: {outcome['tok_s_per_gpu']:,.0f} tok/s per GPU, MFU {mfu}{target}, {outcome['memory_gib']:.1f} GiB"
    )
    return outcome


def _curves(config: GpuCheckConfig, scale: str, folder: Path) -> tuple[dict[str, list[float]], bool]:
    curves = {}
    for precision in ("fp32", "amp_bf16"):
        changes = {"precision": precision, "compile": False, "warmup": 10, "lr": 3e-4}
        curves[precision] = _train(_run(config, scale, folder, global_bs=8, steps=config.curve_steps, **changes))[
            "losses"
        ]
    window = 10
    means = {
        name: [sum(losses[at : at + window]) / window for at in range(0, len(losses) - window + 1, window)]
        for name, losses in curves.items()
    }
    apart = max(
        (abs(a - b) / a for a, b in zip(means["fp32"], means["amp_bf16"], strict=True)),
        default=0.0,
    )
    last = {name: losses[-1] for name, losses in curves.items()}
    print(f"{scale}: loss after {config.curve_steps} steps {last}, curves apart by at most {apart:.2%}")  # noqa: T201
    return curves, apart <= config.curve_tolerance


def _train(run: PretrainConfig) -> dict:
    from pretrain.training.course import train_job
    from pretrain.training.job import prepare

    return train_job(run, prepare(run))


def _run(
    config: GpuCheckConfig, scale: str, folder: Path, *, global_bs: int, steps: int, **changes: object
) -> PretrainConfig:
    """A benchmark of a scale: nothing is saved."""
    base = load_scale(scale)
    model = load_model_config(base.model)
    data = config.data_config or str(_made_up(folder / "data", model.seq_len or 256, model.vocab_size or 4096))
    values = {
        **base.model_dump(exclude_defaults=True),
        "data_config": data,
        "logs": str(folder),
        "tokens": steps * global_bs * (model.seq_len or 256),
        "chinchilla_multiplier": 1.0,
        "num_checkpoints": 1,
        "global_bs": global_bs,
        "acc": 1,
        "benchmark": steps,
        "multiple_data_passes": True,
        "device": config.device,
        **changes,
    }
    values["warmup"] = min(int(values.get("warmup", base.warmup)), steps)
    return PretrainConfig.model_validate(values)


def _made_up(folder: Path, seq_len: int, vocab: int) -> Path:
    """64 contexts in which the next id is mostly the last one plus one: a curve has something to learn."""
    import numpy as np

    from common.tokens.token_set import describe, id_dtype, shard_name, write_manifest

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


if __name__ == "__main__":
    main()
