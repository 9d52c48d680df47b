"""Weighted histogram over any range of scores in fixed memory: counts, sums of tokens, quantiles.

The bins follow the bits of a 32-bit float: 65,536 of them cover all finite numbers, each less than 1 percent wide, so a
score need not announce its range and thresholds near 0 (DCLM's is 0.018112) are resolved as well as those near 1.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 1 << 16
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def sortable_bits(values: ArrayLike) -> NDArray[np.uint64]:
    """64-bit floats as integers of the same order, so that digits of the integer bin the floats.

    Args:
        values: [N] finite numbers.

    Returns:
        [N] integers: a < b as floats if and only if a < b as integers (-0.0 counts as 0.0).
    """
    floats = np.asarray(values, dtype=np.float64) + 0.0  # -0.0 + 0.0 is 0.0
    bits = floats.view(np.uint64)
    negative = bits >> np.uint64(63) == 1
    return np.where(negative, ~bits, bits | np.uint64(1 << 63))


def from_sortable_bits(bits: int) -> float:
    """The float behind a sortable integer.

    >>> from_sortable_bits(int(sortable_bits([0.018112])[0]))
    0.018112
    """
    raw = bits ^ (1 << 63) if bits >> 63 else bits ^ ((1 << 64) - 1)
    return float(np.array([raw], dtype=np.uint64).view(np.float64)[0])


class Histogram:
    """Counts and weights per bin, for scores that stream by."""

    def __init__(self) -> None:
        self.count = np.zeros(BINS, np.int64)
        self.weight = np.zeros(BINS, np.int64)
        self.low = np.inf
        self.high = -np.inf

    def add(self, scores: ArrayLike, weights: ArrayLike = 0) -> None:
        """Count scores, each with a whole-numbered weight such as its document's tokens."""
        values = np.atleast_1d(np.asarray(scores, dtype=np.float64))
        if not len(values):
            return
        bins = _bin(values)
        np.add.at(self.count, bins, 1)
        np.add.at(self.weight, bins, np.broadcast_to(np.asarray(weights, np.int64), values.shape))
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    @property
    def total(self) -> int:
        """Number of scores counted."""
        return int(self.count.sum())

    def quantiles(self, shares: Sequence[float] = QUANTILES) -> dict[str, float]:
        """Scores below which a share of the documents lies, each right to within its bin (0.8 percent)."""
        if not self.total:
            return {}
        edges = np.cumsum(self.count)
        found = {}
        for share in shares:
            rank = max(int(np.ceil(share * self.total)), 1)
            value = _bin_start(int(np.searchsorted(edges, rank)))
            found[f"{share:g}"] = float(np.clip(value, self.low, self.high))
        return found


def linear_bins(low: float, high: float, number: int = 100) -> NDArray[np.float64]:
    """[number + 1] edges of equal bins for a picture: from 0 to 1 where all scores lie in there, else low to high."""
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.linspace(low, high if high > low else low + 1, number + 1)


def text_histogram(title: str, histogram: Histogram, width: int = 40) -> str:
    """A histogram of ten bars and the quantiles, for a terminal."""
    if not histogram.total:
        return f"{title}: no scores"
    edges = linear_bins(histogram.low, histogram.high, 10)
    starts = np.array([_bin_start(int(one)) for one in np.flatnonzero(histogram.count)])
    counts = histogram.count[histogram.count > 0]
    places = np.clip(np.searchsorted(edges, np.clip(starts, histogram.low, histogram.high), side="right") - 1, 0, 9)
    bars = np.bincount(places, weights=counts, minlength=10).astype(int)
    lines = [f"{title}: {histogram.total} scores"]
    for start, end, number in zip(edges[:-1], edges[1:], bars, strict=True):
        lines.append(f"  {start:8.4f} to {end:8.4f} {number:9d} {'█' * round(width * number / bars.max())}")
    lines.append("  quantiles " + "  ".join(f"{share}: {value:.4g}" for share, value in histogram.quantiles().items()))
    return "\n".join(lines)


def add_columns(histogram: Histogram, columns: Iterable[tuple[ArrayLike, ArrayLike]]) -> Histogram:
    """Count chunks of (scores, weights)."""
    for scores, weights in columns:
        histogram.add(scores, weights)
    return histogram


def _bin(values: NDArray[np.float64]) -> NDArray[np.int64]:
    bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32)
    sortable = np.where(bits >> np.uint32(31) == 1, ~bits, bits | np.uint32(1 << 31))
    return (sortable >> np.uint32(16)).astype(np.int64)


def _bin_start(number: int) -> float:
    sortable = number << 16
    raw = sortable ^ (1 << 31) if sortable >> 31 else sortable ^ ((1 << 32) - 1)
    return float(np.array([raw], dtype=np.uint32).view(np.float32)[0])
