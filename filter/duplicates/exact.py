"""Exact duplicates."""

import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filter.duplicates.config import DUPLICATE, EARLIER_SOURCE

Keys = NDArray[np.uint64]  # [N, C]: C keys of each of N documents


def canonical(text: str) -> str:
    """The form in which exact duplicates are equal: NFC, lower case, runs of white space as one space.

    >>> canonical("  A\\n\\tb ")
    'a b'
    """
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def exact_keys(texts: Iterable[str]) -> Keys:
    """[N, 1] 128-bit BLAKE2b of the canonical texts, folded to two columns of 64 bits: [N, 2]."""
    raw = b"".join(blake2b(canonical(text).encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
    return np.frombuffer(raw, np.uint64).reshape(-1, 2)


def decide_exact(sources: Sequence[Keys], partitions: int = 1) -> list[NDArray[np.uint8]]:
    """Which documents are exact duplicates.

    Args:
        sources: per source, [N, 2] keys in (shard, line) order.
        partitions: passes over the keys; each sorts only its share, so memory is bounded.

    Returns:
        Per source, [N] `KEPT`, `DUPLICATE` (of an earlier one of the same source), or `EARLIER_SOURCE`.
    """
    verdicts = [np.zeros(len(keys), np.uint8) for keys in sources]
    for part in range(partitions):
        places = [np.flatnonzero(keys[:, 0] % np.uint64(partitions) == part) for keys in sources]
        seen: Keys | None = None
        for keys, place, verdict in zip(sources, places, verdicts, strict=True):
            here = _as_pairs(keys[place])
            _, first = np.unique(here, return_index=True)
            repeated = np.ones(len(here), bool)
            repeated[first] = False
            verdict[place[repeated]] = DUPLICATE
            if seen is not None:
                elsewhere = np.isin(here, seen) & ~repeated
                verdict[place[elsewhere]] = EARLIER_SOURCE
            seen = here if seen is None else np.union1d(seen, here)
    return verdicts


def _as_pairs(keys: Keys) -> NDArray[Any]:
    return np.ascontiguousarray(keys).view([("high", np.uint64), ("low", np.uint64)]).reshape(-1)
