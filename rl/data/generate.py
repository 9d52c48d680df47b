"""Generate puzzles: the same file for any number of processes, and after a kill.

Usage:
    python -m rl.data.generate zebra n=6000 seed=42 out=zebra.parquet workers=8
    python -m rl.data.generate zebra n=100 seed=1 out=small.jsonl sizes=4x4:12*,5x5:12*,6x6:12*
    python -m rl.data.generate ordering n=3000 seed=42 out=ordering.parquet min_objects=20 max_objects=50
    python -m rl.data.generate ordering n=9000 seed=1 out=o.parquet solutions=o_sft.jsonl guess_frac=0.5
    python -m rl.data.generate graph n=3000 seed=42 out=graph.parquet lookaheads=paper
    python -m rl.data.generate reasoning_gym task=countdown n=1000 seed=42 out=countdown.parquet
    python -m rl.data.generate arithmetic n=1000 seed=42 out=FOLDER
    python -m rl.data.generate zebra --help

A row holds the question, the gold answer in the form of its verifier, and in `info` its seed, its number, its config
and what makes it hard. `arithmetic` is `python -m rl.data.arithmetic` with `n` for `rows`: it writes a folder of files.
"""

from common.command import Command, entry_point, parse_command, usage_errors
from common.pools.documents import write_documents
from rl.data.generators import arithmetic, puzzle, worked
from rl.data.generators.graph import GraphConfig
from rl.data.generators.ordering import OrderingConfig
from rl.data.generators.reasoning_gym import ReasoningGymConfig
from rl.data.generators.zebra import ZebraConfig
from rl.data.rows.files import read_any

PUZZLES = (ZebraConfig, OrderingConfig, GraphConfig, ReasoningGymConfig)
COMMANDS = {config.family: Command(config, plan=lambda one: {"writes": one.out}) for config in PUZZLES} | {
    "arithmetic": Command(
        arithmetic.ArithmeticConfig, rename={"n": "rows"}, plan=lambda one: {"writes": f"{one.out}/*.jsonl"}
    )
}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read which family is wanted and its config, then write the file."""
    family, config = parse_command(COMMANDS, __doc__, argv)
    with usage_errors():
        if family == "arithmetic":
            for name, count in arithmetic.write(config).items():
                print(f"{count} rows in {config.out}/{name}.jsonl")  # noqa: T201
            return
        rejected = puzzle.write(config)
        if isinstance(config, OrderingConfig) and config.solutions:
            found = worked.demonstrations(read_any(config.out), config.guess_frac, config.seed)
            print(f"{write_documents(config.solutions, found)} rows in {config.solutions}")  # noqa: T201
    published = f"; published: {config.published} for training" if config.published else ""
    print(f"{config.n} rows in {config.out}; {rejected} attempts were over their budget of steps{published}")  # noqa: T201


if __name__ == "__main__":
    main()
