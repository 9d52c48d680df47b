"""Sums with worked solutions."""

import random
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import HOW, Out, RunConfig
from common.pools.documents import write_documents
from common.pools.storage import join
from rl.data.rows.names import ARITHMETIC

Row = dict[str, Any]


Form = Literal["tags", "boxed"]


class ArithmeticConfig(RunConfig):
    """How many sums, of what size, and how their solutions are written."""

    out: Annotated[str, HOW, Out(folder=True)] = "runs/arithmetic"
    """Folder of the three files."""

    terms: int = Field(4, ge=2)
    """Numbers in a sum."""

    largest: int = Field(9, ge=1)
    """Numbers are 1 to this."""

    form: Form = "tags"
    """`tags`: thinking and answer in tags, as RLPR wants them; `boxed`: steps apart by blank lines, `</think>`, then
    `\\boxed{}`, as process rewards want them."""

    sft_rows: int = Field(2000, ge=1)
    """Solutions to learn from before any reward."""

    guess_frac: float = Field(0.0, ge=0, le=1)
    """Share of these that guess, at random among the sums there are."""

    rows: int = Field(1000, ge=1)
    """Training questions."""

    eval_rows: int = Field(128, ge=1)
    """Held-out questions."""

    seed: int = 0
    """Seed of the sums."""

    @model_validator(mode="after")
    def _enough_sums(self) -> "ArithmeticConfig":
        wanted, there = self.sft_rows + self.rows + self.eval_rows, self.largest**self.terms
        if wanted > there:
            raise ValueError(f"{wanted} sums are wanted, but there are only {there} of {self.terms} terms; raise terms")
        return self


def sums(config: ArithmeticConfig) -> list[tuple[int, ...]]:
    """Different sums in random order, as many as the three files take together."""
    wanted = config.sft_rows + config.rows + config.eval_rows
    drawn = random.Random(f"arithmetic:{config.seed}").sample(range(config.largest**config.terms), wanted)
    return [_digits(number, config) for number in drawn]


def _digits(number: int, config: ArithmeticConfig) -> tuple[int, ...]:
    return tuple(number // config.largest**place % config.largest + 1 for place in range(config.terms))


def question(terms: tuple[int, ...]) -> str:
    """What is asked.

    >>> question((3, 8, 4))
    'Add 3 + 8 + 4'
    """
    return f"Add {' + '.join(map(str, terms))}"


def solution(terms: tuple[int, ...], form: Form = "tags") -> str:
    """The terms added from left to right, and the answer.

    >>> print(solution((3, 8, 4)))
    <think>3 + 8 = 11
    11 + 4 = 15</think> <answer> 15 </answer>
    """
    steps = [f"{sum(terms[:place])} + {terms[place]} = {sum(terms[: place + 1])}" for place in range(1, len(terms))]
    if form == "boxed":
        return "\n\n".join(steps) + f"\n</think>\n\\boxed{{{sum(terms)}}}"
    return "<think>" + "\n".join(steps) + f"</think> <answer> {sum(terms)} </answer>"


def guess(terms: tuple[int, ...], config: ArithmeticConfig) -> str:
    """An answer drawn from all that sums of so many terms can come to.

    >>> guess((3, 8, 4), ArithmeticConfig())
    '<think>It may be 6.</think> <answer> 6 </answer>'
    """
    drawn = random.Random(f"guess:{config.seed}:{_id(terms)}").randint(len(terms), len(terms) * config.largest)
    if config.form == "boxed":
        return f"It may be {drawn}.\n</think>\n\\boxed{{{drawn}}}"
    return f"<think>It may be {drawn}.</think> <answer> {drawn} </answer>"


def rows(config: ArithmeticConfig) -> dict[str, list[Row]]:
    """The rows of each file by its name."""
    found = sums(config)
    ends = (config.sft_rows, config.sft_rows + config.rows)
    guessed = round(config.guess_frac * config.sft_rows)
    worked = [
        {
            "id": _id(terms),
            "messages": [
                {"role": "user", "content": question(terms)},
                {
                    "role": "assistant",
                    "content": guess(terms, config) if number < guessed else solution(terms, config.form),
                },
            ],
        }
        for number, terms in enumerate(found[: ends[0]])
    ]
    asked = [
        {
            "id": _id(terms),
            "prompt": [{"role": "user", "content": question(terms)}],
            "reference": str(sum(terms)),
            "data_source": ARITHMETIC,
            "ability": "math",
        }
        for terms in found[ends[0] :]
    ]
    return {"sft": worked, "train": asked[: config.rows], "eval": asked[config.rows :]}


def write(config: ArithmeticConfig) -> dict[str, int]:
    """Write the files `sft.jsonl`, `train.jsonl` and `eval.jsonl` into the config's folder; rows by file's name."""
    return {name: write_documents(join(config.out, f"{name}.jsonl"), found) for name, found in rows(config).items()}


def _id(terms: tuple[int, ...]) -> str:
    return "-".join(map(str, terms))
