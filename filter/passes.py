"""Passes over whole sources. Duplicates, test items: one signs every shard, then a decision, then one rewrites.

What a pass leaves beside the shards (signatures, verdicts) lies in the step's own folder, whose name carries the hash
of all that shapes it: a file that is there is right, and a rerun goes on behind it.
"""

import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.documents import read_documents
from common.shards import Document, Result, Shard, add_stats, process_shard
from common.storage import atomic_write, exists, join, read_bytes
from filter.decontaminate import DecontaminateConfig, open_index, owners_of, rare, report, scan, treat
from filter.dedup import (
    DUPLICATE,
    EARLIER_SOURCE,
    ExactDedup,
    MinHashDedup,
    NgramFilter,
    decide_exact,
    decide_minhash,
    exact_keys,
    minhash_keys,
)
from filter.heuristics import judge_all
from filter.steps import Stats, rewrite_shard
from filter.tokens import TokenCountConfig, open_counter

DECIDE_DOCS = 4_000_000
"""Keys of exact duplicates sorted at a time: about 0.3 GB."""


@dataclass(frozen=True)
class PassJob:
    """One source in one pass; goes to worker processes."""

    notes: str
    """Folder for signatures and verdicts."""
    output: str
    """Folder for the rewritten pool."""
    hash: str
    config: Any
    tokens: TokenCountConfig


def heuristics_shard(shard: Shard, folder: str, hash_: str, rules: Sequence[Any]) -> Stats:
    """Write what the heuristics leave of one shard."""
    return process_shard(shard, folder, lambda documents: judge_all(documents, rules), config_hash=hash_)


def sign_shard(shard: Shard, job: PassJob) -> None:
    """Write the keys by which a shard's documents are compared: [N, C] integers, the last column whether to compare."""
    path = _note(job, shard, "keys")
    if exists(path):
        return
    texts = (document["text"] for document in read_documents(shard.path, shard.index))
    if isinstance(job.config, MinHashDedup):
        keys, has = minhash_keys(texts, job.config)
    else:
        keys = exact_keys(texts)
        has = np.ones(len(keys), bool)
    _save(path, np.column_stack([keys, has.astype(np.uint64)]))


def decide_duplicates(jobs: Sequence[tuple[PassJob, Sequence[Shard]]]) -> None:
    """Write which documents are duplicates, a file for each shard of each source; the signatures are all there."""
    if all(exists(_note(job, shard, "verdicts")) for job, shards in jobs for shard in shards):
        return
    config = jobs[0][0].config
    if isinstance(config, ExactDedup):
        sources = [
            np.concatenate([_load(_note(job, shard, "keys"))[:, :2] for shard in shards]) for job, shards in jobs
        ]
        total = sum(len(keys) for keys in sources)
        verdicts = decide_exact(sources, partitions=-(-total // DECIDE_DOCS) or 1)
    else:
        verdicts = decide_minhash([_band_keys(job, shards) for job, shards in jobs], config.bands)
    for (job, shards), verdict in zip(jobs, verdicts, strict=True):
        start = 0
        for shard in shards:
            number = len(_load(_note(job, shard, "keys")))
            _save(_note(job, shard, "verdicts"), verdict[start : start + number])
            start += number


def drop_shard(shard: Shard, job: PassJob) -> Stats:
    """Rewrite a shard without its duplicates; those of an earlier source are counted, and dropped if asked."""
    verdicts = _load(_note(job, shard, "verdicts")).tolist()

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

    return rewrite_shard(shard, job.output, lambda documents: _counted(work(documents)), job.hash)


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
        if exists(join(job.output, f"{shard.name}.stats.json")):
            # the filter is not stored: what a killed run had remembered is read again
            for document in read_documents(shard.path, shard.index):
                filter_.process(document)
            stats = rewrite_shard(shard, job.output, _never, job.hash)
        else:
            counter = open_counter(job.tokens)

            def work(documents: Iterator[Document], counter: Any = counter) -> Iterator[Result]:
                return _counted(_recounted(documents, filter_.process, counter))

            stats = rewrite_shard(shard, job.output, work, job.hash)
        found.append((job.output, stats))
    found.append(("", filter_.report()))
    return found


def scan_shard(shard: Shard, job: PassJob) -> None:
    """Write which of the evaluation items' n-grams each document holds."""
    path = _note(job, shard, "grams")
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
    grams = json.loads(read_bytes(_note(job, shard, "grams")))
    counter = open_counter(job.tokens)

    def work(documents: Iterator[Document]) -> Iterator[Result]:
        before, after = itertools.tee(documents)
        for document, result in zip(before, treat(after, grams, counted, job.config), strict=True):
            yield _recount(document, result, counter)

    return rewrite_shard(shard, job.output, lambda documents: _counted(work(documents)), job.hash)


def sum_stats(stats: Iterable[Stats]) -> Stats:
    """All shards' stats as one; empty for none."""
    total: Stats = {}
    for one in stats:
        total = add_stats(total, one) if total else dict(one)
    return total


def _counted(results: Iterable[Result]) -> Iterator[Result]:
    """Add the tokens that go on to each result's counts."""
    for result in results:
        if result.reason is None and "token_count" in (result.document or {}):
            tokens = {"tokens_out": result.document["token_count"]}  # type: ignore[index,call-overload]
            yield Result(result.document, counts={**result.counts, **tokens})
        else:
            yield result


def _recounted(documents: Iterable[Document], process: Callable[[Document], Result], counter: Any) -> Iterator[Result]:
    for document in documents:
        yield _recount(document, process(document), counter)


def _recount(before: Document, result: Result, counter: Any) -> Result:
    """A document whose text became shorter has fewer tokens."""
    after = result.document
    if result.reason is None and counter and after["text"] != before["text"]:  # type: ignore[index,call-overload]
        return Result({**after, "token_count": counter([after["text"]])[0]}, counts=result.counts)  # type: ignore[dict-item,index,call-overload]
    return result


def _never(documents: Iterator[Document]) -> Iterator[Result]:
    raise RuntimeError("a finished shard was to be rewritten")


def _grams(job: PassJob, shards: Sequence[Shard]) -> Iterator[list[int]]:
    for shard in shards:
        yield from json.loads(read_bytes(_note(job, shard, "grams")))


def _band_keys(job: PassJob, shards: Sequence[Shard]) -> tuple[Callable[[int], NDArray[np.uint64]], NDArray[np.bool_]]:
    def column(number: int) -> NDArray[np.uint64]:
        return np.concatenate([_load(_note(job, shard, "keys"))[:, number] for shard in shards])

    return column, column(-1).astype(bool)


def _note(job: PassJob, shard: Shard, what: str) -> str:
    return join(job.notes, f"{shard.name}.{what}")


def _save(path: str, array: NDArray[Any]) -> None:
    with atomic_write(path) as target:
        np.save(target, array, allow_pickle=False)


def _load(path: str) -> NDArray[Any]:
    return np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
