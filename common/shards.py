"""Shards and pools, and the rule that every document is processed exactly once.

A shard's output appears under its final name only when complete, then `<shard>.stats.json` marks it done. Until then
its work lies in parts (`.<shard>.parts/`), each committed as a whole, so a kill at any moment costs at most the part in
work. A rerun skips finished shards, continues unfinished ones, and refuses a folder that holds another configuration's
output.
"""

import base64
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import IO, Any, NamedTuple

import orjson

from common.documents import (
    FORMS,
    Document,
    encode,
    form_of,
    open_lines,
    read_documents,
    read_lines,
    read_positions,
    write_documents,
)
from common.storage import (
    atomic_write,
    exists,
    is_folder,
    is_remote,
    join,
    list_files,
    local_path,
    make_folder,
    read_bytes,
    remove,
)

__all__ = [
    "Document",
    "Result",
    "Shard",
    "Transform",
    "add_stats",
    "count_into",
    "list_shards",
    "process_shard",
    "read_documents",
    "read_pool",
    "read_stats",
    "write_documents",
]

NOT_SHARDS = ("metrics.jsonl", "manifest.jsonl")
"""JSONL files of run folders and tokenised sets, which may lie beside shards."""

Stats = dict[str, Any]


@dataclass(frozen=True)
class Shard:
    """One file of documents: its number in the pool, its path, and its name without the ending."""

    index: int
    path: str
    name: str


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


def list_shards(pool: str | Path | Sequence[str], start: int | None = None, end: int | None = None) -> list[Shard]:
    """The shards of a pool in the order of their names, or those numbered start to end, both included.

    Args:
        pool: folder, glob, one shard, an fsspec URL of these, or several of them, counted one after the other.
        start: number of the first shard wanted, from 0.
        end: number of the last one.

    Raises:
        ValueError: nothing there, two shards of one name, or numbers outside the pool.
    """
    pools = [str(pool)] if isinstance(pool, str | Path) else [str(one) for one in pool]
    paths = [path for one in pools for path in _paths(one)]
    shards = [
        Shard(index, path, PurePosixPath(path).name.removesuffix(form_of(path))) for index, path in enumerate(paths)
    ]
    names: dict[str, str] = {}
    for shard in shards:
        if shard.name in names:
            raise ValueError(f"two shards named {shard.name}: {names[shard.name]} and {shard.path}")
        names[shard.name] = shard.path
    first, last = start or 0, len(shards) - 1 if end is None else end
    if first > last:
        raise ValueError(f"START {first} is after END {last}")
    if first < 0 or last >= len(shards):
        raise ValueError(f"{', '.join(pools)} has shards 0 to {len(shards) - 1}; {first} to {last} were asked for")
    return shards[first : last + 1]


def read_pool(pool: str | Path | Sequence[str], start: int | None = None, end: int | None = None) -> Iterator[Document]:
    """All documents of a pool, shard after shard; lines that are no documents are passed over."""
    for shard in list_shards(pool, start, end):
        yield from read_documents(shard.path, shard.index)


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
    job = _Job(shard, str(output), config_hash, part_docs, form or form_of(shard.path))
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


def read_stats(output: str | Path) -> list[Stats]:
    """The stats of a pool's finished shards, in the order of their names."""
    names = [path for path in list_files(str(output)) if path.endswith(".stats.json")]
    return [json.loads(read_bytes(path)) for path in names]


def add_stats(first: Mapping[str, Any], second: Mapping[str, Any]) -> Stats:
    """Add two shards' stats, number by number; order does not matter. The shard's name goes.

    Raises:
        ValueError: they were made with two configurations.
    """
    total: Stats = {}
    for key in [*first, *(key for key in second if key not in first)]:
        if key == "shard":
            continue
        if key not in first or key not in second:
            total[key] = first.get(key, second.get(key))
            continue
        one, other = first[key], second[key]
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            total[key] = add_stats(one, other)
        elif isinstance(one, str) or isinstance(other, str):
            if one != other:
                raise ValueError(f"stats of two configurations do not add: {key} is {one!r} and {other!r}")
            total[key] = one
        else:
            total[key] = one + other
    return total


def count_into(stats: Stats, counts: Mapping[str, Any]) -> None:
    """Add one result's counts to a shard's stats, in place: `add_stats` for what happens once a document.

    >>> stats = {"tokens": 3}
    >>> count_into(stats, {"tokens": 4, "flags": {"short": 1}})
    >>> stats
    {'tokens': 7, 'flags': {'short': 1}}
    """
    for name, value in counts.items():
        if isinstance(value, Mapping):
            count_into(stats.setdefault(name, {}), value)
        else:
            stats[name] = stats.get(name, 0) + value


def _paths(pool: str) -> list[str]:
    if any(mark in pool for mark in "*?") or is_folder(pool):
        found = list_files(pool)
    elif exists(pool):
        return [pool] if form_of(pool) else []
    else:
        raise ValueError(f"no pool at {pool}: there is no such file or folder")
    shards = [path for path in found if path.endswith(FORMS) and _is_shard(PurePosixPath(path).name)]
    if not shards:
        raise ValueError(f"no shards in {pool}: looked for names that end in {', '.join(FORMS)}")
    return shards


def _is_shard(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(".rejects.jsonl") and name not in NOT_SHARDS


@dataclass
class _Part:
    """The work on one part of a shard that is not committed yet."""

    number: int
    began: float = field(default_factory=time.monotonic)
    kept: list[bytes] = field(default_factory=list)
    rejects: list[bytes] = field(default_factory=list)
    stats: Stats = field(default_factory=lambda: {"docs_in": 0, "docs_out": 0, "drops": {}})

    def add(self, position: int, result: Result) -> None:
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
        self.stats["docs_in"] += 1
        self.stats["drops"][reason] = self.stats["drops"].get(reason, 0) + 1
        try:
            row: Document = {"position": position, "reason": reason, "raw": raw.decode()}
        except UnicodeDecodeError:
            row = {"position": position, "reason": reason, "raw_base64": base64.b64encode(raw).decode()}
        self.rejects.append(encode(row))


class _Job:
    """One shard on its way through a stage: which parts are committed, which one is in work."""

    def __init__(self, shard: Shard, output: str, config_hash: str, part_docs: int, form: str) -> None:
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

    def alone(self) -> "_Lock":
        return _Lock(self.parts_folder)

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
        parts: dict[int, _Part] = {}
        pending: deque[int] = deque()
        first = len(self.committed)
        stop = (first + 1) * self.part_docs if one_part else None
        reached_end = True

        def part_of(position: int) -> _Part:
            number = position // self.part_docs
            if number not in parts:
                parts[number] = _Part(number)
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

    def _commit(self, part: _Part | None, *, last: bool) -> None:
        part = part or _Part(len(self.committed))
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


class _Lock:
    """Keeps a second process of this machine off a shard; a killed process lets go by itself."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.handle: IO[bytes] | None = None

    def __enter__(self) -> None:
        if is_remote(self.folder):
            return  # object stores have no locks; START and END keep array jobs apart
        import fcntl

        make_folder(self.folder)
        self.handle = (local_path(self.folder) / "lock").open("wb")
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.handle.close()
            raise ValueError(f"another process is working on {self.folder}") from None

    def __exit__(self, *_: object) -> None:
        if self.handle is not None:
            self.handle.close()
