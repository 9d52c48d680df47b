"""Which documents to keep by their scores: a threshold, a top fraction, or a token budget.

All three end as a `Cut`: the lowest score kept, and which of the documents that tie at it. Solving one takes a few
passes over score columns in fixed memory (a radix search over the bits of the scores, 65,536 bins a pass), and its
result depends on the documents only, not on the order of the shards.
"""

import fractions
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from filter.selection.histogram import from_sortable_bits, sortable_bits
from filter.selection.rules import All, Budget, Fraction, Threshold

COLLECT = 1 << 20
"""So many keys are looked at one by one: an array of 16 MB."""


@dataclass(frozen=True)
class Columns:
    """What selection needs of one shard's documents, in their order."""

    scores: NDArray[np.float64]  # [N], NaN where there is no score
    tokens: NDArray[np.int64]  # [N]
    hashes: NDArray[np.uint64]  # [N], of the ids


Shards = Callable[[], Iterable[Columns]]
"""Gives the columns of all shards, in the shards' order; called once a pass."""


@dataclass(frozen=True)
class Cut:
    """The solved selection: scores above `threshold`, and of those equal to it the hashes from `tie_hash` up."""

    threshold: float
    tie_hash: int = 0
    tie_quota: tuple[int, ...] | None = None
    """Per shard, how many documents with both the threshold's score and `tie_hash` stay; None: all."""
    asked: int | None = None
    """Tokens (or documents) that were to be reached."""
    reached: int | None = None
    """Tokens (or documents) that are kept; the difference is the overshoot."""


class TooFewTokens(ValueError):
    """A pool that cannot fill its budget."""


def keep(cut: Cut, columns: Columns, shard: int = 0) -> NDArray[np.bool_]:
    """[N] which documents of a shard a cut keeps; never one without a score."""
    with np.errstate(invalid="ignore"):
        above = columns.scores > cut.threshold
        tied = columns.scores == cut.threshold
    kept = above | (tied & (columns.hashes >= np.uint64(cut.tie_hash)))
    if cut.tie_quota is not None:
        boundary = np.flatnonzero(tied & (columns.hashes == np.uint64(cut.tie_hash)))
        kept[boundary[cut.tie_quota[shard] :]] = False
    return kept


def solved(rule: All | Threshold | Fraction | Budget) -> Cut | None:
    """The cut of a rule that does not depend on the pool, None for one that has to be solved.

    >>> solved(Threshold(kind="threshold", threshold=0.5)).threshold
    0.5
    """
    if isinstance(rule, All):
        return Cut(-math.inf)
    return Cut(rule.threshold) if isinstance(rule, Threshold) else None


def solve(rule: All | Threshold | Fraction | Budget, shards: Shards, spent_tokens: int = 0) -> Cut:
    """Turn a rule into a cut for these shards.

    Args:
        rule: what to keep.
        shards: their columns.
        spent_tokens: kept tokens of the sources in a budget's `minus`.

    Raises:
        ValueError: nothing is left of the budget, or the pool is too small for it; names the numbers.
    """
    known = solved(rule)
    if known is not None:
        return known
    if isinstance(rule, Fraction):
        return solve_fraction(shards, rule.fraction, rule.by)
    if not isinstance(rule, Budget):
        raise TypeError(f"no way to solve {type(rule).__name__}")
    left = rule.tokens - spent_tokens
    if left <= 0:
        raise ValueError(
            f"nothing is left of the budget: {' + '.join(rule.minus) or 'the sources before'} keep {spent_tokens:,} "
            f"tokens and the budget is {rule.tokens:,}; raise select.tokens or their threshold"
        )
    return solve_budget(shards, left, exact=rule.exact, allow_short=rule.allow_short)


def solve_fraction(shards: Shards, fraction: float, by: Literal["documents", "tokens"] = "documents") -> Cut:
    """The best share of a pool: the score of the ceil(fraction * N)-th best document, ties kept.

    >>> columns = Columns(np.array([.9, .8, .8, .5, .1]), np.ones(5, np.int64), np.arange(5, dtype=np.uint64))
    >>> cut = solve_fraction(lambda: [columns], 0.4)
    >>> cut.threshold, cut.reached
    (0.8, 3)
    """
    total = sum(weight for weight, _ in _weights(shards, by))
    asked = math.ceil(fractions.Fraction(repr(float(fraction))) * total)  # in floats 0.28 * 25 is 7.000000000000001
    if asked <= 0:
        return Cut(math.inf, asked=0, reached=0)
    key, above = _largest_key(_keys(shards, by), asked)
    threshold = from_sortable_bits(key)
    return Cut(threshold, asked=asked, reached=above + _weight_at(shards, threshold, by))


def solve_budget(shards: Shards, tokens: int, *, exact: bool = False, allow_short: bool = False) -> Cut:
    """The largest score with at least `tokens` tokens at or above it.

    Args:
        shards: the pool's columns.
        tokens: wanted.
        exact: of the documents that tie at that score, keep those with the largest hashes, as few as reach the budget.
        allow_short: keep everything where there are fewer tokens.

    Raises:
        TooFewTokens: the pool's scored documents hold fewer tokens.
    """
    available = sum(weight for weight, _ in _weights(shards, "tokens"))
    if available < tokens:
        if allow_short:
            return Cut(-math.inf, asked=tokens, reached=available)
        raise TooFewTokens(
            f"{tokens:,} tokens are wanted and {available:,} are available; lower the budget, or set allow_short=true"
        )
    key, above = _largest_key(_keys(shards, "tokens"), tokens)
    threshold = from_sortable_bits(key)
    if not exact:
        return Cut(threshold, asked=tokens, reached=above + _weight_at(shards, threshold, "tokens"))

    def ties() -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
        for columns in shards():
            tied = columns.scores == threshold
            yield columns.hashes[tied], columns.tokens[tied]

    tie_hash, above_hash = _largest_key(ties, tokens - above)
    # Documents that share score and hash share their id: of these, the first in the pool stay.
    reached = above + above_hash
    quota = []
    for columns in shards():
        same = (columns.scores == threshold) & (columns.hashes == np.uint64(tie_hash))
        stay = 0
        for weight in columns.tokens[same]:
            if reached >= tokens:
                break
            reached += int(weight)
            stay += 1
        quota.append(stay)
    return Cut(threshold, tie_hash, tuple(quota), asked=tokens, reached=reached)


def passes(training_tokens: int, unique_tokens: int) -> float:
    """How often a training run sees each token: 28.8e9 training tokens over 14.4e9 unique ones is 2.0.

    >>> passes(28_800_000_000, 14_400_000_000), passes(28_800_000_000, 7_200_000_000)
    (2.0, 4.0)
    """
    return training_tokens / unique_tokens


Keyed = Callable[[], Iterable[tuple[NDArray[np.uint64], NDArray[np.int64]]]]


def _weights(shards: Shards, by: str) -> Iterator[tuple[int, int]]:
    for columns in shards():
        scored = ~np.isnan(columns.scores)
        number = int(scored.sum())
        yield (number if by == "documents" else int(columns.tokens[scored].sum())), number


def _keys(shards: Shards, by: str) -> Keyed:
    def keyed() -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
        for columns in shards():
            scored = ~np.isnan(columns.scores)
            tokens = columns.tokens[scored]
            yield sortable_bits(columns.scores[scored]), tokens if by == "tokens" else np.ones_like(tokens)

    return keyed


def _weight_at(shards: Shards, threshold: float, by: str) -> int:
    total = 0
    for columns in shards():
        tied = columns.scores == threshold
        total += int(tied.sum() if by == "documents" else columns.tokens[tied].sum())
    return total


def _largest_key(chunks: Keyed, need: int) -> tuple[int, int]:
    """The largest key k with at least `need` weight in keys >= k, and the weight in keys > k.

    Radix search from the top 16 bits down; as soon as few enough keys share the bits found so far, they are looked at
    one by one.
    """
    prefix, above = 0, 0  # the key's bits found so far, and the weight of all keys with larger ones
    for shift in (48, 32, 16, 0):
        weight, count = np.zeros(1 << 16, np.int64), np.zeros(1 << 16, np.int64)
        for keys, weights in chunks():
            inside = keys >> np.uint64(shift + 16) == prefix if shift < 48 else np.ones(len(keys), bool)
            digits = (keys[inside] >> np.uint64(shift)).astype(np.int64) & 0xFFFF
            np.add.at(weight, digits, weights[inside])
            np.add.at(count, digits, 1)
        at_or_above = above + np.cumsum(weight[::-1])[::-1]  # [65536], never grows with the digit
        digit = int(np.flatnonzero(at_or_above >= need)[-1])
        above = int(at_or_above[digit] - weight[digit])
        prefix = prefix << 16 | digit
        if count[digit] <= COLLECT and shift:
            return _collect(chunks, prefix, shift, need, above)
    return prefix, above


def _collect(chunks: Keyed, prefix: int, shift: int, need: int, above: int) -> tuple[int, int]:
    found = []
    for keys, weights in chunks():
        inside = keys >> np.uint64(shift) == prefix
        found.append((keys[inside], weights[inside]))
    keys, places = np.unique(np.concatenate([keys for keys, _ in found]), return_inverse=True)
    weights = np.bincount(places, np.concatenate([weights for _, weights in found])).astype(np.int64)
    at_or_above = above + np.cumsum(weights[::-1])[::-1]
    index = int(np.flatnonzero(at_or_above >= need)[-1])
    return int(keys[index]), int(at_or_above[index] - weights[index])
