"""Figures of repeated samples and how sure they are: avg@k, pass@k, maj@k, errors, intervals, what could be seen.

Everything here is a plain function over numbers. Fractions, not percent.
"""

import math
import zlib
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]


def average_at_k(scores: Sequence[float], k: int) -> float:
    """Mean score of the first k samples of a question.

    Raises:
        ValueError: there are fewer than k samples; dividing by k all the same would count absent ones as wrong.
    """
    _enough(len(scores), k)
    return sum(scores[:k]) / k


def pass_at_k(n: int, right: int, k: int) -> float:
    """Chance that at least one of k samples, drawn without replacement from n of which some are right, is right.

    `1 - C(n - c, k) / C(n, k)`, unbiased. Source: Codex, arXiv:2107.03374.

    >>> round(pass_at_k(5, 2, 3), 6), round(pass_at_k(32, 8, 4), 6)
    (0.9, 0.704505)

    Raises:
        ValueError: k is above n, or more than n are right.
    """
    _counts(n, right, k)
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def pass_hat_k(n: int, right: int, k: int) -> float:
    """Chance that all of k samples, drawn without replacement from n, are right: pass^k.

    `C(c, k) / C(n, k)`, unbiased. Source: tau-bench, arXiv:2406.12045.

    >>> pass_hat_k(4, 2, 2) == 1 / 6
    True

    Raises:
        ValueError: k is above n, or more than n are right.
    """
    _counts(n, right, k)
    return math.comb(right, k) / math.comb(n, k)


def majority_at_k(answers: Sequence[str], scores: Sequence[float], k: int) -> float:
    """Score of the answer that most of the first k samples gave.

    A sample without an answer ("") does not vote; where nobody votes the score is 0. Answers that are equally frequent
    share: the mean of their scores, as a fair draw among them would have on average.

    Raises:
        ValueError: there are fewer than k samples.
    """
    _enough(min(len(answers), len(scores)), k)
    votes = Counter(answer for answer in answers[:k] if answer)
    if not votes:
        return 0.0
    most = max(votes.values())
    winners = [answer for answer, count in votes.items() if count == most]
    means = []
    for winner in winners:
        earned = [score for answer, score in zip(answers[:k], scores[:k], strict=True) if answer == winner]
        means.append(sum(earned) / len(earned))
    return sum(means) / len(means)


def _enough(have: int, k: int) -> None:
    if k < 1 or k > have:
        raise ValueError(f"k is {k}, and there are {have} samples: draw more, or ask for a smaller k")


def _counts(n: int, right: int, k: int) -> None:
    _enough(n, k)
    if not 0 <= right <= n:
        raise ValueError(f"{right} of {n} samples cannot be right")


def repeat_error(scores: Sequence[Sequence[float]]) -> float | None:
    """Standard error of the mean over repeats: what another seed would change, the questions being the same.

    `std(m_1 … m_S) / sqrt(S)` with `m_s` the mean over the questions of their s-th sample, and S the samples that every
    question has; None below two.

    Args:
        scores: [Q][S] of each question its samples' scores.
    """
    repeats = min((len(one) for one in scores), default=0)
    if repeats < 2:
        return None
    table = np.array([list(one[:repeats]) for one in scores], dtype=np.float64)  # [Q, S]
    return float(table.mean(axis=0).std(ddof=1) / math.sqrt(repeats))


def clustered_error(values: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Standard error of a mean over questions that come in clusters, such as several about one problem.

    `sqrt(sum over clusters of (sum of (x - mean))^2) / n`; with a cluster for each question it is the usual error but
    for the factor sqrt((n - 1) / n). Source: Adding Error Bars to Evals, arXiv:2411.00640.

    Args:
        values: [Q].
        clusters: [Q] names of the clusters.
    """
    found = np.asarray(values, dtype=np.float64)
    sums: dict[Hashable, float] = {}
    for value, cluster in zip(found - found.mean(), clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + float(value)
    return math.sqrt(sum(value**2 for value in sums.values())) / len(found)


def resampled_means(
    values: Sequence[Sequence[float]], clusters: Sequence[Hashable], draws: int = 2000, seed: int = 0, salt: str = ""
) -> Floats:
    """Means of `draws` resamplings of the questions, whole clusters at a time, the same draw for every row of values.

    Args:
        values: [V, Q] figures of the same questions, such as those of two models.
        clusters: [Q] names of the clusters.
        draws: resamplings.
        seed: of the random numbers.
        salt: more of the seed, such as the task's name.

    Returns:
        [V, draws].
    """
    table = np.asarray(values, dtype=np.float64)
    names = {name: position for position, name in enumerate(dict.fromkeys(clusters))}
    place = np.array([names[name] for name in clusters])
    sums = np.zeros((len(table), len(names)))
    for row, figures in zip(sums, table, strict=True):
        np.add.at(row, place, figures)
    sizes = np.bincount(place, minlength=len(names)).astype(np.float64)
    random = np.random.default_rng([seed, zlib.crc32(salt.encode())])
    means = np.empty((len(table), draws))
    block = max(1, 4_000_000 // len(names))  # bounded memory
    for first in range(0, draws, block):
        size = min(block, draws - first)
        times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)  # [size, C]
        means[:, first : first + size] = (sums @ times.T) / (times @ sizes)
    return means


def middle_95(draws: Floats) -> list[float]:
    """The middle 95 % of resampled values: percentiles 2.5 and 97.5."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return [float(low), float(high)]


def least_difference(error: float, power: float = 0.8, level: float = 0.05) -> float:
    """The smallest true difference that a comparison with this standard error would find with a chance of `power`.

    `(z(1 - level / 2) + z(power)) * error`; 2.80 errors at the usual 80 % and 5 %.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)) * error


def exact_interval_95(all_right: bool, clusters: int) -> list[float]:
    """The 95 % interval of a share that was 0, or 1, in every one of so many independent questions.

    Resampling equal figures says nothing of how sure they are; Clopper and Pearson's exact bound does: 0 of 30 leaves
    room up to `1 - 0.025^(1/30)` = 11.6 %.
    """
    bound = 0.025 ** (1 / clusters)
    return [bound, 1.0] if all_right else [0.0, 1 - bound]


@dataclass(frozen=True)
class PairedDifference:
    """How much more one model scores than another on the same questions."""

    value: float
    interval_95: list[float]
    error: float
    """Standard error of the difference, clustered."""
    least: float
    """The smallest difference that these questions could have shown (80 % power, 5 % level)."""
    questions: int

    @property
    def distinguishable(self) -> bool:
        """Whether the interval leaves 0 out."""
        low, high = self.interval_95
        return not low <= 0 <= high


def paired_difference(
    first: Sequence[float], other: Sequence[float], clusters: Sequence[Hashable], draws: int = 2000, seed: int = 0
) -> PairedDifference:
    """`other` minus `first`, question by question, so that what makes a question hard for both cancels.

    Args:
        first: [Q] a model's score of each question.
        other: [Q] another model's, of the same questions.
        clusters: [Q] names of the clusters.
        draws: resamplings behind the interval.
        seed: of the resampling.
    """
    differences = [two - one for one, two in zip(first, other, strict=True)]
    spread = resampled_means([differences], clusters, draws, seed)[0]
    error = clustered_error(differences, clusters)
    value = sum(differences) / len(differences)
    return PairedDifference(value, middle_95(spread), error, least_difference(error), len(differences))


def quantiles(values: Sequence[float], at: Sequence[float] = (0.1, 0.5, 0.9, 0.99)) -> dict[str, float]:
    """Mean, quantiles (`p10`, `p50` …) and largest of some numbers; empty for none.

    >>> quantiles([1, 2, 3])["p50"], quantiles([])
    (2.0, {})
    """
    if not values:
        return {}
    found = np.quantile(np.asarray(values, dtype=np.float64), at)
    shown = {f"p{round(share * 100)}": float(value) for share, value in zip(at, found, strict=True)}
    return {"mean": float(np.mean(values)), **shown, "max": float(max(values))}
