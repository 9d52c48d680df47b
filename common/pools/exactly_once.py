"""One shard's way through a stage: parts that are committed as a whole, put together at the end.

`common.pools.shards.process_shard` drives it. A part counts once its `.json` is there; what lies behind the last
such part is
unfinished work, done again by the next run.
"""

import base64
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import orjson

from common.pools.documents import Document, encode, form_of, open_lines, read_lines, read_positions, write_documents
from common.pools.lock import Lock
from common.pools.shards import Shard
from common.pools.stats import Stats, add_stats, count_into
from common.pools.storage import (
    atomic_write,
    exists,
    is_folder,
    join,
    list_files,
    make_folder,
    read_bytes,
    remove,
)

if TYPE_CHECKING:
    from common.pools.shards import Shard


class Result(NamedTuple):
    """What became of one document: kept (as one or more documents) or dropped for a reason."""

    document: Document | list[Document] | None = None
    reason: str | None = None
    counts: Mapping[str, Any] = MappingProxyType({})
    """Numbers, or mappings to numbers, that add up in the shard's stats."""
    aside: bool = False
    """Keep a dropped document, with its reason, in the rejects."""
    source: Document | None = None
    """The document to set aside, where it is not `document`."""


Transform = Callable[[Iterator[Document]], Iterable[Result]]
"""A stage's work: a stream of documents in, one result for each, in order."""


@dataclass
class Part:
    """The work on one part of a shard that is not committed yet."""

    number: int
    began: float = field(default_factory=time.monotonic)
    kept: list[bytes] = field(default_factory=list)
    rejects: list[bytes] = field(default_factory=list)
    stats: Stats = field(default_factory=lambda: {"docs_in": 0, "docs_out": 0, "drops": {}})

    def add(self, position: int, result: Result) -> None:
        """Take in what became of the document at a position."""
        stats = self.stats
        stats["docs_in"] += 1
        if result.reason is not None:
            stats["drops"][result.reason] = stats["drops"].get(result.reason, 0) + 1
            if result.aside:
                document = result.source or result.document
                self.rejects.append(encode({"position": position, "reason": result.reason, "document": document}))
        elif isinstance(result.document, list):
            self.kept += [encode(document) for document in result.document]
            stats["docs_out"] += len(result.document)
            if len(result.document) > 1:
                stats["copies"] = stats.get("copies", 0) + len(result.document) - 1
        else:
            if result.document is not None:
                self.kept.append(encode(result.document))
            stats["docs_out"] += 1
        if result.counts:
            count_into(stats, result.counts)

    def reject(self, position: int, reason: str, raw: bytes) -> None:
        """Set a line aside that is no document."""
        self.stats["docs_in"] += 1
        self.stats["drops"][reason] = self.stats["drops"].get(reason, 0) + 1
        try:
            row: Document = {"position": position, "reason": reason, "raw": raw.decode()}
        except UnicodeDecodeError:
            row = {"position": position, "reason": reason, "raw_base64": base64.b64encode(raw).decode()}
        self.rejects.append(encode(row))


class Job:
    """One shard on its way through a stage: which parts are committed, which one is in work."""

    def __init__(self, shard: "Shard", output: str, config_hash: str, part_docs: int, form: str) -> None:
        self.shard = shard
        self.output = output
        self.config_hash = config_hash
        self.part_docs = part_docs
        self.target = join(output, shard.name + form)
        self.stats_path = join(output, f"{shard.name}.stats.json")
        self.rejects_path = join(output, f"{shard.name}.rejects.jsonl")
        self.parts_folder = join(output, f".{shard.name}.parts")
        self.committed: list[Stats] = []
        self.input_ended = False

    def finished(self) -> Stats | None:
        """The stats if this shard is done; checks that the folder is this configuration's."""
        if exists(self.stats_path):
            stats = json.loads(read_bytes(self.stats_path))
            self._check(stats)
            return stats
        if is_folder(self.output):
            for path in list_files(self.output):
                if path.endswith(".stats.json"):
                    self._check(json.loads(read_bytes(path)))
                    break  # every one was checked against another when it was written
        return None

    def alone(self) -> "Lock":
        """Entered by one process at a time."""
        return Lock(self.parts_folder)

    def resume(self) -> None:
        """Find the committed parts; what lies behind the last of them is unfinished work and goes."""
        while exists(self._part_path(len(self.committed), "json")):
            stats = json.loads(read_bytes(self._part_path(len(self.committed), "json")))
            self._check(stats)
            self.committed.append(stats)
        self.input_ended = bool(self.committed) and self.committed[-1]["last"]

    def run(self, transform: Transform, *, one_part: bool) -> None:
        """Feed documents to the stage and commit part after part, to the end of the shard or of one part."""
        if self.input_ended:
            return
        parts: dict[int, Part] = {}
        pending: deque[int] = deque()
        first = len(self.committed)
        stop = (first + 1) * self.part_docs if one_part else None
        reached_end = True

        def part_of(position: int) -> Part:
            number = position // self.part_docs
            if number not in parts:
                parts[number] = Part(number)
            return parts[number]

        def feed() -> Iterator[Document]:
            nonlocal reached_end
            source = read_positions(self.shard.path, self.shard.index, on_reject, first * self.part_docs)
            for position, document in source:
                if stop is not None and position >= stop:
                    reached_end = False
                    return
                pending.append(position)
                yield document

        def on_reject(position: int, reason: str, raw: bytes) -> None:
            if stop is None or position < stop:
                part_of(position).reject(position, reason, raw)

        documents = feed()
        for result in transform(documents):
            if not pending:
                raise RuntimeError(f"{self.shard.name}: the stage gave more results than it had documents")
            position = pending.popleft()
            # A result for a later part: all documents before it have theirs, since results come in order.
            while len(self.committed) < position // self.part_docs:
                self._commit(parts.pop(len(self.committed), None), last=False)
            part_of(position).add(position, result)
        for _ in documents:  # what the stage left unread is missed below, with its number
            pass
        if pending:
            raise RuntimeError(f"{self.shard.name}: the stage gave no result for {len(pending)} documents")
        final = max(parts, default=len(self.committed))
        while len(self.committed) <= final:
            number = len(self.committed)
            self._commit(parts.pop(number, None), last=reached_end and number == final)
        self.input_ended = reached_end

    def finish(self) -> Stats:
        """Join the committed parts, put the result in its place, then mark the shard done."""
        total: Stats = {}
        for stats in self.committed:
            total = add_stats(total, {key: value for key, value in stats.items() if key != "last"})
        numbers = range(len(self.committed))
        if form_of(self.target) == ".parquet":
            rows = (orjson.loads(line) for number in numbers for line in read_lines(self._part_path(number, "jsonl")))
            write_documents(self.target, rows)
        else:
            with open_lines(self.target) as target:
                self._copy(target, "jsonl")
        if sum(stats["rejects"] for stats in self.committed):
            with open_lines(self.rejects_path) as target:
                self._copy(target, "rejects.jsonl")
        total.pop("rejects")
        total["seconds"] = round(total["seconds"], 3)
        total = {"shard": self.shard.name, **total}
        with atomic_write(self.stats_path) as target:
            target.write(json.dumps(total, indent=1, ensure_ascii=False).encode())
        remove(self.parts_folder)
        return total

    def _commit(self, part: Part | None, *, last: bool) -> None:
        part = part or Part(len(self.committed))
        with atomic_write(self._part_path(part.number, "jsonl")) as target:
            target.writelines(part.kept)
        if part.rejects:
            with atomic_write(self._part_path(part.number, "rejects.jsonl")) as target:
                target.writelines(part.rejects)
        stats = {
            **part.stats,
            "seconds": time.monotonic() - part.began,
            "config_hash": self.config_hash,
            "rejects": len(part.rejects),
            "last": last,
        }
        with atomic_write(self._part_path(part.number, "json")) as target:  # comes last: it makes the part count
            target.write(json.dumps(stats).encode())
        self.committed.append(stats)

    def _copy(self, target: IO[bytes], kind: str) -> None:
        for number, stats in enumerate(self.committed):
            if kind == "jsonl" or stats["rejects"]:
                target.write(read_bytes(self._part_path(number, kind)))

    def _part_path(self, number: int, kind: str) -> str:
        return join(self.parts_folder, f"{number:06d}.{kind}")

    def _check(self, stats: Mapping[str, Any]) -> None:
        if stats["config_hash"] != self.config_hash:
            raise ValueError(
                f"{self.output} holds output of another configuration (hash {stats['config_hash']}, now "
                f"{self.config_hash}); choose another output folder, or delete this one"
            )


def process_shard(
    shard: Shard,
    output: str | Path,
    transform: Transform,
    *,
    config_hash: str,
    part_docs: int = 1000,
    form: str | None = None,
    restart_each_part: bool = False,
) -> Stats:
    """Run a stage over one shard, exactly once whatever happens.

    Args:
        shard: the input.
        output: the output pool: `<name><form>`, `<name>.stats.json` and, if any, `<name>.rejects.jsonl` appear in it.
        transform: called with the stream of documents that are not done yet; gives one result for each, in order.
        config_hash: of the configuration that shapes the output (`common.config.config_hash`).
        part_docs: input lines per committed part.
        form: how the output is stored, as an ending; the input's own if None.
        restart_each_part: call `transform` anew for each part, for stages whose output depends on how documents are
            batched: then it depends on the part alone and a resumed run equals one that was never stopped.

    Returns:
        The shard's stats: `docs_in` = `docs_out` - `copies` + the sum of `drops`.

    Raises:
        ValueError: the folder holds another configuration's output, or another process works on the shard.
    """
    job = Job(shard, str(output), config_hash, part_docs, form or form_of(shard.path))
    done = job.finished()
    if done is not None:
        return done
    make_folder(str(output))
    with job.alone():
        job.resume()
        if restart_each_part:
            while not job.input_ended:
                job.run(transform, one_part=True)
        else:
            job.run(transform, one_part=False)
        return job.finish()
