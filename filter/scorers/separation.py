"""How well a score separates good pages from poor ones: area under the ROC curve, with a bootstrap interval."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from filter.scorers.simple import SIMPLE_SCORES


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Probability that a random good page scores above a random poor one; ties count one half (Mann-Whitney U).

    Args:
        scores: [N] finite numbers.
        labels: [N] 1 for good, 0 for poor.

    Raises:
        ValueError: one of the two kinds is missing.
    """
    values, good = np.asarray(scores, np.float64), np.asarray(labels).astype(bool)
    if good.all() or not good.any():
        raise ValueError("an AUC needs pages of both labels")
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # mean rank of each group of ties, from 1
    number = int(good.sum())
    return float((ranks[good].sum() - number * (number + 1) / 2) / (number * (len(values) - number)))


def bootstrap(scores: ArrayLike, labels: ArrayLike, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 percent interval of the AUC: percentiles over resampled pages, drawn within each label."""
    values, good = np.asarray(scores, np.float64), np.asarray(labels).astype(bool)
    random = np.random.default_rng(seed)
    places = [np.flatnonzero(good), np.flatnonzero(~good)]
    draws = []
    for _ in range(resamples):
        drawn = np.concatenate([random.choice(one, len(one)) for one in places])
        draws.append(auc(values[drawn], good[drawn]))
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def compare(scores: Sequence[float], texts: Sequence[str], labels: Sequence[int], seed: int = 0) -> dict[str, object]:
    """A scorer's AUC with its interval, beside the best simple score's on the same pages."""
    simple = {name: auc([score(text) for text in texts], labels) for name, score in SIMPLE_SCORES.items()}
    best = max(simple, key=lambda name: simple[name])
    return {
        "pages": len(labels),
        "good": int(sum(labels)),
        "auc": auc(scores, labels),
        "auc_95": list(bootstrap(scores, labels, seed=seed)),
        "best_simple": best,
        "best_simple_auc": simple[best],
        "simple_auc": simple,
    }
