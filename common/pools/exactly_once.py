"""One shard's way through a stage: parts that are committed as a whole, put together at the end.

Until a shard is finished its work lies in `.<shard>.parts/`. A part counts once its `.json` is there, which carries the
part's length and digest and those of the input as far as it was read; what lies behind the last such part is unfinished
work, done again by the next run. So a kill at any moment costs at most the part in work.
"""

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from common.pools.documents import Document, ShardReader, form_of, open_lines
from common.pools.inputs import digest, record, unchanged
from common.pools.lines import PIECE, LinesKept, Taken
from common.pools.lock import alone
from common.pools.marks import Unreadable, mark_done, read_done, read_mark, refuse_other, reject_row
from common.pools.repair import decode, encode
from common.pools.shards import Shard
from common.pools.stats import Stats, add_stats, count_into, documents_in
from common.pools.storage import (
    Written,
    atomic_write,
    join,
    list_below,
    make_folder,
    open_read,
    read_bytes,
    remove,
    sweep_once,
)

log = logging.getLogger("repro")


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


def with_own(document: Document, fields: Mapping[str, Any]) -> Document:
    """A document with a stage's own fields; what it held under their names before is kept beside them.

    An older value goes to `<name>_before`; if that is taken by another value, to `<name>_before_2` and so on.

    >>> with_own({"text": "t", "source": "crawl"}, {"source": "organic"})
    {'text': 't', 'source': 'organic', 'source_before': 'crawl'}
    """
    kept: Document = {}
    for name, value in fields.items():
        old = document.get(name)
        if old is None or old == value:
            continue
        place, number = f"{name}_before", 1
        while document.get(place) not in (None, old):
            number += 1
            place = f"{name}_before_{number}"
        kept[place] = old
    return {**document, **fields, **kept}


class Damaged(ValueError):
    """A committed part is not what its mark says."""

    exit_code = 1

    def __init__(self, number: int, message: str) -> None:
        super().__init__(number, message)
        self.number = number

    def __str__(self) -> str:
        return str(self.args[1])


Transform = Callable[[Iterator[Document]], Iterable[Result]]
"""A stage's work: a stream of documents in, one result for each, in order."""


@dataclass
class Part:
    """The work on one part of a shard that is not committed yet."""

    number: int
    exact: bool = False
    kept: LinesKept = field(default_factory=LinesKept)
    rejects: LinesKept = field(default_factory=LinesKept)
    stats: Stats = field(default_factory=lambda: {"docs_in": 0, "docs_out": 0, "drops": {}})

    def add(self, position: int, result: Result) -> None:
        """Take in what became of the document at a position."""
        stats = self.stats
        stats["docs_in"] += 1
        if result.reason is not None:
            stats["drops"][result.reason] = stats["drops"].get(result.reason, 0) + 1
            if result.aside:
                self.rejects.append(reject_row(position, result.reason, document=result.source or result.document))
        elif isinstance(result.document, list):
            for document in result.document:
                self.kept.append(encode(document, exact=self.exact))
            stats["docs_out"] += len(result.document)
            if len(result.document) > 1:
                stats["copies"] = stats.get("copies", 0) + len(result.document) - 1
        else:
            if result.document is not None:
                self.kept.append(encode(result.document, exact=self.exact))
            stats["docs_out"] += 1
        if result.counts:
            count_into(stats, result.counts)

    def reject(self, position: int, reason: str, raw: bytes) -> None:
        """Set a line aside that is no document."""
        self.stats["docs_in"] += 1
        self.stats["drops"][reason] = self.stats["drops"].get(reason, 0) + 1
        self.rejects.append(reject_row(position, reason, raw))


class ShardWork:
    """One shard on its way through a stage: which parts are committed, which one is in work."""

    def __init__(self, shard: Shard, output: str, config_hash: str, part_docs: int, form: str) -> None:
        self.shard = shard
        self.output = output
        self.config_hash = config_hash
        self.part_docs = part_docs
        self.target = shard.name + form
        folder, _, name = shard.name.rpartition("/")
        self.folder = join(output, folder) if folder else output
        self.parts_folder = join(self.folder, f".{name}.parts")
        self.parquet = form_of(self.target) == ".parquet"
        self.committed: list[Stats] = []
        self.input_ended = False
        self.parts: dict[int, Part] = {}
        self.pending: deque[int] = deque()
        self.clock: float | None = None
        self.reader: ShardReader | None = None
        self.source: Iterator[tuple[int, Document]] = iter(())
        self.ahead: tuple[int, Document] | None = None

    def resume(self) -> None:
        """Find the committed parts; what lies behind the last of them is unfinished work and goes.

        A part that is not what its mark says ends them. If the input is no longer what they were made from, all go.
        """
        names = list_below(self.parts_folder)
        while f"{len(self.committed):06d}.json" in names:
            stats = read_mark(self._part_path(len(self.committed), "json"))
            refuse_other(self.output, stats["config_hash"], self.config_hash)
            wrong = self._wrong(len(self.committed), stats, names)
            if wrong is not None:
                log.warning("%s; it is done again from there", wrong)
                break
            self.committed.append(stats)
        known = (self.committed[-1].get("files") or {}).get("input") if self.committed else None
        if known and not unchanged(self.shard.path, known, whole=self.committed[-1]["last"]):
            log.warning("%s changed since its first parts were committed; it is begun again", self.shard.path)
            self.committed.clear()
        number = len(self.committed)
        while f"{number:06d}.json" in names:
            remove(self._part_path(number, "json"))  # or a later run would take it for a successor of what comes now
            number += 1
        self.input_ended = bool(self.committed) and self.committed[-1]["last"]

    def run(self, transform: Transform, *, one_part: bool) -> None:
        """Feed documents to the stage and commit part after part, to the end of the shard or of one part.

        The shard is read once, from start to end, by however many calls.
        """
        if self.input_ended:
            return
        first = len(self.committed)
        if self.reader is None:
            start = first * self.part_docs
            self.reader = ShardReader(self.shard.path, self.shard.index, self._reject, self._repair, start)
            self.source = iter(self.reader)
        stop = (first + 1) * self.part_docs if one_part else None
        documents = self._feed(stop)
        for result in transform(documents):
            if not self.pending:
                raise RuntimeError(f"{self.shard.name}: the stage gave more results than it had documents")
            position = self.pending.popleft()
            # A result for a later part: all documents before it have theirs, since results come in order.
            while len(self.committed) < position // self.part_docs:
                self._commit(last=False)
            self._part_of(position).add(position, result)
        for _ in documents:  # what the stage left unread is missed below, with its number
            pass
        if self.pending:
            raise RuntimeError(f"{self.shard.name}: the stage gave no result for {len(self.pending)} documents")
        final = max(self.parts, default=len(self.committed)) if self.input_ended else first
        while len(self.committed) <= final:
            self._commit(last=self.input_ended and len(self.committed) == final)
        if self.input_ended and self.reader.broken:
            log.warning("%s; what was read before is kept", self.reader.broken)

    def finish(self) -> Stats:
        """Join the committed parts, put the result in its place, then mark the shard done; the parts stay.

        Raises:
            Unreadable: the shard is damaged, and not one document could be read of it.
            Damaged: a part is not what was committed.
        """
        total: Stats = {}
        for stats in self.committed:
            total = add_stats(total, {key: value for key, value in stats.items() if key != "last"})
        if total["drops"].get("broken_compression") and not documents_in(total):
            self.clear()
            raise Unreadable(f"no document could be read from {self.shard.path}: it is damaged from its beginning")
        outputs = {self.target: self._join()}
        if total.pop("rejects"):
            name = f"{self.shard.name}.rejects.jsonl"
            files: list[Written] = []
            with open_lines(join(self.output, name), files) as target:
                self._copy(target, "rejects.jsonl")
            outputs[name] = files[0].sum()
        total["seconds"] = round(total["seconds"], 3)
        known = (self.committed[-1].get("files") or {}).get("input") or record(self.shard.path)
        counts = {key: value for key, value in total.items() if key != "config_hash"}
        return mark_done(self.output, self.shard.name, counts, self.config_hash, source=known, outputs=outputs)

    def clear(self) -> None:
        """Remove the parts."""
        remove(self.parts_folder)

    def _feed(self, stop: int | None) -> Iterator[Document]:
        if self.clock is None:
            self.clock = time.monotonic()  # the stage asks for work, so its models are there: start-up is over
        while True:
            found = self.ahead or next(self.source, None)
            self.ahead = None
            if found is None:
                self.input_ended = True
                return
            if stop is not None and found[0] >= stop:
                self.ahead = found
                return
            self.pending.append(found[0])
            yield found[1]

    def _part_of(self, position: int) -> Part:
        number = position // self.part_docs
        if number not in self.parts:
            self.parts[number] = Part(number, self.parquet)
        return self.parts[number]

    def _reject(self, position: int, reason: str, raw: bytes) -> None:
        self._part_of(position).reject(position, reason, raw)

    def _repair(self, position: int, name: str) -> None:
        count_into(self._part_of(position).stats, {"repaired": {name: 1}})

    def _commit(self, *, last: bool) -> None:
        number = len(self.committed)
        part = self.parts.pop(number, None) or Part(number)
        files = {}
        for kind, lines in (("jsonl", part.kept), ("rejects.jsonl", part.rejects)):
            if lines or kind == "jsonl":
                with atomic_write(self._part_path(number, kind)) as target:
                    target.writelines(lines)
                files[kind] = target.sum()
        now = time.monotonic()
        stats = {
            **part.stats,
            "seconds": now - (self.clock or now),
            "config_hash": self.config_hash,
            "rejects": len(part.rejects),
            "last": last,
            "files": {**files, **({"input": self.reader.taken()} if self.reader else {})},
        }
        self.clock = now
        with atomic_write(self._part_path(number, "json")) as target:  # comes last: it makes the part count
            target.write(json.dumps(stats).encode())
        self.committed.append(stats)

    def _wrong(self, number: int, stats: Stats, names: Mapping[str, int]) -> str | None:
        """What is wrong with a part's files, or None."""
        kinds = ["jsonl"] + (["rejects.jsonl"] if stats["rejects"] else [])
        for kind in kinds:
            name, path = f"{number:06d}.{kind}", self._part_path(number, kind)
            if name not in names:
                return f"{path} is gone"
            about = (stats.get("files") or {}).get(kind)
            if about is None:  # committed by an earlier version
                rows = stats["docs_out"] if kind == "jsonl" else stats["rejects"]
                if read_bytes(path).count(b"\n") != rows:
                    return f"{path} does not hold its {rows} lines"
            elif names[name] != about["bytes"] or digest(path) != about["digest"]:
                return f"{path} is not what was committed"
        return None

    def _join(self) -> dict[str, Any]:
        """The parts as one file; its length and digest."""
        target = join(self.output, self.target)
        if self.parquet:
            from common.pools.parquet import read_schema, write_parquet

            known = [read_schema(self.shard.path)] if form_of(self.shard.path) == ".parquet" else []
            return write_parquet(target, self._kept, known)[1]
        files: list[Written] = []
        with open_lines(target, files) as lines:
            self._copy(lines, "jsonl")
        return files[0].sum()

    def _kept(self) -> Iterator[Document]:
        for number in range(len(self.committed)):
            rest = b""
            for piece in self._read_part(number, "jsonl"):
                *rows, rest = (rest + piece).split(b"\n")
                yield from map(decode, rows)

    def _copy(self, target: IO[bytes], kind: str) -> None:
        for number, stats in enumerate(self.committed):
            if kind == "jsonl" or stats["rejects"]:
                for piece in self._read_part(number, kind):
                    target.write(piece)

    def _read_part(self, number: int, kind: str) -> Iterator[bytes]:
        """A committed file, piece by piece; whether it is what its mark says shows behind the last one."""
        path, taken = self._part_path(number, kind), Taken()
        with open_read(path) as source:
            while piece := source.read(PIECE):
                taken.update(piece)
                yield piece
        about = (self.committed[number].get("files") or {}).get(kind)
        if about is not None and taken.digest() != about["digest"]:
            raise Damaged(number, f"{path} is not what was committed")

    def _part_path(self, number: int, kind: str) -> str:
        """A part's file: under the name that its mark gives, where several workers may have written the part."""
        files = self.committed[number].get("files") or {} if number < len(self.committed) else {}
        return join(self.parts_folder, files.get(kind, {}).get("name", f"{number:06d}.{kind}"))


def process_shard(
    shard: Shard,
    output: str | Path,
    transform: Transform,
    *,
    config_hash: str,
    part_docs: int = 1000,
    form: str | None = None,
    restart_each_part: bool = False,
    verify: bool = False,
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
        verify: of a finished shard, compare the outputs' digests too, not only their lengths.

    Returns:
        The shard's stats: `docs_in` = `docs_out` - `copies` + the sum of `drops`.

    Raises:
        ValueError: the folder holds another configuration's output, the input changed since it was finished, or another
            process works on the shard.
        Unreadable: the shard is damaged, and not one document could be read of it.
    """
    place, form = str(output), form or form_of(shard.path)

    def finished() -> Stats | None:
        outputs = [shard.name + form]
        return read_done(place, shard.name, config_hash, source=shard.path, outputs=outputs, verify=verify)

    done = finished()
    if done is not None:
        return done
    work = ShardWork(shard, place, config_hash, part_docs, form)
    make_folder(work.folder)
    with alone(work.parts_folder) as waited:
        if waited and (done := finished()) is not None:
            return done
        sweep_once(work.folder)
        work.resume()
        while not work.input_ended:
            work.run(transform, one_part=restart_each_part)
        done = work.finish()
        work.clear()
        return done
