"""The published rules that drop a question by its pass rates, as named predicates over whole counts.

Shares are compared as fractions: 15 of 16 is exactly 15/16. Sources: the paper of Guru (arXiv:2506.14965), and what its
released files record about themselves (`released_low_high`); the last three rules are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Rate:
    """How often one model was right about one question."""

    n: int
    """Samples that were judged."""
    correct: int
    truncated: int = 0
    """Of the judged ones, those that ended at the length limit or within their thinking."""
    unscored: int = 0
    """Samples that nobody could judge; they are not among `n`."""

    @property
    def share(self) -> Fraction:
        """The pass rate, exactly."""
        return Fraction(self.correct, self.n)


@dataclass(frozen=True)
class RatePair:
    """What a rule sees of a question."""

    domain: str
    weak: Rate
    strong: Rate
    most_truncated: Fraction = Fraction(1, 2)
    """Bound of `high_truncation`."""
    most_unscored: Fraction = Fraction(1, 20)
    """Bound of `high_infra_error`."""


def too_easy(case: RatePair) -> bool:
    """The weak model is right at least 15 times of 16."""
    return case.weak.share >= Fraction(15, 16)


def noisy(case: RatePair) -> bool:
    """The strong model is never right."""
    return case.strong.correct == 0


def anomalous(case: RatePair) -> bool:
    """The weak model is right more often than the strong one."""
    return case.weak.share > case.strong.share


def math_small_gap(case: RatePair) -> bool:
    """Mathematics: the strong model is ahead by at most 6 of 16, and right at least 3 times of 4."""
    gap = case.strong.share - case.weak.share
    return case.domain == "math" and gap <= Fraction(6, 16) and case.strong.share >= Fraction(3, 4)


def science_small_gap(case: RatePair) -> bool:
    """Science: the strong model is ahead by less than a half."""
    return case.domain == "stem" and case.strong.share - case.weak.share < Fraction(1, 2)


def released_low_high(case: RatePair) -> bool:
    """What the released files' names record: the strong model is right at most 1e-5, or the weak one at least 0.9."""
    return case.strong.share <= Fraction(1, 100_000) or case.weak.share >= Fraction(9, 10)


def zero_variance(case: RatePair) -> bool:
    """All samples of the weak model are right, or all are wrong: nothing to compare within a group."""
    return case.weak.correct in (0, case.weak.n)


def high_truncation(case: RatePair) -> bool:
    """Too large a share of the weak model's samples was cut off."""
    return Fraction(case.weak.truncated, case.weak.n) > case.most_truncated


def high_infra_error(case: RatePair) -> bool:
    """Too large a share of either model's samples could not be judged."""
    return any(
        Fraction(rate.unscored, rate.n + rate.unscored) > case.most_unscored for rate in (case.weak, case.strong)
    )


PREDICATES: dict[str, Callable[[RatePair], bool]] = {
    rule.__name__: rule
    for rule in (
        too_easy,
        noisy,
        anomalous,
        math_small_gap,
        science_small_gap,
        released_low_high,
        zero_variance,
        high_truncation,
        high_infra_error,
    )
}
"""Name in a config → whether the rule drops a question."""

BINS = ("Impossible", "Very Hard", "Hard", "Medium", "Easy", "Very Easy", "Perfect")


def bin_of(rate: Rate) -> str:
    """The published name of a pass rate: 0, up to .2, .4, .6, .8, below 1, and 1.

    >>> [bin_of(Rate(10, correct)) for correct in (0, 1, 2, 4, 6, 8, 10)] == list(BINS)
    True
    """
    if rate.correct in (0, rate.n):
        return BINS[-1 if rate.correct else 0]
    return BINS[1 + int(rate.share * 5)]
