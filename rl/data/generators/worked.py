"""Worked solutions of ordering puzzles, for a model that is to learn the form of an answer before any reward.

A solution says every fact again in short, the thing on the left first, and then gives the order. A blank stands before
every name, there as in the question, so that a small tokenizer needs one entry for it and not two:

    1. pigeon < canary          somewhere to the left of it
    2. hummingbird - canary     immediately to the left of it
    3. owl 1 pigeon             one between them, nobody says which is on the left
    </think>
    <answer> pigeon, hummingbird, canary </answer>
"""

import json
import random
import re
from collections.abc import Iterable, Iterator
from typing import Any

from rl.data.rows.schema import Row

_SIDE = re.compile(r"(.+) is (somewhere|immediately) to the (left|right) of (.+)\.")
_BETWEEN = re.compile(r"There (?:is|are) exactly (\d+) .+? between (.+) and (.+)\.")
_FACT = re.compile(r"^\d+\. (.+)$", re.MULTILINE)


def in_short(fact: str) -> str:
    """A fact of an ordering puzzle in short; one of another kind as it is.

    >>> in_short("The finch is immediately to the right of the golf cart.")
    'golf cart - finch'
    >>> in_short("There are exactly 2 people between Felix and Daniel.")
    'Felix 2 Daniel'
    """
    if found := _SIDE.fullmatch(fact):
        things = [_bare(found[1]), _bare(found[4])]
        left, right = things if found[3] == "left" else things[::-1]
        return f"{left} {'-' if found[2] == 'immediately' else '<'} {right}"
    if found := _BETWEEN.fullmatch(fact):
        return f"{_bare(found[2])} {found[1]} {_bare(found[3])}"
    return fact


def _bare(thing: str) -> str:
    return re.sub(r"^[Tt]he ", "", thing)


def solution(prompt: str, order: list[str]) -> str:
    """The facts of a puzzle's prompt in short, then its answer."""
    facts = [f"{number}. {in_short(fact)}" for number, fact in enumerate(_FACT.findall(prompt), 1)]
    return "\n".join([*facts, "</think>", _answer(order)])


def guess(order: list[str], rng: random.Random) -> str:
    """An order drawn at random, without a word about the facts."""
    return f"It may be so.\n</think>\n{_answer(rng.sample(order, len(order)))}"


def _answer(order: list[str]) -> str:
    return f"<answer> {', '.join(order)} </answer>"


def demonstrations(rows: Iterable[Row], guess_frac: float, seed: int) -> Iterator[dict[str, Any]]:
    """Puzzles with an answer as rows for `rl.sft`; a share of them, drawn puzzle by puzzle, is only guessed.

    A row holds `messages`, and the same as `text`, from which `pretrain.tokenizer` can learn.
    """
    for row in rows:
        rng = random.Random(f"worked:{seed}:{row['id']}")
        order, prompt = json.loads(row["ground_truth"]), row["prompt"][0]["content"]
        reply = guess(order, rng) if rng.random() < guess_frac else solution(prompt, order)
        messages = [*row["prompt"], {"role": "assistant", "content": reply}]
        yield {"id": row["id"], "messages": messages, "text": f"{prompt}\n{reply}"}
