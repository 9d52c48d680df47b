"""Passes over whole sources. Duplicates, test items: one signs every shard, then a decision, then one rewrites.

What a pass leaves beside the shards (signatures, verdicts) lies in the step's own folder, whose name carries the hash
of all that shapes it: a file that is there is right, and a rerun goes on behind it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.pools.documents import Document, read_documents
from common.pools.exactly_once import Result
from common.pools.shards import Shard
from common.pools.storage import exists
from common.tokens.counting import open_counter
from filter.duplicates.config import DUPLICATE, EARLIER_SOURCE, ExactDedup, MinHashDedup
from filter.duplicates.exact import decide_exact, exact_keys
from filter.duplicates.minhash import decide_minhash, minhash_keys
from filter.duplicates.ngrams import NgramFilter
from filter.notes import (
    PassJob,
    load_column,
    load_note,
    never,
    note_length,
    note_path,
    recounted,
    save_columns,
    save_note,
    with_counts,
)
from filter.steps import Stats, finished, rewrite_shard

DECIDE_DOCS = 4_000_000
"""Keys of exact duplicates sorted at a time: about 0.3 GB."""


def sign_shard(shard: Shard, job: PassJob) -> None:
    """Write the keys by which a shard's documents are compared: [N, C] integers, the last column whether to compare."""
    path = note_path(job, shard, "keys")
    if exists(path):
        return
    texts = (document["text"] for document in read_documents(shard.path, shard.index))
    if isinstance(job.config, MinHashDedup):
        keys, has = minhash_keys(texts, job.config)
    else:
        keys = exact_keys(texts)
        has = np.ones(len(keys), bool)
    save_columns(path, np.column_stack([keys, has.astype(np.uint64)]))


def decide_duplicates(jobs: Sequence[tuple[PassJob, Sequence[Shard]]]) -> None:
    """Write which documents are duplicates, a file for each shard of each source; the signatures are all there."""
    if all(exists(note_path(job, shard, "verdicts")) for job, shards in jobs for shard in shards):
        return
    config = jobs[0][0].config
    if isinstance(config, ExactDedup):
        sources = [
            np.concatenate([load_note(note_path(job, shard, "keys"))[:, :2] for shard in shards])
            for job, shards in jobs
        ]
        total = sum(len(keys) for keys in sources)
        verdicts = decide_exact(sources, partitions=-(-total // DECIDE_DOCS) or 1)
    else:
        verdicts = decide_minhash([_band_keys(job, shards) for job, shards in jobs], config.bands)
    for (job, shards), verdict in zip(jobs, verdicts, strict=True):
        start = 0
        for shard in shards:
            number = note_length(note_path(job, shard, "keys"))
            save_note(note_path(job, shard, "verdicts"), verdict[start : start + number])
            start += number


def drop_shard(shard: Shard, job: PassJob) -> Stats:
    """Rewrite a shard without its duplicates; those of an earlier source are counted, and dropped if asked."""
    verdicts = load_note(note_path(job, shard, "verdicts")).tolist()

    def work(documents: Iterator[Document]) -> Iterator[Result]:
        for document, verdict in zip(documents, verdicts, strict=True):
            if verdict == DUPLICATE:
                yield Result(reason=f"duplicate_{job.config.kind}")
            elif verdict == EARLIER_SOURCE and job.config.across == "drop":
                yield Result(reason=f"duplicate_{job.config.kind}_of_earlier_source")
            elif verdict == EARLIER_SOURCE:
                yield Result(document, counts={"also_in_earlier_source": 1})
            else:
                yield Result(document)

    return rewrite_shard(shard, job.output, lambda documents: with_counts(work(documents)), job.hash)


def ngram_shards(group: Shard, sequences: Sequence[Sequence[tuple[Shard, PassJob]]]) -> list[tuple[str, Stats]]:
    """Send one group's shards through one filter, in order, source after source.

    Args:
        group: its index is the group's number.
        sequences: per group, its shards in order with their source's job.

    Returns:
        Per shard, the output folder and the stats; the last entry is the filter's report, under an empty name.
    """
    sequence = sequences[group.index]
    found: list[tuple[str, Stats]] = []
    if not sequence:
        return found
    filter_ = NgramFilter(sequence[0][1].config)
    for shard, job in sequence:
        if finished(shard, job.output, job.hash) is not None:
            # the filter is not stored: what a killed run had remembered is read again
            for document in read_documents(shard.path, shard.index):
                filter_.process(document)
            stats = rewrite_shard(shard, job.output, never, job.hash)
        else:
            counter = open_counter(job.tokens)

            def work(documents: Iterator[Document], counter: Any = counter) -> Iterator[Result]:
                return with_counts(recounted(documents, filter_.process, counter))

            stats = rewrite_shard(shard, job.output, work, job.hash)
        found.append((job.output, stats))
    found.append(("", filter_.report()))
    return found


def _band_keys(job: PassJob, shards: Sequence[Shard]) -> tuple[Callable[[int], NDArray[np.uint64]], NDArray[np.bool_]]:
    def column(number: int) -> NDArray[np.uint64]:
        return np.concatenate([load_column(note_path(job, shard, "keys"), number) for shard in shards])

    return column, column(-1).astype(bool)
