"""How well a cleaner finds the article in a page: precision and recall of its runs of four words.

The measure of the article extraction benchmark (github.com/scrapinghub/article-extraction-benchmark): runs of four
words as multisets, precision and recall of each page, their means over pages, and the harmonic mean of the two means.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

RUN = 4
"""Words in a run."""

RESAMPLES = 1000
"""Draws of pages for the interval."""

_WORD = re.compile(r"\w+")


class Shared(NamedTuple):
    """Runs of one page."""

    precision: float
    """Share of the output's runs that the article has; 0 for an output without runs."""

    recall: float
    """Share of the article's runs that the output has."""


def runs(text: str) -> Counter[tuple[str, ...]]:
    """Multiset of the runs of four words, case kept; a shorter text is one run of all its words.

    >>> sorted(runs("A b c d e"))
    [('A', 'b', 'c', 'd'), ('b', 'c', 'd', 'e')]
    """
    tokens = _WORD.findall(text)
    starts = range(max(len(tokens) - RUN + 1, min(len(tokens), 1)))
    return Counter(tuple(tokens[start : start + RUN]) for start in starts)


def shared_runs(article: str, output: str) -> Shared:
    """Precision and recall of one page.

    >>> shared_runs("The river rises in May.", "Home. The river rises in")
    Shared(precision=0.5, recall=0.5)
    """
    wanted, found = runs(article), runs(output)
    common = (wanted & found).total()
    return Shared(common / found.total() if found else 0.0, common / wanted.total() if wanted else 1.0)


def article_figures(pages: Sequence[tuple[str, str]], seed: int = 0) -> dict[str, float | int]:
    """Mean precision, mean recall, their harmonic mean, and 95 % of that over pages drawn again.

    Args:
        pages: article and output of each.
        seed: of the draws.
    """
    scores = [shared_runs(article, output) for article, output in pages]
    rng = random.Random(f"articles:{seed}")
    drawn = sorted(_f1([rng.choice(scores) for _ in scores]) for _ in range(RESAMPLES)) if scores else [0.0]
    return {
        "pages": len(scores),
        "precision": fmean(score.precision for score in scores) if scores else 0.0,
        "recall": fmean(score.recall for score in scores) if scores else 0.0,
        "f1": _f1(scores),
        "f1_low": drawn[int(0.025 * len(drawn))],
        "f1_high": drawn[int(0.975 * len(drawn)) - (len(drawn) > 1)],
    }


def _f1(scores: Sequence[Shared]) -> float:
    if not scores:
        return 0.0
    precision, recall = fmean(score.precision for score in scores), fmean(score.recall for score in scores)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
