"""The scoring step: one small record per document, which every selection over these scores reads.

Where a selection's cut is known before anything is scored (a threshold, or everything), the documents it keeps are
written in the same pass, so that the pool is read once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common.shards import Document, Result, Shard, process_shard
from filter.quality import finite, open_scorer, read_score, score_batches
from filter.records import RECORDS_FORM
from filter.selecting import SelectJob, selecting_along
from filter.steps import Stats
from filter.tokens import TokenCountConfig, open_counter


@dataclass(frozen=True)
class ScoreJob:
    """What scoring a shard needs; goes to worker processes."""

    folder: str
    hash: str
    scorers: tuple[Any, ...]
    fields: tuple[str, ...]
    """Score fields to record: the scorers', and those that documents hold already."""
    tokens: TokenCountConfig
    select: SelectJob | None = None
    """A selection to make in the same pass; its cut does not depend on the scores."""


def score_shard(shard: Shard, job: ScoreJob) -> Stats:
    """Write the score records of one shard, and its selection where that can be made along the way."""
    with selecting_along(shard, job.select) as selection:

        def transform(documents: Iterator[Document]) -> Iterator[Result]:
            count = open_counter(job.tokens)
            for batch, scores in score_batches(documents, [open_scorer(scorer) for scorer in job.scorers]):
                tokens = count([document["text"] for document in batch]) if count else None
                records = [_record(document, row, scores, job.fields, tokens) for row, document in enumerate(batch)]
                if selection is not None:
                    selection.take(batch, records)
                counts = _counts(batch, scores, tokens)
                for row, record in enumerate(records):
                    yield Result(record, counts=counts if row == 0 else {})

        stats = process_shard(
            shard, job.folder, transform, config_hash=job.hash, form=RECORDS_FORM, restart_each_part=True
        )
        if selection is not None:
            selection.end(stats)
    return stats


def _record(
    document: Document, row: int, scores: Mapping[str, list[Any]], fields: Iterable[str], tokens: list[int] | None
) -> Document:
    read = {field: finite(scores[field][row]) if field in scores else read_score(document, field) for field in fields}
    record = {"id": document["id"], "scores": read}
    return record if tokens is None else record | {"tokens": tokens[row]}


def _counts(batch: list[Document], scores: Mapping[str, list[Any]], tokens: list[int] | None) -> Stats:
    """What a batch adds to its shard's stats."""
    counts: Stats = {} if tokens is None else {"tokens_in": sum(tokens)}
    unscored = {field: column.count(None) for field, column in scores.items() if None in column}
    empty = sum(not document["text"] or document["text"].isspace() for document in batch)
    return counts | ({"unscored": unscored} if unscored else {}) | ({"empty_text": empty} if empty else {})
