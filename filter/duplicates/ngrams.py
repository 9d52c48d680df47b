"""Paragraphs seen before, by n-grams in a Bloom filter (DCLM's BFF, sound)."""

from collections.abc import Iterable, Iterator
from typing import Any

from common.pools.documents import Document
from common.pools.exactly_once import Result
from filter.duplicates.bloom import Bloom, bloom_bits
from filter.duplicates.config import NgramDedup
from filter.duplicates.minhash import log
from filter.ngrams import NgramHasher


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
