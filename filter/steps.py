"""One shard through one step: pools rewritten document by document, whole or not at all.

A rewriting step costs no more than reading: it redoes a whole shard after a kill, and holds one document of it in
memory. Its pool is plain JSON lines, since it is written once, read several times, and read document by document by the
mix; the finished pool is compressed.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Any

from common.pools.documents import Document, ShardReader, open_lines
from common.pools.exactly_once import Result
from common.pools.inputs import Record
from common.pools.lines import read_lines
from common.pools.marks import MARK, Unreadable, mark_done, read_done, read_mark
from common.pools.repair import encode
from common.pools.shards import Shard, is_mark
from common.pools.stats import count_into
from common.pools.storage import Written, exists, is_folder, join, list_files, sweep_once

Stats = dict[str, Any]
Work = Callable[[Iterator[Document]], Iterable[Result]]

log = logging.getLogger("repro.filter")

UNREADABLE = "broken_compression"
"""Reason of the one line that a shard counts for of which nothing can be read."""

STEP_FORM = ".jsonl"
"""How a step's pool is stored."""


class Draft:
    """One shard of a step's pool while it is written: the lines go to a file, the counts add up here."""

    def __init__(self, shard: Shard, output: str, config_hash: str) -> None:
        self.shard = shard
        self.output = output
        self.name = shard.name + STEP_FORM
        self.path = join(output, self.name)
        self.config_hash = config_hash
        self.began = time.monotonic()
        self.stats: Stats = {"docs_in": 0, "docs_out": 0, "drops": {}}
        self.files: list[Written] = []

    def open(self) -> AbstractContextManager[IO[bytes]]:
        """The shard's file, for its lines; it appears when the block ends well."""
        return open_lines(self.path, self.files)

    def add(self, result: Result, target: IO[bytes]) -> None:
        """Count one document's result and write what is left of it."""
        if result.counts:
            count_into(self.stats, result.counts)
        if result.reason is not None:
            self.drop(result.reason)
        else:
            self.stats["docs_in"] += 1
            self.stats["docs_out"] += 1
            target.write(encode(result.document))

    def drop(self, reason: str, number: int = 1) -> None:
        """Count documents that are dropped for a reason."""
        self.stats["docs_in"] += number
        self.stats["drops"][reason] = self.stats["drops"].get(reason, 0) + number

    def reject(self, position: int, reason: str, raw: bytes) -> None:
        """Count a line that is no document; the step that met it first keeps it in its rejects."""
        del position, raw
        self.drop(reason)

    def commit(self, source: Record | None) -> Stats:
        """Mark the shard done; its file is in place, and `source` tells what it was made from."""
        stats = {**self.stats, "seconds": round(time.monotonic() - self.began, 3)}
        outputs = {self.name: self.files[-1].sum()}
        return mark_done(self.output, self.shard.name, stats, self.config_hash, source=source, outputs=outputs)


def finished(shard: Shard, output: str, config_hash: str) -> Stats | None:
    """The stats of a shard that a step is done with, or None.

    Raises:
        ValueError: the folder holds another recipe's output, or the shard changed since.
    """
    return read_done(output, shard.name, config_hash, source=shard.path, outputs=[shard.name + STEP_FORM])


def stands(folder: str, config_hash: str) -> bool | None:
    """Whether shards that a step finished under a hash are as their marks say; None where nothing is marked.

    On this ground the work of a version is believed that worked the hash out otherwise: each mark bears that hash, and
    beside it lie as many documents as it counts.
    """
    marks = [path for path in list_files(folder) if is_mark(path)] if is_folder(folder) else []
    for path in marks:
        stats = read_mark(path)
        rows = path.removesuffix(MARK) + STEP_FORM
        if stats["config_hash"] != config_hash or not exists(rows):
            return False
        if sum(1 for _ in read_lines(rows)) != stats["docs_out"]:
            return False
    return True if marks else None


def read_or_count(shard: Shard, work: Callable[[Shard], Stats]) -> Stats:
    """A step's work on a shard as the user gave it; one that cannot be read at all is a counted reject, with its name.

    It is not marked done, and the steps behind pass it over.
    """
    try:
        return work(shard)
    except Unreadable as error:
        log.warning("%s; it is counted as %s, and the other shards go on", error, UNREADABLE)
        return {"docs_in": 1, "docs_out": 0, "drops": {UNREADABLE: 1}, "unreadable": {shard.path: 1}}


def rewrite_shard(shard: Shard, output: str, work: Work, config_hash: str) -> Stats:
    """Write what a step makes of one shard; a finished shard is left as it is.

    Args:
        shard: the input.
        output: folder of the output pool.
        work: gives one result per document.
        config_hash: of what shapes the output.

    Returns:
        The shard's stats; `docs_in` = `docs_out` + the sum of `drops`, lines that are no documents included.

    Raises:
        ValueError: the folder holds another recipe's output, or the shard changed since.
    """
    done = finished(shard, output, config_hash)
    if done is not None:
        return done
    draft = Draft(shard, output, config_hash)
    reader = ShardReader(shard.path, shard.index, draft.reject)
    sweep_once(output)
    with draft.open() as target:
        for result in work(document for _, document in reader):
            draft.add(result, target)
    return draft.commit(reader.taken())
