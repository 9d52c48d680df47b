"""Which context comes i-th, over any number of sets: one integer cursor."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pretrain.data.tokenised_set import Ints, TokenisedSet

MIX_PERIOD = 1000
"""Weighted sources are mixed exactly within each run of so many contexts; weights are exact to 0.1 %."""


class Cursor:
    """Which context comes i-th, over any number of sets.

    One set is read in stored order (it is shuffled on disk) in pass 0 and permuted by (seed, pass) in later ones.
    Several sets without weights are one list that is permuted in every pass. With weights, every run of `MIX_PERIOD`
    contexts holds each set's share, in an order from (seed, run), and each set has its own passes.
    """

    def __init__(self, sets: Sequence[TokenisedSet], weights: Sequence[float] | None = None, seed: int = 0) -> None:
        self.sets, self.seed = list(sets), seed
        self.starts = np.cumsum([0, *(len(one) for one in sets)])
        self.total = int(self.starts[-1])
        self.shares = None if weights is None or len(sets) == 1 else _apportion(weights, MIX_PERIOD)

    def passes(self, sequences: int) -> list[float]:
        """How often each set is read in a run of so many contexts."""
        if self.shares is None:
            return [sequences / self.total] * len(self.sets)
        return [sequences * share / MIX_PERIOD / len(one) for one, share in zip(self.sets, self.shares, strict=True)]

    def locate(self, indices: Ints) -> tuple[Ints, Ints]:
        """Set number and stored row of the i-th contexts of the run."""
        if self.shares is None:
            flat = self._in_pass(indices, self.total, 0, permute_first=len(self.sets) > 1)
            which = np.searchsorted(self.starts, flat, side="right") - 1
            return which, flat - self.starts[which]
        which, row = np.empty_like(indices), np.empty_like(indices)
        kinds = np.repeat(np.arange(len(self.sets)), self.shares)
        for block in np.unique(indices // MIX_PERIOD):
            order = np.random.Generator(np.random.PCG64([self.seed, int(block)])).permutation(kinds)
            inside = indices // MIX_PERIOD == block
            places = indices[inside] - block * MIX_PERIOD
            which[inside] = order[places]
            for kind, share in enumerate(self.shares):
                mine = inside & (which == kind) & (indices // MIX_PERIOD == block)
                seen = np.cumsum(order == kind) - 1
                row[mine] = block * share + seen[indices[mine] - block * MIX_PERIOD]
        for kind, one in enumerate(self.sets):
            mine = which == kind
            row[mine] = self._in_pass(row[mine], len(one), kind, permute_first=False)
        return which, row

    def rows(self, indices: Ints) -> NDArray[np.int64]:
        """The i-th contexts of the run, [B, seq_len + 1]."""
        which, row = self.locate(indices)
        out = np.empty((len(indices), self.sets[0].seq_len + 1), np.int64)
        for kind in np.unique(which):
            out[which == kind] = self.sets[kind].rows(row[which == kind])
        return out

    def pads(self, indices: Ints) -> Ints:
        """Pads at the end of each of the i-th contexts, [B], without reading them."""
        which, row = self.locate(indices)
        out = np.empty_like(indices)
        for kind in np.unique(which):
            out[which == kind] = self.sets[kind].pads(row[which == kind])
        return out

    def _in_pass(self, indices: Ints, size: int, stream: int, *, permute_first: bool) -> Ints:
        number, place = indices // size, indices % size
        out = place.copy()
        for one in np.unique(number):
            if one > 0 or permute_first:
                mine = number == one
                out[mine] = permutation(place[mine], size, (self.seed, stream, int(one)))
        return out


def permutation(places: Ints, size: int, key: tuple[int, ...]) -> Ints:
    """Images of `places` under a pseudo-random permutation of range(size), without holding the permutation.

    A four-round Feistel network over the next even power of two, walked until the result is inside. A bijection for
    any size and key.
    """
    half = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    digest = hashlib.sha256(repr((size, *key)).encode()).digest()
    rounds = np.frombuffer(digest, np.uint64)
    out = places.astype(np.uint64)
    todo = np.ones(len(out), bool)
    while todo.any():
        left, right = out[todo] >> half, out[todo] & mask
        for constant in rounds:
            left, right = right, left ^ (_mix(right ^ constant) & mask)
        out[todo] = (left << half) | right
        todo = out >= np.uint64(size)
    return out.astype(np.int64)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser: every input bit reaches every output bit."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _apportion(weights: Sequence[float], total: int) -> list[int]:
    """Whole numbers that add to `total` in the proportion of `weights` (largest remainders), each at least 1."""
    exact = np.asarray(weights) / np.sum(weights) * total
    parts = np.maximum(np.floor(exact).astype(int), 1)
    order = np.argsort(parts - exact, kind="stable")
    while parts.sum() < total:
        parts[order[0]] += 1
        order = order[1:]
    while parts.sum() > total:
        parts[int(np.argmax(parts))] -= 1
    return [int(part) for part in parts]
