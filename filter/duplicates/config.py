"""The three rules for duplicates and their union; verdicts."""

from typing import Annotated, Literal

from pydantic import Field

from common.config import RunConfig


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
    """Seed of the permutations."""

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
    """Seed of the hashes."""


AnyDedup = Annotated[ExactDedup | MinHashDedup | NgramDedup, Field(discriminator="kind")]


KEPT, DUPLICATE, EARLIER_SOURCE = 0, 1, 2
"""What becomes of a document; the last is a duplicate of another source's document."""
