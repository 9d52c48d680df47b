"""What a scale takes before it is started: tokens, steps, FLOPs, hours, memory and disk.

Usage:
    python -m pretrain.plan scale=411m_1x gpus=8
    python -m pretrain.plan scale=1b_1x gpus=16 run=runs/my_benchmark data-config=runs/tokens
    python -m pretrain.plan scale=7b_1x gpus=64 tok-s-per-gpu=11000

Hours follow from a measured rate: that of `run` (its metrics.jsonl), the one given, or what DCLM's published hours come
to on an H100 (arXiv:2406.11794). Measure this machine with: scripts/pretrain.sh scale=NAME data-config=... benchmark=50
"""

from typing import Any

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import RunConfig
from common.runs.folder import read_metrics
from pretrain.model.config import load_model_config
from pretrain.model.sizes import count_parameters, flops_per_token, peak_flops
from pretrain.training.config import PretrainConfig, load_scale, total_steps, training_tokens
from pretrain.training.memory import device_gib, fitting_acc

DCLM_RATES = {"411m_1x": 88.0e3, "1b_1x": 33.3e3, "3b_1x": 21.0e3, "7b_1x": 10.3e3, "7b_2x": 10.5e3}
"""Tokens per second and H100 that DCLM's published hours come to (specification, section 7)."""

MEMORY_GIB = {"H100": 80, "A100": 80, "H200": 141}
"""Of the usual form of each device."""

SAVED_BYTES = 12
"""Per parameter in a checkpoint: fp32 weight and two moments."""


class ScalePlanConfig(RunConfig):
    """A scale, and what it would run on."""

    scale: str
    """Name in configs/pretrain/scales, or DCLM's."""

    gpus: int = Field(8, gt=0)
    """Devices, all training one model."""

    gpu: str = "H100"
    """H100, H200 or A100: the peak that MFU is a fraction of."""

    tokens: int | None = Field(None, gt=0)
    """Another budget than the scale's."""

    chinchilla_multiplier: float | None = Field(None, gt=0)
    """Another multiplier than the scale's."""

    data_config: str = ""
    """Data, to say how many passes the run makes."""

    tok_s_per_gpu: float | None = Field(None, gt=0)
    """A measured rate."""

    run: str = ""
    """A run folder whose metrics.jsonl has the rate."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then print the plan."""
    config = parse(ScalePlanConfig, __doc__, argv, positional=("scale",))
    with usage_errors():
        values = plan(config)
    width = max(map(len, values))
    for name, value in values.items():
        print(f"{name:<{width}}  {value}")  # noqa: T201 - the command's output


def plan(config: ScalePlanConfig) -> dict[str, Any]:
    """The figures by name, as text.

    Raises:
        ValueError: no such scale, its vocabulary is not known, or the run has no rate.
    """
    from pretrain.data.cursor import Cursor
    from pretrain.data.mixes import open_data

    changes = {"tokens": config.tokens, "chinchilla_multiplier": config.chinchilla_multiplier}
    scale = load_scale(config.scale, **{key: value for key, value in changes.items() if value is not None})
    model = load_model_config(scale.model)
    data = open_data(config.data_config) if config.data_config else None
    first = data.sets[0] if data else None
    vocab = scale.vocab_size or model.vocab_size or (first.vocab_size if first else None)
    seq_len = model.seq_len or (first.seq_len if first else None)
    if vocab is None or seq_len is None:
        raise ValueError(f"scale {config.scale} takes its vocabulary from the data; give data-config=FOLDER")
    model = model.model_copy(update={"vocab_size": vocab, "seq_len": seq_len})
    counts = count_parameters(model)
    budget = training_tokens(scale, counts.published)
    steps = total_steps(budget, seq_len, scale.global_bs, scale.num_checkpoints)
    tokens = steps * scale.global_bs * seq_len
    per_token = flops_per_token(counts.no_embed, model.layers, model.dim, seq_len)
    rate, source = _rate(config, scale)
    size = MEMORY_GIB.get(config.gpu, 80)
    acc = fitting_acc(scale, model, config.gpus, size)
    values: dict[str, Any] = {
        "parameters": f"{counts.total:,} ({counts.no_embed:,} without one embedding)",
        "tokens": f"{tokens:,} of {budget:,} asked for",
        "steps": f"{steps:,} of {scale.global_bs * seq_len:,} tokens",
        "FLOPs": f"{per_token * tokens:.2e} ({per_token:.3e} per token: 6N + 12LdS)",
        "memory per GPU": f"about {device_gib(scale, model, config.gpus, acc):.0f} GiB of {size} with acc={acc}",
        "checkpoints": f"{SAVED_BYTES * counts.total / 2**30:.1f} GiB each, {scale.num_checkpoints} kept",
        "tokens on disk": f"{tokens * (2 if vocab <= 1 << 16 else 4) / 2**30:,.1f} GiB for one pass",
    }
    if data:
        passes = Cursor(data.sets, data.weights, scale.seed).passes(steps * scale.global_bs)
        values["passes"] = ", ".join(f"{count:.3g}" for count in passes)
    if rate is None:
        values["hours"] = "no rate is known for this scale: run it with benchmark=50, or give tok-s-per-gpu=N"
        return values
    hours = tokens / rate / 3600
    peak = peak_flops(config.gpu)
    mfu = f", MFU {rate * per_token / peak:.1%}" if peak else ""
    values["rate"] = f"{rate:,.0f} tok/s per GPU{mfu} ({source})"
    values["hours"] = f"{hours / config.gpus:,.1f} on {config.gpus} GPUs, {hours:,.0f} GPU-hours"
    return values


def _rate(config: ScalePlanConfig, scale: PretrainConfig) -> tuple[float | None, str]:
    if config.run:
        rates = [row["tok_s_per_gpu"] for row in read_metrics(config.run) if row.get("tok_s_per_gpu")]
        if not rates:
            raise ValueError(f"{config.run} has no tok_s_per_gpu in its metrics.jsonl")
        return sorted(rates)[len(rates) // 2], f"median of {config.run}"
    if config.tok_s_per_gpu:
        return config.tok_s_per_gpu, "given"
    return DCLM_RATES.get(scale.scale), "DCLM's published hours on H100"


if __name__ == "__main__":
    main()
