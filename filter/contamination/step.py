"""Scan every shard, decide over all, treat."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from common.pools.documents import Document, read_documents
from common.pools.exactly_once import Result
from common.pools.shards import Shard
from common.pools.storage import atomic_write, exists, read_bytes
from common.tokens.counting import open_counter
from filter.contamination.config import DecontaminateConfig
from filter.contamination.items import open_index
from filter.contamination.treat import owners_of, rare, report, scan, treat
from filter.notes import PassJob, note_path, recount, with_counts
from filter.steps import Stats, rewrite_shard


def scan_shard(shard: Shard, job: PassJob) -> None:
    """Write which of the evaluation items' n-grams each document holds."""
    path = note_path(job, shard, "grams")
    if exists(path):
        return
    found = list(scan(read_documents(shard.path, shard.index), open_index(job.config), job.config.ngram))
    with atomic_write(path) as target:
        target.write(json.dumps(found).encode())


def decide_contamination(jobs: Sequence[tuple[str, PassJob, Sequence[Shard]]]) -> tuple[set[int], dict[str, Any]]:
    """Which n-grams count over all sources, and the report per task and source; the scans are all there."""
    config: DecontaminateConfig = jobs[0][1].config
    counted = rare(itertools.chain.from_iterable(_grams(job, shards) for _, job, shards in jobs), config.max_pages)
    index = open_index(config)
    found: dict[str, dict[int, int]] = {}
    for source, job, shards in jobs:
        pages: dict[int, int] = {}
        for grams in _grams(job, shards):
            for item in owners_of(index, [gram for gram in grams if gram in counted]):
                pages[item] = pages.get(item, 0) + 1
        found[source] = pages
    return counted, report(index, found)


def treat_shard(shard: Shard, job: PassJob, counted: set[int]) -> Stats:
    """Report, drop or cut a shard's contaminated documents."""
    grams = json.loads(read_bytes(note_path(job, shard, "grams")))
    counter = open_counter(job.tokens)

    def work(documents: Iterator[Document]) -> Iterator[Result]:
        before, after = itertools.tee(documents)
        for document, result in zip(before, treat(after, grams, counted, job.config), strict=True):
            yield recount(document, result, counter)

    return rewrite_shard(shard, job.output, lambda documents: with_counts(work(documents)), job.hash)


def _grams(job: PassJob, shards: Sequence[Shard]) -> Iterator[list[int]]:
    for shard in shards:
        yield from json.loads(read_bytes(note_path(job, shard, "grams")))
