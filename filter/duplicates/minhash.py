"""Duplicates: exact, near (MinHash), and by n-grams of paragraphs (Bloom filter, DCLM's BFF in its sound mode).

Each rule works within each source. Exact and near duplicates between a source and the ones before it (recycled text and
its own organic page above all) are measured, and dropped only on request.

Exact and near duplicates are found in three passes: small signatures beside each shard, one decision over all of them,
a rewritten pool. The first document in (source, shard, line) order stays, for any number of workers. The n-gram rule
reads text in order by its nature: each group of shards has its own filter and its own worker.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filter.duplicates.config import DUPLICATE, EARLIER_SOURCE, KEPT, MinHashDedup
from filter.duplicates.exact import Keys
from filter.ngrams import NgramHasher, mix64

log = logging.getLogger("repro.filter.dedup")


def collision_probability(similarity: float, bands: int = 14, rows: int = 8) -> float:
    """Chance that MinHash finds a pair: P(s) = 1 - (1 - s^rows)^bands; half of the pairs at about (1/bands)^(1/rows).

    >>> [round(collision_probability(s), 4) for s in (0.5, 0.72, 0.8, 0.9)]
    [0.0533, 0.6499, 0.9235, 0.9996]
    """
    return 1 - (1 - similarity**rows) ** bands


BandKeys = tuple[Callable[[int], NDArray[np.uint64]], NDArray[np.bool_]]
"""A function that gives the [N] keys of one band, and [N] which documents take part."""


@lru_cache(maxsize=2)
def _minhash(config: MinHashDedup) -> tuple[Any, NgramHasher]:
    from datasketch import MinHash

    # n-grams come as 64-bit integers already; the library permutes them and keeps the least
    empty = MinHash(config.bands * config.rows, seed=config.seed, hashfunc=int, scheme="affine64")
    return empty, NgramHasher(config.ngram, config.seed)


def minhash_keys(texts: Iterable[str], config: MinHashDedup) -> tuple[Keys, NDArray[np.bool_]]:
    """Band keys of documents: two documents with a key in common are near duplicates.

    Returns:
        [N, bands] keys, and [N] whether a document has enough words to be compared.
    """
    empty, hasher = _minhash(config)
    rows, has = [], []
    for text in texts:
        grams = np.unique(hasher.ngrams(text.lower().split()))
        signature = empty.copy()
        if len(grams):
            signature.update_batch(grams.tolist())
        bands = np.asarray(signature.hashvalues, np.uint64).reshape(config.bands, config.rows)
        # each band starts from its own number, so that equal values in two bands are two keys
        key = np.arange(1, config.bands + 1, dtype=np.uint64)
        for place in range(config.rows):
            key = mix64(key + mix64(bands[:, place]))
        rows.append(key)
        has.append(len(grams) > 0)
    return np.array(rows, np.uint64).reshape(-1, config.bands), np.array(has, bool)


def decide_minhash(sources: Sequence[BandKeys], bands: int) -> list[NDArray[np.uint8]]:
    """Which documents are near duplicates; clusters are joined through shared members, the first document stays.

    Args:
        sources: the keys of each.
        bands: how many there are; one at a time is in memory, 8 bytes a document and 8 for the clusters.

    Returns:
        Per source, [N] verdicts as of `decide_exact`.
    """
    roots = [np.arange(len(has)) for _, has in sources]
    elsewhere = [np.zeros(len(has), bool) for _, has in sources]
    for band in range(bands):
        seen: Keys | None = None
        for number, (keys_of, has) in enumerate(sources):
            keys = keys_of(band)
            places = np.flatnonzero(has)
            _join(roots[number], keys, places)
            if seen is not None:
                elsewhere[number][places] |= np.isin(keys[places], seen)
            if len(sources) > 1:
                here = np.unique(keys[places])
                seen = here if seen is None else np.union1d(seen, here)
    verdicts = []
    for root, other in zip(roots, elsewhere, strict=True):
        duplicate = _settled(root) != np.arange(len(root))
        verdicts.append(np.where(duplicate, DUPLICATE, np.where(other, EARLIER_SOURCE, KEPT)).astype(np.uint8))
    return verdicts


def _join(roots: NDArray[np.int64], keys: NDArray[np.uint64], places: NDArray[np.int64]) -> None:
    """Union the documents that share a key with the first of them; roots only ever point to earlier documents."""
    order = places[np.argsort(keys[places], kind="stable")]
    same = keys[order[1:]] == keys[order[:-1]]
    for later, earlier in zip(order[1:][same].tolist(), order[:-1][same].tolist(), strict=True):
        one, other = _root(roots, later), _root(roots, earlier)
        roots[max(one, other)] = min(one, other)


def _root(roots: NDArray[np.int64], place: int) -> int:
    while roots[place] != place:
        roots[place] = roots[roots[place]]
        place = int(roots[place])
    return place


def _settled(roots: NDArray[np.int64]) -> NDArray[np.int64]:
    """[N] each document's final root; every pass halves the longest chain."""
    while True:
        shorter = roots[roots]
        if np.array_equal(shorter, roots):
            return roots
        roots = shorter
