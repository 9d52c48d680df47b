"""The scoring step: one small record per document, which every selection over these scores reads.

Where a selection's cut is known before anything is scored (a threshold, or everything), the documents it keeps are
written in the same pass, so that the pool is read once.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.pools.documents import Document
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import Shard
from common.tokens.counting import TokenCountConfig, open_counter
from filter.scorers.batches import read_score, score_batches
from filter.scorers.kinds import open_quality_scorer
from filter.selection.records import RECORDS_FORM
from filter.selection.selecting_step import SelectJob, selecting_along
from filter.steps import Stats


@dataclass(frozen=True)
class ScoreJob:
    """What scoring a shard needs; goes to worker processes."""

    folder: str
    hash: str
    scorers: tuple[Any, ...]
    fields: tuple[str, ...]
    """Score fields to record: the scorers', and those that documents hold already."""
    tokens: TokenCountConfig
    part_docs: int = 1000
    """Documents per committed part: the work that a kill costs."""
    select: SelectJob | None = None
    """A selection to make in the same pass; its cut does not depend on the scores."""


def score_shard(shard: Shard, job: ScoreJob) -> Stats:
    """Write the score records of one shard, and its selection where that can be made along the way."""
    with selecting_along(shard, job.select) as selection:

        def transform(documents: Iterator[Document]) -> Iterator[Result]:
            count = open_counter(job.tokens)
            for batch, scores in score_batches(documents, [open_quality_scorer(scorer) for scorer in job.scorers]):
                tokens = count([document["text"] for document in batch]) if count else None
                records = _records(batch, scores, job.fields, tokens)
                if selection is not None:
                    selection.take(batch, records)
                counts = _counts(batch, scores, tokens)
                for record in records:
                    yield Result(record, counts=counts)
                    counts = {}

        stats = process_shard(
            shard,
            job.folder,
            transform,
            config_hash=job.hash,
            part_docs=job.part_docs,
            form=RECORDS_FORM,
            restart_each_part=True,  # batches end with their part, so that a resumed run forms the same ones
        )
        if selection is not None:
            selection.end(stats)
    return stats


def _records(
    batch: list[Document], scores: Mapping[str, list[Any]], fields: Sequence[str], tokens: list[int] | None
) -> list[Document]:
    columns = [
        scores[field] if field in scores else [read_score(document, field) for document in batch] for field in fields
    ]
    rows = zip(*columns, strict=True) if columns else itertools.repeat(())
    records = [
        {"id": document["id"], "scores": dict(zip(fields, row, strict=True))}
        for document, row in zip(batch, rows, strict=False)
    ]
    for record, number in zip(records, tokens or (), strict=False):
        record["tokens"] = number
    return records


def _counts(batch: list[Document], scores: Mapping[str, list[Any]], tokens: list[int] | None) -> Stats:
    """What a batch adds to its shard's stats."""
    counts: Stats = {} if tokens is None else {"tokens_in": sum(tokens)}
    unscored = {field: column.count(None) for field, column in scores.items() if None in column}
    empty = sum(not document["text"] or document["text"].isspace() for document in batch)
    return counts | ({"unscored": unscored} if unscored else {}) | ({"empty_text": empty} if empty else {})
