"""A seeded Bloom filter over 64-bit hashes, by the array.

rbloom, the kept library for this, takes one Python integer at a time and chooses its own size; here whole paragraphs
are tested at once and the size is the textbook's, so that a target rate means what it says.
"""

import math

import numpy as np
from numpy.typing import NDArray

from filter.ngrams import mix64


def bloom_bits(expected: int, fp_rate: float) -> int:
    """Bits for `expected` items at a false-positive rate: m = ceil(-n ln p / (ln 2)^2).

    >>> bloom_bits(1_000_000, 0.01)
    9585059
    """
    return math.ceil(-expected * math.log(fp_rate) / math.log(2) ** 2)


def bloom_hashes(bits: int, expected: int) -> int:
    """Bits set per item: k = ceil((m / n) ln 2).

    >>> bloom_hashes(9585059, 1_000_000)
    7
    """
    return math.ceil(bits / expected * math.log(2))


class Bloom:
    """Set membership with false positives at a known rate and no false negatives.

    Args:
        expected: items it is sized for.
        fp_rate: share of absent items found present once that many are in.
        seed: of the positions; the same seed and items give the same filter.
    """

    def __init__(self, expected: int, fp_rate: float, seed: int = 0) -> None:
        if expected < 1 or not 0 < fp_rate < 1:
            raise ValueError(f"a Bloom filter needs expected >= 1 and 0 < fp_rate < 1, not {expected} and {fp_rate}")
        self.bits = bloom_bits(expected, fp_rate)
        self.hashes = bloom_hashes(self.bits, expected)
        self.words = np.zeros(-(-self.bits // 64), np.uint64)
        self.seed = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)

    def positions(self, items: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """[K, N] bit numbers of N items: (a + i b) mod m, two independent 64-bit hashes (Kirsch and Mitzenmacher)."""
        first = mix64(items ^ mix64(np.atleast_1d(self.seed)))
        second = mix64(first ^ np.uint64(0xD6E8FEB86659FD93)) | np.uint64(1)
        steps = np.arange(self.hashes, dtype=np.uint64)[:, None]
        return (first + steps * second) % np.uint64(self.bits)

    def contains(self, items: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """[N] whether each item is in (or is a false positive)."""
        return self.set_at(self.positions(items))

    def set_at(self, positions: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """[N] whether all K bits of each item are set."""
        found = self.words[positions >> np.uint64(6)] >> (positions & np.uint64(63)) & np.uint64(1)
        return found.all(axis=0)

    def add(self, items: NDArray[np.uint64]) -> None:
        """Put items in."""
        self.add_at(self.positions(items))

    def add_at(self, positions: NDArray[np.uint64]) -> None:
        """Set the bits of items whose positions are known."""
        np.bitwise_or.at(self.words, positions >> np.uint64(6), np.uint64(1) << (positions & np.uint64(63)))

    def fill(self) -> float:
        """Share of the bits that are set."""
        return float(np.bitwise_count(self.words).sum()) / self.bits

    def fp_rate(self) -> float:
        """The false-positive rate it has now: fill ** k."""
        return self.fill() ** self.hashes
