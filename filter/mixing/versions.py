"""Pages kept as organic and recycled: which form stays."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common.hashing import hash_id
from common.pools.documents import read_documents
from common.pools.shards import Shard


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


def settle_sources(
    shards: Mapping[str, Sequence[Shard]],
    fields: Mapping[str, str | None],
    prefer: Literal["allow", "prefer_best", "prefer_recycled"],
) -> tuple[int, dict[str, NDArray[np.uint64]]]:
    """How many pages are kept in both forms, and per source which pages stay out for their other form.

    Args:
        shards: source → its selected pool.
        fields: source → its score.
        prefer: see `settle_versions`.

    Raises:
        ValueError: a source holds both forms where it matters which one a page has.
    """
    if len(shards) == 1:
        return 0, {name: np.array([], np.uint64) for name in shards}
    parts = {
        name: versions((one for shard in of for one in read_documents(shard.path, shard.index)), fields[name])
        for name, of in shards.items()
    }
    pages, scores, recycled = (np.concatenate(columns) for columns in zip(*parts.values(), strict=True))
    both, organic, recycled_out = settle_versions(pages, scores, recycled, prefer)
    drops = {}
    for name, (_, _, is_recycled) in parts.items():
        # a source is all organic or all recycled; one that holds both kinds is refused only where it would matter
        if prefer != "allow" and len(set(is_recycled.tolist())) > 1:
            raise ValueError(f"{name} holds organic and recycled documents; give each its own source")
        drops[name] = recycled_out if len(is_recycled) and is_recycled[0] else organic
    return both, drops
