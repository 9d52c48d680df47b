"""The mixing step: the selected documents in one seeded order, as one pool.

The order is that of a hash of (seed, source, id, copy), so it depends on neither workers nor shard order. Two passes in
bounded memory: every document of a selected pool gets a row in its shard's index (where it lies, and its key), then
each output shard takes the documents whose keys fall into its range, and sorts them. Between the passes
`filter.mixing.planning` deals the rows of all indexes out to the output shards.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.hashing import hash_id
from common.pools.documents import form_of, open_lines, read_documents
from common.pools.exactly_once import with_own
from common.pools.inputs import place_of
from common.pools.lines import Taken
from common.pools.marks import mark_done, read_done
from common.pools.repair import decode, encode, id_text
from common.pools.shards import Shard
from common.pools.storage import Written, atomic_write, join, open_read, remove, sweep_once
from filter.mixing.shares import Share
from filter.mixing.versions import page_hash
from filter.notes import load_note, tokens_of
from filter.selection.cut import Columns, keep
from filter.steps import Stats

KEY, OFFSET, LENGTH, COPY, TOKENS, SHARD = range(6)
"""Columns of an index: the key that orders the mix, where the line lies (bytes), which copy it is, its tokens. A plan
has one more: the number of the shard that the row comes from, among all of all sources."""


@dataclass(frozen=True)
class MixJob:
    """What the two passes need to know; goes to worker processes."""

    folder: str
    """For the indexes and plans."""
    output: str
    seed: int
    config_hash: str
    form: str
    old_ids: bool = False
    """Whether recycled documents name their pages in their ids (`filter.mixing.versions`)."""
    schemas: tuple[str, ...] = ()
    """Parquet files of the sources, whose types an output as Parquet keeps."""

    def index_path(self, source: str, shard: Shard) -> str:
        """Where the index of a selected pool's shard lies."""
        return join(self.folder, f"{source}/{shard.name}.index.npy")

    def plan_path(self, shard: Shard) -> str:
        """Where the rows of an output shard lie, from the planning to the end of its writing."""
        return join(self.folder, f"{shard.name}.plan.npy")

    def gathered(self, shard: Shard) -> Stats | None:
        """The stats of an output shard that is written, or None."""
        return read_done(self.output, shard.name, self.config_hash, outputs=[shard.name + self.form])


def pool_columns(shards: Sequence[Shard], seed: int) -> list[Columns]:
    """Ids and tokens of a selected pool, to choose documents by a seeded hash: [N] arrays, 24 bytes a document."""
    found = []
    for shard in shards:
        hashes, tokens = [], []
        for document in read_documents(shard.path, shard.index):
            hashes.append(hash_id(id_text(document["id"]), seed, "draw"))
            number = tokens_of(document)
            tokens.append(1 if number is None else number)
        # the score is the same for all, so that the hash alone decides
        zeros = np.zeros(len(hashes))
        found.append(Columns(zeros, np.array(tokens, np.int64), np.array(hashes, np.uint64)))
    return found


def index_shard(shard: Shard, job: MixJob, source: str, share: Share, dropped: NDArray[np.uint64]) -> Stats:
    """First pass: write where the documents of a shard lie that go into the mix, sorted by key.

    Args:
        shard: of a selected pool (plain JSON lines).
        job: the mix.
        source: name of the pool.
        share: how often its documents come.
        dropped: sorted hashes of ids that stay out because their page's other version is kept.

    Returns:
        Documents and tokens that go into the mix, and documents dropped by reason.
    """
    folder = join(job.folder, source)
    name = f"{shard.name}.index.npy"
    done = read_done(folder, shard.name, job.config_hash, source=shard.path, outputs=[name])
    if done is not None:
        return done
    place, taken = place_of(shard.path), Taken()
    cut_columns = pool_columns([shard], job.seed)[0] if share.cut else None
    once_more = keep(share.cut, cut_columns, shard.index) if share.cut and cut_columns else None
    stats: Stats = {"docs_in": 0, "docs_out": 0, "copies": 0, "tokens": 0, "drops": {}}
    rows: list[tuple[int, ...]] = []
    offset = 0
    with open_read(shard.path) as lines:
        for number, line in enumerate(lines):
            taken.update(line)
            document = decode(line)
            copies = share.whole + int(once_more is not None and once_more[number])
            if len(dropped) and _contains(dropped, page_hash(document, job.old_ids)):
                copies, reason = 0, "other_version_kept"
            else:
                reason = "over_budget"
            if not copies:
                stats["drops"][reason] = stats["drops"].get(reason, 0) + 1
            tokens = tokens_of(document) or 0
            for copy in range(copies):
                key = hash_id(id_text(document["id"]), job.seed, source, copy)
                rows.append((key, offset, len(line), copy, tokens))
            stats["docs_in"] += 1
            stats["docs_out"] += copies
            stats["copies"] += max(copies - 1, 0)
            stats["tokens"] += copies * tokens
            offset += len(line)
    index = np.array(rows, np.uint64).reshape(-1, 5)
    with atomic_write(job.index_path(source, shard)) as target:
        np.save(target, index[np.argsort(index[:, KEY], kind="stable")], allow_pickle=False)
    known = {"place": place, "bytes": taken.bytes, "digest": taken.digest()}
    outputs = {name: target.sum()}
    return mark_done(folder, shard.name, stats, job.config_hash, source=known, outputs=outputs)


def gather_shard(shard: Shard, job: MixJob, shards: Sequence[tuple[str, Shard]]) -> Stats:
    """Second pass: write the documents whose keys lie in one output shard's range, in the keys' order.

    Args:
        shard: the output shard.
        job: the mix; its plan for this shard is there.
        shards: all shards of the selected pools, with their source.
    """
    name = shard.name + job.form
    done = job.gathered(shard)
    if done is not None:
        return done
    began = time.monotonic()
    lines: list[tuple[int, bytes]] = []
    plan = load_note(job.plan_path(shard))  # the rows of one source shard stand together
    bounds = np.flatnonzero(np.diff(plan[:, SHARD])) + 1
    for rows in np.split(plan, bounds) if len(plan) else ():
        lines += _read_lines(shards[int(rows[0, SHARD])][1], rows)
    tokens = int(plan[:, TOKENS].sum())
    lines.sort()  # by key, then by content: documents that share an id have an order too
    path = join(job.output, name)
    sweep_once(job.output)
    if form_of(path) == ".parquet":
        from common.pools.parquet import read_schema, write_parquet

        known = [read_schema(path) for path in job.schemas]
        written = write_parquet(path, lambda: (decode(line) for _, line in lines), known)[1]
    else:
        files: list[Written] = []
        with open_lines(path, files) as target:
            for start in range(0, len(lines), 256):
                target.write(b"".join(line for _, line in lines[start : start + 256]))
        written = files[0].sum()
    stats = {
        "docs_in": len(lines),
        "docs_out": len(lines),
        "drops": {},
        "tokens": tokens,
        "seconds": round(time.monotonic() - began, 3),
    }
    marked = mark_done(job.output, shard.name, stats, job.config_hash, outputs={name: written})
    remove(job.plan_path(shard))
    return marked


def _read_lines(shard: Shard, rows: NDArray[np.uint64]) -> Iterator[tuple[int, bytes]]:
    with open_read(shard.path) as source:
        for key, offset, length, copy, *_ in rows.tolist():
            source.seek(offset)
            line = source.read(length)
            yield key, (encode(with_own(decode(line), {"copy": copy})) if copy else line)


def _contains(sorted_hashes: NDArray[np.uint64], value: int) -> bool:
    place = int(np.searchsorted(sorted_hashes, np.uint64(value)))
    return place < len(sorted_hashes) and int(sorted_hashes[place]) == value
