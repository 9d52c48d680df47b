"""One benchmark of pretraining, on as many devices as it is started on; `python -m rl.gpu_check` starts it.

Usage:
    python -m rl.gpu_check.train_speed scale=411m_1x out=speed.json data-config=TOKENISED
    torchrun --nproc-per-node=8 -m rl.gpu_check.train_speed scale=1b_1x out=speed.json data-config=TOKENISED
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from common.command import entry_point, parse
from common.config import HOW, Out, RunConfig

if TYPE_CHECKING:
    from pretrain.training.config import PretrainConfig


class TrainSpeedConfig(RunConfig):
    """A scale, and how much of it is run."""

    scale: str
    """Name in configs/pretrain/scales."""

    out: Annotated[str, HOW, Out()]
    """JSON file of the figures, written by the first process."""

    data_config: str
    """A tokenised set."""

    global_bs: int = Field(64, gt=0)
    """Contexts per step, over all devices."""

    steps: int = Field(50, gt=1)
    """Steps; the first does not count."""

    precision: Literal["fp32", "amp_bf16", "bf16_reduce"] | None = None
    """Another precision than the scale's."""

    curve: bool = False
    """For a loss curve: not compiled, short warm-up, one learning rate for all scales."""

    device: Annotated[str, HOW] = "cuda"
    """`cuda` or `cpu`."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, train, write what came out."""
    config = parse(TrainSpeedConfig, __doc__, argv)
    from common.runs.folder import write_json
    from common.runs.processes import launched
    from pretrain.training.course import train_job
    from pretrain.training.job import prepare

    run = _run(config)
    outcome = train_job(run, prepare(run))
    if not launched()[0]:
        write_json(config.out, outcome)


def _run(config: TrainSpeedConfig) -> "PretrainConfig":
    """A benchmark of a scale: nothing is saved."""
    from pretrain.model.config import load_model_config
    from pretrain.training.config import PretrainConfig, load_scale

    base = load_scale(config.scale)
    model = load_model_config(base.model)
    curve = {"compile": False, "lr": 3e-4} if config.curve else {}
    values = {
        **base.model_dump(exclude_defaults=True),
        "data_config": config.data_config,
        "tokens": config.steps * config.global_bs * (model.seq_len or 256),
        "chinchilla_multiplier": 1.0,
        "num_checkpoints": 1,
        "global_bs": config.global_bs,
        "acc": 1,
        "benchmark": config.steps,
        "warmup": min(10, config.steps // 2),
        "multiple_data_passes": True,
        "device": config.device,
        **({"precision": config.precision} if config.precision else {}),
        **curve,
    }
    return PretrainConfig.model_validate(values)


if __name__ == "__main__":
    main()
