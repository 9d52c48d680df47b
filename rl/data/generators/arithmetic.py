"""Sums with worked solutions."""

import random
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import ADDED, HOW, Out, RunConfig
from common.pools.documents import write_documents
from common.pools.storage import join
from eval.story.plans import NEUTRAL_PLAN, with_plan_block
from rl.data.rows.names import ARITHMETIC

Row = dict[str, Any]


Form = Literal["tags", "boxed", "both"]

IN_A_BOX = " in a box"
"""Behind a question: a readout's answer is wanted at once, wherever the working is."""


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
    `\\boxed{}`, as process rewards want them; `both`: as `tags`, then the answer in a box too."""

    sft_rows: int = Field(2000, ge=1)
    """Solutions to learn from before any reward."""

    guess_frac: float = Field(0.0, ge=0, le=1)
    """Share of these that guess, at random among the sums there are; in the form `both` without a word of thinking."""

    readouts: Annotated[int, ADDED] = Field(0, ge=0)
    """Further rows to learn from, about the same sums: the answer after a part of the working, in a box or behind a
    plan, and a guess before any. They teach a model to say what its working comes to, wherever it is cut, as process
    rewards and completion gains ask it to."""

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


def steps(terms: tuple[int, ...]) -> list[str]:
    """The terms added from left to right.

    >>> steps((3, 8, 4))
    ['3 + 8 = 11', '11 + 4 = 15']
    """
    return [f"{sum(terms[:place])} + {terms[place]} = {sum(terms[: place + 1])}" for place in range(1, len(terms))]


def solution(terms: tuple[int, ...], form: Form = "tags") -> str:
    """The terms added from left to right, and the answer.

    >>> print(solution((3, 8, 4)))
    <think>3 + 8 = 11
    11 + 4 = 15</think> <answer> 15 </answer>
    """
    return written(("\n\n" if form == "boxed" else "\n").join(steps(terms)), sum(terms), form)


def written(thinking: str, answer: int, form: Form) -> str:
    """Thinking and an answer, as a form has them.

    >>> written("", 15, "both")
    '<think></think> <answer> 15 </answer> \\\\boxed{15}'
    """
    if form == "boxed":
        return f"{thinking}\n</think>\n\\boxed{{{answer}}}"
    box = f" \\boxed{{{answer}}}" if form == "both" else ""
    return f"<think>{thinking}</think> <answer> {answer} </answer>{box}"


def guess(terms: tuple[int, ...], config: ArithmeticConfig) -> str:
    """An answer drawn from all that sums of so many terms can come to.

    >>> guess((3, 8, 4), ArithmeticConfig())
    '<think>It may be 6.</think> <answer> 6 </answer>'
    """
    drawn = guessed(terms, config)
    return written("" if config.form == "both" else f"It may be {drawn}.", drawn, config.form)


def guessed(terms: tuple[int, ...], config: ArithmeticConfig, salt: str = "") -> int:
    """Any number that so many terms can come to, whatever they are."""
    drawn = random.Random(f"guess:{config.seed}:{_id(terms)}{salt}")
    return drawn.randint(len(terms), len(terms) * config.largest)


def readout(terms: tuple[int, ...], number: int, config: ArithmeticConfig) -> tuple[str, str]:
    """A question and the answer after a part of the working: in a box for an even number, behind a plan for an odd one.

    >>> readout((3, 8, 4), 4, ArithmeticConfig())
    ('Add 3 + 8 + 4 in a box', '<think>3 + 8 = 11\\n\\\\boxed{15}')
    """
    lines = steps(terms)
    part = lines[: random.Random(f"readout:{config.seed}:{number}:{_id(terms)}").randint(0, len(lines))]
    asked, answer = question(terms), sum(terms) if part else guessed(terms, config, f":{number}")
    if number % 2:
        planned = with_plan_block([{"role": "user", "content": asked}], "\n".join(part) or NEUTRAL_PLAN)
        return planned[0]["content"], str(answer)
    end = "</think>" if part == lines else "\n"
    thought = "<think>" + "\n".join(part) + end if part else ""
    return f"{asked}{IN_A_BOX}", f"{thought}\\boxed{{{answer}}}"


def rows(config: ArithmeticConfig) -> dict[str, list[Row]]:
    """The rows of each file by its name."""
    found = sums(config)
    ends = (config.sft_rows, config.sft_rows + config.rows)
    guesses = round(config.guess_frac * config.sft_rows)
    taught = [
        _taught(_id(terms), question(terms), guess(terms, config) if at < guesses else solution(terms, config.form))
        for at, terms in enumerate(found[: ends[0]])
    ]
    for number in range(config.readouts):
        terms = found[number % config.sft_rows]
        taught.append(_taught(f"{_id(terms)}/{number}", *readout(terms, number, config)))
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
    return {"sft": taught, "train": asked[: config.rows], "eval": asked[config.rows :]}


def _taught(name: str, asked: str, answer: str) -> Row:
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"id": name, "messages": messages, "text": f"{asked}\n{answer}"}


def write(config: ArithmeticConfig) -> dict[str, int]:
    """Write the files `sft.jsonl`, `train.jsonl` and `eval.jsonl` into the config's folder; rows by file's name."""
    return {name: write_documents(join(config.out, f"{name}.jsonl"), found) for name, found in rows(config).items()}


def _id(terms: tuple[int, ...]) -> str:
    return "-".join(map(str, terms))
