"""What rewards over a document and its rephrasing share: reading the completion, judging the pairs that can be read.

x is the organic text as the policy saw it (column `text`), x' what `rephrase.text.postprocess` reads from the
completion; a completion that cannot be read has x' = "".
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Annotated, Literal

from common.config import ADDED
from rephrase.text.postprocess import Reading, read_completion
from rephrase.text.prompts import Form
from rl.rewards.base import Batch, Reward, RewardConfig, Scores


class PairRewardConfig(RewardConfig):
    """What the rewards over (organic text, rephrasing) share."""

    score_truncated: bool = False
    """Score a completion that ran out of tokens as it stands (the paper's code does); else it earns as nothing does."""


class ComparedConfig(PairRewardConfig):
    """What the rewards share that compare a rephrasing with its document."""

    against: Annotated[Literal["text", "clean_text"], ADDED] = "text"
    """The document as the policy saw it (arXiv:2510.10681), or, for rows with planted noise, without it (ours): else
    what drops a menu is less like its page. A row that has no `clean_text` is compared with its text."""


@dataclass(frozen=True)
class Pair:
    """A document, as the policy saw it or without its known noise, and its rephrasing, never empty."""

    organic: str
    rephrased: str


@lru_cache(maxsize=4096)
def read_once(completion: str, organic: str, finish_reason: str, form: Form = "text") -> Reading:
    """What a completion says, read once for all rewards."""
    return read_completion(completion, organic, finish_reason, form)


def answer_forms(batch: Batch) -> list[Form]:
    """[B] how each completion is to be read: the rows' `answer_form`, a text where they have none."""
    given = batch.columns.get("answer_form") or [None] * len(batch.completions)
    return [form or "text" for form in given]


class ReadingReward(Reward):
    """A reward that reads completions: text, status, and why there is no text."""

    def __init__(self, config: PairRewardConfig) -> None:
        super().__init__(config.name)
        self.score_truncated = config.score_truncated

    def read(self, batch: Batch) -> list[Reading]:
        """[B] what each completion says."""
        reasons = [batch.finish_reason(row) for row in range(len(batch.completions))]
        if self.score_truncated:
            reasons = ["stop" if reason == "length" else reason for reason in reasons]
        rows = zip(batch.completions, batch.column("text"), reasons, answer_forms(batch), strict=True)
        return [read_once(*row) for row in rows]


class PairReward(ReadingReward):
    """A reward over (x, x'); a completion without x' earns 0 and is not judged."""

    def __init__(self, config: ComparedConfig) -> None:
        super().__init__(config)
        self.against = config.against

    def score(self, batch: Batch) -> Scores:
        """Read every completion, judge those that can be read."""
        readings = self.read(batch)
        compared = batch.columns.get(self.against, ())
        organic = [text if other is None else other for other, text in zip_longest(compared, batch.column("text"))]
        readable = [row for row, reading in enumerate(readings) if reading.text]
        found = self.judge([Pair(organic[row], readings[row].text) for row in readable])
        count = len(readings)
        scores = Scores([0.0] * count, [""] * count, {name: [None] * count for name in found.parts})
        for position, row in enumerate(readable):
            scores.values[row], scores.reasons[row] = found.values[position], found.reasons[position]
            for name, values in found.parts.items():
                scores.parts[name][row] = values[position]
        return scores

    @abstractmethod
    def judge(self, pairs: Sequence[Pair]) -> Scores:
        """Scores of readable pairs."""
