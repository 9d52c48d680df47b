"""Pretrain a language model on a tokenised set.

Usage:
    python -m pretrain.train scale=quickstart data-config=TOKENISED logs=runs multiple-data-passes=true
    python -m pretrain.train scale=411m_1x data-config=configs/pretrain/data/mine.json logs=runs --dry-run
    torchrun --nproc-per-node=8 -m pretrain.train scale=7b_1x data-config=... logs=...

A scale is a file in configs/pretrain/scales; key=value goes over it. The same command continues a run that stopped.

Differs from DCLM and open_lm (arXiv:2406.11794):
    1. The order of the data depends on (data, seed) only, so a run continues at any step on any number of devices.
    2. Pads are no targets (mask_pad=false restores the original), in the z-loss too.
    3. Weights and optimizer states are fp32 in every precision; the rotary frequencies are exact.
"""

from typing import Any

from common.command import entry_point, parse, usage_errors
from common.scales import scale_file
from pretrain.training.config import PretrainConfig


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then train."""
    config = parse(
        PretrainConfig,
        __doc__,
        argv,
        files={"scale": scale_file},
        plan=_plan,
    )
    from pretrain.training.course import run_job
    from pretrain.training.job import prepare

    with usage_errors():
        job = prepare(config)
    run_job(config, job)


def _plan(config: PretrainConfig) -> dict[str, Any]:
    from pretrain.training.job import prepare

    return prepare(config).summary(config)


if __name__ == "__main__":
    main()
