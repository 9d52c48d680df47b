"""Pages kept as organic and recycled: which form stays."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common.hashing import hash_id


def page_of(document: Mapping[str, Any]) -> str | None:
    """Id of the page that a document rephrases: rollouts of one page carry its id with `#n` behind; None if organic."""
    if "rephrase" not in document:
        return None
    identity = str(document["id"])
    return identity.rpartition("#")[0] or identity


def page_hash(document: Mapping[str, Any]) -> int:
    """Hash of the page a document comes from, whether organic or a rephrasing."""
    return hash_id(page_of(document) or str(document["id"]))


def versions(
    documents: Iterable[Mapping[str, Any]], field: str | None
) -> tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.bool_]]:
    """[N] page hashes, [N] scores (NaN if none) and [N] whether recycled, of one selected pool."""
    rows = [(page_hash(one), one.get(field) if field else None, "rephrase" in one) for one in documents]
    scores = [math.nan if score is None else float(score) for _, score, _ in rows]
    return (
        np.array([row[0] for row in rows], np.uint64),
        np.array(scores, np.float64),
        np.array([row[2] for row in rows], bool),
    )


def settle_versions(
    pages: NDArray[np.uint64],
    scores: NDArray[np.float64],
    recycled: NDArray[np.bool_],
    prefer: Literal["allow", "prefer_best", "prefer_recycled"],
) -> tuple[int, NDArray[np.uint64], NDArray[np.uint64]]:
    """Pages that are there as organic and as recycled text, and which form of each stays out.

    Args:
        pages: [N] page hashes over all sources.
        scores: [N] scores of one and the same scorer.
        recycled: [N] whether a document is recycled text.
        prefer: `allow` keeps both; `prefer_best` keeps the better scored form, the recycled one where equal.

    Returns:
        Number of such pages, sorted page hashes whose organic form is dropped, and whose recycled form is dropped.
    """
    both = np.intersect1d(pages[recycled], pages[~recycled])
    none = np.array([], np.uint64)
    if prefer == "allow" or not len(both):
        return len(both), none, none
    if prefer == "prefer_recycled":
        return len(both), both, none
    best = np.full((2, len(both)), -np.inf)
    places = np.searchsorted(both, pages)
    shared = (places < len(both)) & (both[np.minimum(places, len(both) - 1)] == pages) & ~np.isnan(scores)
    np.maximum.at(best, (recycled[shared].astype(int), places[shared]), scores[shared])
    organic_wins = best[0] > best[1]
    return len(both), both[~organic_wins], both[organic_wins]
