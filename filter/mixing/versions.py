"""Pages kept as organic and recycled: which form stays."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.hashing import hash_id
from common.pools.documents import age, are_old, old_rollout, page_of, read_documents
from common.pools.repair import id_text
from common.pools.shards import Shard
from filter.scorers.batches import read_score

log = logging.getLogger("repro.filter")

Prefer = Literal["allow", "prefer_best", "prefer_recycled"]
Hashes = NDArray[np.uint64]


def page_hash(document: Mapping[str, Any], old_ids: bool = False) -> int:
    """Hash of the page a document comes from, whether organic or a rephrasing.

    Args:
        document: its record names the page (`common.pools.documents`).
        old_ids: read the page of rollouts that an earlier version wrote out of their ids.
    """
    old = old_rollout(document) if old_ids else None
    return hash_id(old or page_of(document) or id_text(document["id"]))


class Versions(NamedTuple):
    """What settles which form of a page stays, of one selected pool: [N] each."""

    pages: Hashes
    scores: NDArray[np.float64]
    """NaN if none."""
    recycled: NDArray[np.bool_]
    ids: Hashes
    """Of the documents' own ids."""
    old_pages: Hashes
    """The pages, if recycled documents that name none are rollouts of an earlier version."""
    ages: NDArray[np.int8]
    """Whether they may be (`common.pools.documents.age`)."""


@dataclass
class Settled:
    """What follows for the mix."""

    both: int = 0
    """Pages that are there as organic and as recycled text."""
    drops: dict[str, Hashes] = field(default_factory=dict)
    """Source → sorted hashes of the pages that stay out for their other form."""
    old_ids: bool = False
    """Whether the pages of recycled documents are in their ids, as earlier versions wrote them."""


def versions(documents: Iterable[dict[str, Any]], field: str | None) -> Versions:
    """The columns of one selected pool."""
    rows = [
        (
            page_hash(one),
            read_score(one, field) if field else None,
            page_of(one) is not None,
            hash_id(id_text(one["id"])),
            page_hash(one, old_ids=True),
            age(one),
        )
        for one in documents
    ]
    kinds = (np.uint64, np.float64, bool, np.uint64, np.uint64, np.int8)
    return Versions(*(np.array([row[place] for row in rows], kind) for place, kind in enumerate(kinds)))


def settle_versions(
    pages: Hashes, scores: NDArray[np.float64], recycled: NDArray[np.bool_], prefer: Prefer
) -> tuple[int, Hashes, Hashes]:
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


def settle_sources(shards: Mapping[str, Sequence[Shard]], fields: Mapping[str, str | None], prefer: Prefer) -> Settled:
    """How many pages are kept in both forms, and per source which pages stay out for their other form.

    Args:
        shards: source → its selected pool.
        fields: source → its score.
        prefer: see `settle_versions`.

    Raises:
        ValueError: a source holds both forms, or pages share an id, where it matters which form a page has.
    """
    if len(shards) == 1:
        return Settled(drops={name: np.array([], np.uint64) for name in shards})
    parts = {
        name: versions((one for shard in of for one in read_documents(shard.path, shard.index)), fields[name])
        for name, of in shards.items()
    }
    whole = Versions(*(np.concatenate(columns) for columns in zip(*parts.values(), strict=True)))
    old_ids = are_old(whole.ages.tolist())
    maybe = int((whole.ages == 1).sum())
    if maybe:
        taken = "rollouts of an earlier version" if old_ids else "pages of their own"
        log.warning("%d recycled documents do not name their page and have ids that end in `#n`: %s", maybe, taken)
    pages = whole.old_pages if old_ids else whole.pages
    both, organic, recycled_out = settle_versions(pages, whole.scores, whole.recycled, prefer)
    drops = {}
    for name, part in parts.items():
        # a source is all organic or all recycled; one that holds both kinds is refused only where it would matter
        if prefer != "allow" and len(set(part.recycled.tolist())) > 1:
            raise ValueError(f"{name} holds organic and recycled documents; give each its own source")
        drops[name] = recycled_out if len(part.recycled) and part.recycled[0] else organic
    if prefer != "allow":
        _refuse_shared_ids(pages, whole, prefer)
    return Settled(both, drops, old_ids)


def _refuse_shared_ids(pages: Hashes, whole: Versions, prefer: Prefer) -> None:
    """A form of a page stays out because its other form is there: no other page may bear the same id."""
    both = np.intersect1d(pages[whole.recycled], pages[~whole.recycled])
    number = 0
    for form in (whole.recycled, ~whole.recycled):
        _, first, counts = np.unique(whole.ids[form], return_index=True, return_counts=True)
        number += int(np.isin(pages[form][first[counts > 1]], both).sum())
    if number:
        raise ValueError(
            f"{number} ids are borne by more than one document, so that it is not known which rephrasing is of which "
            f"page; give every page an id of its own, or both_versions=allow in place of {prefer}"
        )
