"""Sums with worked solutions: a task whose answers are decidable and that a tiny model learns in minutes.

Usage:
    python -m rl.data.arithmetic out=runs/arithmetic
    python -m rl.data.arithmetic out=runs/arithmetic form=boxed terms=5 rows=2000 seed=1
    python -m rl.data.arithmetic out=runs/arithmetic guess_frac=0.5

Writes `sft.jsonl` (`messages`, the last turn the worked solution: for `rl.sft`; the same as `text`, for
`pretrain.tokenizer`), `train.jsonl` and `eval.jsonl` (`prompt`, `reference`: for `rl.data.rows.conversations`). No sum
is in two of the files. A solution adds one term a line:

    Add 3 + 8 + 4      <think>3 + 8 = 11
                       11 + 4 = 15</think> <answer> 15 </answer>

With `guess_frac` that share of the solutions guesses instead, so that the model has two habits, of which one is right;
which to keep is what rewards can teach it in a few steps:

    Add 3 + 8 + 4      <think>It may be 6.</think> <answer> 6 </answer>

In the form `both`, answers stand in tags and in a box, and a guess thinks nothing: `<think></think>`. `readouts` adds
the answer after a part of the working, in a box or behind a plan, which the rewards made of likelihoods ask for.
"""

from common.command import entry_point, parse, usage_errors
from rl.data.generators.arithmetic import ArithmeticConfig, write


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, write the files."""
    config = parse(ArithmeticConfig, __doc__, argv, plan=lambda config: {"writes": f"{config.out}/*.jsonl"})
    with usage_errors():
        for name, count in write(config).items():
            print(f"{count} rows in {config.out}/{name}.jsonl")  # noqa: T201


if __name__ == "__main__":
    main()
