"""Score a chunk's rephrasing against its organic text, and say which check it fails."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from eval.faithfulness.kept import names_kept, numbers_kept, urls_kept
from eval.faithfulness.line_kinds import lines_of
from eval.faithfulness.measures import invented_words, length_ratio, novel_ngrams
from eval.faithfulness.words import long_words_kept
from rephrase.gate.config import CEILINGS, GateConfig

if TYPE_CHECKING:
    from eval.faithfulness.bert_scorer import BertScorer

Scores = dict[str, float]

EPSILON = 1e-6
"""A share that rounding left below its threshold passes."""

AGAINST_PROSE: dict[str, Callable[[str, str], float | None]] = {
    "numbers": lambda organic, text: numbers_kept(organic, text).recall,
    "urls": lambda organic, text: urls_kept(organic, text).recall,
    "names": lambda organic, text: names_kept(organic, text).recall,
    "content": long_words_kept,
    "length": lambda organic, text: length_ratio(organic, text) if organic else None,
}
"""What must be kept: of the prose alone, for badges, links and contents tables may go."""

AGAINST_ALL: dict[str, Callable[[str, str], float | None]] = {
    "invented_words": invented_words,
    "novel_5grams": novel_ngrams,
}
"""What must not be added: to anything the chunk holds."""


def score(organic: str, text: str, names: Collection[str]) -> Scores:
    """The named scores that need no encoder; one that has nothing to judge is left out.

    >>> score("It rose 5 metres in May.", "It rose in May.", ["numbers", "invented_words"])
    {'numbers': 0.0, 'invented_words': 0.0}
    """
    prose = lines_of(organic, "prose") if any(name in AGAINST_PROSE for name in names) else ""
    found = {name: measure(prose, text) for name, measure in AGAINST_PROSE.items() if name in names}
    found |= {name: measure(organic, text) for name, measure in AGAINST_ALL.items() if name in names}
    return {name: value for name, value in found.items() if value is not None}


def failed(scores: Mapping[str, float], thresholds: Mapping[str, float]) -> str | None:
    """The first check that the scores fail, None if they pass all.

    >>> failed({"numbers": 0.5, "content": 0.9}, {"numbers": 0.8, "content": 0.8})
    'numbers'
    """
    for name, threshold in thresholds.items():
        value = scores.get(name)
        if value is None:
            continue
        if value > threshold + EPSILON if name in CEILINGS else value < threshold - EPSILON:
            return name
    return None


class ChunkGate:
    """The checks of one run; the encoder, if one is asked for, opens with the first chunk.

    Args:
        config: checks and thresholds.
    """

    def __init__(self, config: GateConfig) -> None:
        self.config = config
        self.thresholds = config.on()
        self.encoder: BertScorer | None = None

    def judge(self, organic: str, text: str) -> tuple[Scores, str | None]:
        """Scores of a chunk's rephrasing, and the check it fails."""
        if not self.thresholds or (not text and self.config.empty_passes):
            return {}, None
        scores = score(organic, text, self.thresholds)
        if "semantic" in self.thresholds:
            scores["semantic"] = self._semantic(organic, text)
        return scores, failed(scores, self.thresholds)

    def _semantic(self, organic: str, text: str) -> float:
        if self.encoder is None:
            from eval.faithfulness.bert_scorer import BertScorer  # brings torch

            self.encoder = BertScorer(self.config.semantic_model, layer=self.config.semantic_layer)
        return float(self.encoder.f1([text], [organic])[0])
