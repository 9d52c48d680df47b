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

import sys
from pathlib import Path

from common.command import parse, usage_errors
from common.config import read_yaml
from pretrain.training.config import PretrainConfig, scale_file
from pretrain.training.course import run_job
from pretrain.training.job import prepare


def main(argv: list[str] | None = None) -> None:
    """Read the command line, then train."""
    with usage_errors():
        arguments = with_scale_file(list(sys.argv[1:] if argv is None else argv))
    config = parse(PretrainConfig, __doc__, arguments, plan=lambda config: prepare(config).summary(config))
    with usage_errors():
        job = prepare(config)
    run_job(config, job)


def with_scale_file(arguments: list[str]) -> list[str]:
    """The arguments with the scale's YAML file put first, if one is named on the command line or in a file.

    Raises:
        ValueError: there is no such scale.
    """
    name = None
    for position, argument in enumerate(arguments):
        if argument.endswith((".yaml", ".yml")) and Path(argument).is_file():
            values = read_yaml(Path(argument).read_text(encoding="utf-8"))
            name = (values.get("scale") if isinstance(values, dict) else None) or name
        elif argument.removeprefix("--").startswith("scale="):
            name = argument.partition("=")[2]
        elif argument == "--scale" and position + 1 < len(arguments):
            name = arguments[position + 1]
    return [str(scale_file(name)), *arguments] if name else arguments


if __name__ == "__main__":
    main()
