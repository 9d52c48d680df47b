"""Documents in batches with every scorer's scores, one shard of a pool so; a score read back from a document."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.command import WorkFailed
from common.config import HOW, Out, RunConfig
from common.pools.documents import Document
from common.pools.exactly_once import Result, process_shard, with_own
from common.pools.shards import Shard
from filter.scorers.kinds import AnyScorerConfig, QualityScorer, open_quality_scorer

PUBLISHED_FIELDS = {
    "fasttext_oh_eli5_vs_rw_v2_prob": "fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob",
}
"""A score's field → the name under which the published DCLM-baseline holds the same score."""


BATCH_DOCS = 256
"""Documents scored together. fastText gains nothing from more; a classifier forms its own token-budget batches."""


def read_score(document: Document, field: str) -> float | None:
    """A document's score under its field's name, or under the name of the published DCLM data; None if not a number."""
    value = document.get(field)
    if value is None and field in PUBLISHED_FIELDS:
        value = document.get(PUBLISHED_FIELDS[field])
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def score_batches(
    documents: Iterable[Document], scorers: Sequence[QualityScorer]
) -> Iterator[tuple[list[Document], dict[str, list[float | None]]]]:
    """Documents in batches, in order, with every scorer's scores: field → one per document.

    Raises:
        WorkFailed: a scorer scored none of the first documents: the scorer is at fault, not they.
    """
    for number, batch in enumerate(_batches(documents, BATCH_DOCS)):
        texts = [document["text"] for document in batch]
        columns = {scorer.field: scorer.score(texts) for scorer in scorers}
        for field, scores in columns.items():
            if number == 0 and all(score is None for score in scores):
                raise WorkFailed(f"the scorer of {field!r} scored none of the first {len(scores)} documents")
        yield batch, columns


def score_documents(documents: Iterable[Document], scorers: Sequence[QualityScorer]) -> Iterator[Result]:
    """Add every scorer's field to every document, in order; what a field held before is kept beside it.

    See `score_batches`.
    """
    for batch, columns in score_batches(documents, scorers):
        for row, document in enumerate(batch):
            unscored = [field for field, scores in columns.items() if scores[row] is None]
            counts: dict[str, Any] = {"unscored": dict.fromkeys(unscored, 1)} if unscored else {}
            if not document["text"].strip():
                counts["empty_text"] = 1
            own = {field: scores[row] for field, scores in columns.items()}
            yield Result(with_own(document, own), counts=counts)


class ScorePoolConfig(RunConfig):
    """Score a pool."""

    command: Literal["score"] = "score"

    pool: str
    """Folder, glob, file or fsspec URL of shards."""

    out: Annotated[str, HOW, Out(folder=True)]
    """Folder for the scored pool."""

    scorer: AnyScorerConfig | None = None
    """One scorer; on the command line its keys stand alone: `kind=fasttext model=FILE`."""

    scorers: list[AnyScorerConfig] = []
    """Several scorers for one pass (from a YAML file)."""

    workers: Annotated[int, HOW] = Field(1, ge=1)
    """Processes on this machine."""

    cluster: Annotated[Literal["local", "ray"], HOW] = "local"
    """Where the shards are worked on."""

    verify: Annotated[bool, HOW] = False
    """Check finished shards by the digests of their outputs, not by their lengths alone."""

    @model_validator(mode="after")
    def _has_scorers(self) -> "ScorePoolConfig":
        fields = [scorer.field for scorer in self.all_scorers()]
        if not fields:
            raise ValueError("no scorer given; add kind=fasttext model=FILE, or list scorers in a YAML file")
        if len(set(fields)) < len(fields):
            raise ValueError(f"two scorers write one field ({', '.join(fields)}); give each its own field")
        return self

    def all_scorers(self) -> list[Any]:
        """The one scorer and the listed ones."""
        return ([self.scorer] if self.scorer else []) + self.scorers


def score_shard(shard: Shard, config: ScorePoolConfig, identity: str) -> dict[str, Any]:
    """Score one shard of a pool; what a worker process runs."""

    def transform(documents: Iterator[Document]) -> Iterator[Result]:
        return score_documents(documents, [open_quality_scorer(scorer) for scorer in config.all_scorers()])

    # batches end with their part, so that a resumed run forms the same ones
    return process_shard(
        shard, config.out, transform, config_hash=identity, restart_each_part=True, verify=config.verify
    )


def _batches(items: Iterable[Document], size: int) -> Iterator[list[Document]]:
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch
