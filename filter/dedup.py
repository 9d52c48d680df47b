"""Duplicates: exact, near (MinHash), and by n-grams of paragraphs (Bloom filter, DCLM's BFF in its sound mode).

Each rule works within each source. Exact and near duplicates between a source and the ones before it (recycled text and
its own organic page above all) are measured, and dropped only on request.

Exact and near duplicates are found in three passes: small signatures beside each shard, one decision over all of them,
a rewritten pool. The first document in (source, shard, line) order stays, for any number of workers. The n-gram rule
reads text in order by its nature: each group of shards has its own filter and its own worker.
"""

import logging
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from common.config import RunConfig
from common.shards import Document, Result
from filter.bloom import Bloom, bloom_bits
from filter.ngrams import NgramHasher, mix64

log = logging.getLogger("repro.filter.dedup")

Keys = NDArray[np.uint64]  # [N, C]: C keys of each of N documents


class ExactDedup(RunConfig):
    """Documents whose text is the same but for case, white space and Unicode composition."""

    kind: Literal["exact"]

    across: Literal["measure", "drop"] = "measure"
    """A document that an earlier source holds too: count it, or drop it."""


class MinHashDedup(RunConfig):
    """Documents whose word n-grams overlap: found with probability 1 - (1 - s^rows)^bands at Jaccard similarity s."""

    kind: Literal["minhash"]

    ngram: int = Field(5, ge=1)
    """Words per n-gram (datatrove: 5); shorter documents are left alone."""

    bands: int = Field(14, ge=1)
    """Bands of the signature (datatrove: 14; DCLM's ablation is labelled b15.r93, likely 93 bands of 15 rows)."""

    rows: int = Field(8, ge=1)
    """Values per band (datatrove: 8)."""

    seed: int = 1
    """Of the permutations."""

    across: Literal["measure", "drop"] = "measure"
    """A near copy of a document of an earlier source: count it, or drop it."""


class NgramDedup(RunConfig):
    """Paragraphs and pages most of whose n-grams came before (DCLM's BFF, mode old-both)."""

    kind: Literal["ngram"]

    ngram: int = Field(13, ge=1)
    """Words per n-gram, by Unicode's word boundaries, punctuation included (DCLM's baseline: 13; the tool: 20)."""

    threshold: float = Field(0.8, ge=0, le=1)
    """A paragraph goes, and so does a page, if more than this share of its n-grams is known (DCLM: 0.8)."""

    fp_rate: float = Field(0.01, gt=0, lt=1)
    """False-positive rate of the filter once it holds `expected_ngrams` (DCLM: 0.01)."""

    expected_ngrams: int = Field(ge=1)
    """N-grams the filter is sized for, per group of shards: about one per word. More is allowed and warned of."""

    groups: int = Field(1, ge=1)
    """Groups of shards with a filter each: that many workers can share the work, and duplicates between groups stay."""

    across: Literal["ignore", "drop"] = "ignore"
    """`drop` lets a source start with the filter that the source before it left."""

    seed: int = 0
    """Of the hashes."""


AnyDedup = Annotated[ExactDedup | MinHashDedup | NgramDedup, Field(discriminator="kind")]


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


KEPT, DUPLICATE, EARLIER_SOURCE = 0, 1, 2
"""What becomes of a document; the last is a duplicate of another source's document."""


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


def _as_pairs(keys: Keys) -> NDArray[Any]:
    return np.ascontiguousarray(keys).view([("high", np.uint64), ("low", np.uint64)]).reshape(-1)


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


class NgramFilter:
    """The n-gram rule over documents that come in order; see `NgramDedup`.

    A paragraph is the text between newlines, with the newline before it. One with fewer words than an n-gram is kept
    and never remembered. One that goes is not remembered; one that stays is, after its test: nothing matches itself.
    """

    def __init__(self, config: NgramDedup) -> None:
        import regex

        self.config = config
        self.hasher = NgramHasher(config.ngram, config.seed)
        self.bloom = Bloom(config.expected_ngrams, config.fp_rate, config.seed)
        self.boundary = regex.compile(r"(?w)\b")
        self.added = 0

    def words(self, text: str) -> list[str]:
        """Pieces between Unicode's word boundaries that are not blank."""
        return [word for word in self.boundary.split(text) if not word.isspace() and word]

    def paragraphs(self, text: str) -> tuple[str, int, int]:
        """Test a page and remember it.

        Returns:
            What is left of the text, how many of its n-grams were known before, and how many it has.
        """
        kept: list[str] = []
        known = total = 0
        for number, paragraph in enumerate(text.split("\n")):
            grams = self.hasher.ngrams(self.words(paragraph))
            unit = paragraph if number == 0 else "\n" + paragraph
            if not len(grams):
                kept.append(unit)
                continue
            positions = self.bloom.positions(grams)
            contained = int(self.bloom.set_at(positions).sum())
            known += contained
            total += len(grams)
            if contained / len(grams) > self.config.threshold:
                continue
            self.bloom.add_at(positions)
            self.added += len(grams)
            kept.append(unit)
        left = "".join(kept)
        # the newline belongs to the paragraph behind it, so a removed first paragraph leaves one too many
        return (left if text.startswith("\n") else left.removeprefix("\n")), known, total

    def process(self, document: Document) -> Result:
        """The document without what came before, or dropped."""
        left, known, total = self.paragraphs(document["text"])
        counts = {"ngrams": total, "ngrams_known": known}
        if total and known / total > self.config.threshold:
            return Result(reason="duplicate_ngrams", counts=counts)
        if left != document["text"]:
            counts["docs_shortened"] = 1
        return Result(document | {"text": left, "bff_contained_ngram_count_before_dedupe": known}, counts=counts)

    def report(self) -> dict[str, Any]:
        """Size, load and true false-positive rate of the filter; warns where it holds more than it was made for."""
        rate = self.bloom.fp_rate()
        if self.added > self.config.expected_ngrams:
            log.warning(
                "the n-gram filter holds %d n-grams and was sized for %d: its false-positive rate is %.4f, not %.4f; "
                "raise expected_ngrams",
                self.added, self.config.expected_ngrams, rate, self.config.fp_rate,
            )  # fmt: skip
        return {
            "bits": self.bloom.bits,
            "hashes": self.bloom.hashes,
            "ngrams_added": self.added,
            "expected_ngrams": self.config.expected_ngrams,
            "fp_rate": rate,
        }


def process_ngrams(documents: Iterable[Document], filter_: NgramFilter) -> Iterator[Result]:
    """All documents of a shard through a filter, in order."""
    return (filter_.process(document) for document in documents)


def bloom_bytes(config: NgramDedup) -> int:
    """Memory of one filter."""
    return -(-bloom_bits(config.expected_ngrams, config.fp_rate) // 8)
