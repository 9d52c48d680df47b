"""Rewards of the web rephraser beyond the paper: figures, addresses and names kept, nothing of the request leaked."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from eval.faithfulness.kept import Numbers, names_kept, numbers_kept, urls_kept
from eval.faithfulness.words import ngrams
from rephrase.text.prompts import fixed_parts
from rl.rewards.base import NOT_APPLICABLE, Reward, Scores
from rl.rewards.pairs import ComparedConfig, Pair, PairReward


class KeptConfig(ComparedConfig):
    """Share of the document's numbers, web addresses or names that the rephrasing still has."""

    kind: Literal["kept"] = "kept"

    what: Literal["numbers", "urls", "names"] = "numbers"
    """What must be found again; a document without any has nothing to judge."""


class NoLeakConfig(ComparedConfig):
    """0 if the rephrasing repeats the instruction or holds a think tag, else 1."""

    kind: Literal["no_leak"] = "no_leak"

    words: int = Field(8, ge=3)
    """So many words in a row out of the instruction, absent from the document, are a leak."""


class KeptReward(PairReward):
    """See `KeptConfig`."""

    kind = "kept"

    def __init__(self, config: KeptConfig) -> None:
        super().__init__(config)
        self.recall: Callable[[str, str], Numbers] = {
            "numbers": numbers_kept,
            "urls": urls_kept,
            "names": names_kept,
        }[config.what]

    def judge(self, pairs: Sequence[Pair]) -> Scores:
        """Recall over the document's set; not applicable to one without any."""
        return Scores.of([self.recall(pair.organic, pair.rephrased).recall for pair in pairs], NOT_APPLICABLE)


class NoLeakReward(PairReward):
    """See `NoLeakConfig`."""

    kind = "no_leak"

    def __init__(self, config: NoLeakConfig) -> None:
        super().__init__(config)
        self.words = config.words
        self.instruction = {gram for part in fixed_parts() for gram in ngrams(part, self.words)}

    def judge(self, pairs: Sequence[Pair]) -> Scores:
        """0 for a think tag or a run of the instruction's words that the document does not hold itself."""
        return Scores.of([float(not self._leaks(pair)) for pair in pairs])

    def _leaks(self, pair: Pair) -> bool:
        if re.search(r"</?think>", pair.rephrased) and not re.search(r"</?think>", pair.organic):
            return True
        copied = self.instruction.intersection(ngrams(pair.rephrased, self.words))
        return bool(copied.difference(ngrams(pair.organic, self.words)))


REWARDS: tuple[type[Reward], ...] = (KeptReward, NoLeakReward)
