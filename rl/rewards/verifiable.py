"""Was the final answer right? 1 or 0 by comparing what stands in `\\boxed{}` or the answer tags with the reference.

The plain outcome beside which likelihood rewards stand: RLPR's mixture with a rule verifier, and what process rewards
are added to. Answers are compared as text and then, with math-verify, as mathematics: `1/2`, `0.5` and `\\frac{1}{2}`
are the same.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from rl.rewards.base import Batch, Reward, RewardConfig, Scores
from rl.rewards.likelihood import references

BOXED = "\\boxed{"

LONGEST = 1000
"""Characters up to which an answer is read as mathematics."""


class ExactAnswerConfig(RewardConfig):
    """1 if the final answer equals the reference, else 0."""

    kind: Literal["exact_answer"] = "exact_answer"

    where: Literal["any", "boxed", "tags"] = "any"
    """Where the answer stands: in the last `\\\\boxed{}`, in the last answer tags, or in what there is, boxes first."""

    mathematics: bool = True
    """Compare as mathematics (math-verify) what differs as text."""

    column: str = "reference"
    """The row's answer; a list is several, of which one must be met."""


def boxed(text: str) -> str | None:
    """What stands in the last `\\boxed{}`, its braces matched; None without a closed one.

    >>> boxed("so \\\\boxed{1} or \\\\boxed{\\\\frac{1}{2}} it is")
    '\\\\frac{1}{2}'
    """
    start = text.rfind(BOXED)
    while start >= 0:
        depth = 1
        for end in range(start + len(BOXED), len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if not depth:
                return text[start + len(BOXED) : end].strip()
        start = text.rfind(BOXED, 0, start)
    return None


def tagged(text: str) -> str | None:
    """What stands in the last `<answer>` tags; None without them, or if they are not closed."""
    found = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    return found[-1].strip() if found else None


def final_answer(text: str, where: str = "any") -> str | None:
    """The answer of a completion, None if it gives none; see `ExactAnswerConfig.where`."""
    if where != "any":
        return boxed(text) if where == "boxed" else tagged(text)
    found = boxed(text)
    return found if found is not None else tagged(text)


def plain(text: str) -> str:
    """An answer as text to compare: case, spaces, dollar signs, thousands commas and a final full stop do not count.

    >>> plain(" $1,000$. "), plain("The Mill")
    ('1000', 'the mill')
    """
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.strip().strip("$").rstrip(".").strip("$"))
    return " ".join(text.lower().split())


@lru_cache(10_000)
def same_mathematics(reference: str, answer: str) -> bool:
    """Whether two answers are equal as mathematics, by math-verify."""
    from math_verify import parse, verify

    gold, found = (parse(f"\\boxed{{{text}}}") for text in (reference, answer))
    return bool(gold and found and verify(gold, found))


class ExactAnswerReward(Reward):
    """See `ExactAnswerConfig`."""

    kind = "exact_answer"

    def __init__(self, config: ExactAnswerConfig) -> None:
        super().__init__(config.name)
        self.config = config

    def score(self, batch: Batch) -> Scores:
        """1 or 0 by completion, 0 for one without an answer; None for a row without a reference."""
        answers = [final_answer(text, self.config.where) for text in batch.completions]
        values = [
            None if not texts else float(answer is not None and any(self._right(text, answer) for text in texts))
            for texts, answer in zip(map(references, self._gold(batch)), answers, strict=True)
        ]
        given = [float(answer is not None) for answer in answers]
        return Scores.of(values, "no_reference", answered=given)

    def _gold(self, batch: Batch) -> Sequence[Any]:
        return batch.column(self.config.column)

    def _right(self, reference: str, answer: str) -> bool:
        # A reference may stand in a box itself.
        reference = final_answer(reference) or reference
        if plain(reference) == plain(answer):
            return True
        if not self.config.mathematics or not answer or len(answer) > LONGEST:
            return False
        return same_mathematics(reference, answer)


REWARDS = (ExactAnswerReward,)
