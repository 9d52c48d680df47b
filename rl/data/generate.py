"""Generate puzzles: the same file for any number of processes, and after a kill.

Usage:
    python -m rl.data.generate zebra n=6000 seed=42 out=zebra.parquet workers=8
    python -m rl.data.generate zebra n=100 seed=1 out=small.jsonl sizes=4x4:12*,5x5:12*,6x6:12*
    python -m rl.data.generate ordering n=3000 seed=42 out=ordering.parquet min_objects=20 max_objects=50
    python -m rl.data.generate graph n=3000 seed=42 out=graph.parquet lookaheads=paper
    python -m rl.data.generate reasoning_gym task=countdown n=1000 seed=42 out=countdown.parquet
    python -m rl.data.generate arithmetic n=1000 seed=42 out=FOLDER
    python -m rl.data.generate zebra --help

A row holds the question, the gold answer in the form of its verifier, and in `info` its seed, its number, its config
and what makes it hard. `arithmetic` is `python -m rl.data.arithmetic` with `n` for `rows`: it writes a folder of files.
"""

import re
import sys

from common.command import fail, parse, usage_errors
from rl.data.generators import arithmetic, puzzle
from rl.data.generators.graph import GraphConfig
from rl.data.generators.ordering import OrderingConfig
from rl.data.generators.reasoning_gym import ReasoningGymConfig
from rl.data.generators.zebra import ZebraConfig

CONFIGS = {config.family: config for config in (ZebraConfig, OrderingConfig, GraphConfig, ReasoningGymConfig)}


def main(argv: list[str] | None = None) -> None:
    """Read which family is wanted and its config, then write the file."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    family = arguments[0] if arguments else ""
    if family in ("-h", "--help"):
        print((__doc__ or "").strip())  # noqa: T201
        return
    if family == "arithmetic":
        words = [re.sub(r"^(--)?n(=|$)", r"\1rows\2", word) for word in arguments[1:]]
        sums = parse(arithmetic.ArithmeticConfig, __doc__, words, plan=lambda one: {"writes": f"{one.out}/*.jsonl"})
        with usage_errors():
            for name, count in arithmetic.write(sums).items():
                print(f"{count} rows in {sums.out}/{name}.jsonl")  # noqa: T201
        return
    if family not in CONFIGS:
        known = ", ".join([*CONFIGS, "arithmetic"])
        fail(f"say first which family of puzzles, one of {known}" + (f"; not {family!r}" if family else ""))
    config = parse(CONFIGS[family], __doc__, arguments[1:], plan=lambda one: {"writes": one.out})
    with usage_errors():
        rejected = puzzle.write(config)
    print(f"{config.n} rows in {config.out}; {rejected} attempts were over their budget of steps")  # noqa: T201


if __name__ == "__main__":
    main()
