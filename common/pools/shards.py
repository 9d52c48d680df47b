"""Pools and their shards: which files are shards, in which order, under which names."""

import fnmatch
import json
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.pools.documents import FORMS, Document, form_of, read_documents
from common.pools.inputs import fixed, refuse_overlap, resolved
from common.pools.stats import Stats
from common.pools.storage import exists, is_folder, is_remote, join, list_below, list_files, read_bytes

NOT_SHARDS = ("metrics.jsonl", "manifest.jsonl")
"""JSONL files of run folders and tokenised sets, which may lie beside shards."""


@dataclass(frozen=True)
class Shard:
    """One file of documents: its number in the pool, its path, and its name without the ending."""

    index: int
    path: str
    name: str


def list_shards(pool: str | Path | Sequence[str], start: int | None = None, end: int | None = None) -> list[Shard]:
    """The shards of a pool in the order of their names, or those numbered start to end, both included.

    Where a folder holds no shards itself, those below it count (DCLM keeps equal names in many folders): such a shard's
    name holds its folders, and so does the name of what is made of it.

    Args:
        pool: folder, glob, one shard, an fsspec URL of these, or several of them, counted one after the other.
        start: number of the first shard wanted, from 0.
        end: number of the last one.

    Raises:
        ValueError: nothing there, two shards of one name, or numbers outside the pool.
    """
    pools = [str(pool)] if isinstance(pool, str | Path) else [str(one) for one in pool]
    found = [(path, name) for one in pools for path, name in _named(one)]
    shards = [Shard(index, path, name) for index, (path, name) in enumerate(found)]
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


def read_stats(output: str | Path) -> list[Stats]:
    """The stats of a pool's finished shards, in the order of their names."""
    folder = str(output)
    if not is_folder(folder):
        return []
    here = [path for path in list_files(folder) if is_mark(path)]
    if here:
        return [json.loads(read_bytes(path)) for path in here]
    below = {name: json.loads(read_bytes(join(folder, name))) for name in sorted(list_below(folder)) if is_mark(name)}
    # another pool inside this folder names its shards without the way to it
    return [stats for name, stats in below.items() if stats.get("shard") == name.removesuffix(".stats.json")]


def refuse_read_again(
    output: str, folder: bool | None, inputs: Iterable[tuple[str, str]], *, run: bool = False
) -> None:
    """Refuse an output of any command that is one of its inputs, or would be read as a part of one.

    Args:
        output: a file, or a folder.
        folder: which of the two; None for what may be either.
        inputs: (field, path) of what the command may read; what is not there is no input.
        run: the folder is a run's, which may hold what the run reads.

    Raises:
        ValueError: the output is an input; a folder holds one, or lies in a pool; a file would be a shard of a pool.
    """
    if folder is None:
        folder = not posixpath.splitext(output)[1]
    for field, path in inputs:
        source, target = resolved(fixed(path)), resolved(output)
        if not _is_there(path):
            continue
        inside = target.startswith(source.rstrip("/") + "/")
        if folder:
            holds = source.startswith(target.rstrip("/") + "/") and not run
            if source == target or holds or (inside and _holds_shards(path)):
                refuse_overlap(output, [path])
        elif source == target:
            raise ValueError(f"the output {output} is the input {field}={path}; choose another place for the output")
        elif inside and posixpath.dirname(target) == source.rstrip("/") and _shards([output]) and _takes(path, target):
            raise ValueError(
                f"the output {output} would be a shard of the pool {field}={path}; choose another place for the output"
            )


def is_mark(name: str) -> bool:
    """Whether a file in a pool marks a finished shard."""
    return name.endswith(".stats.json") and not PurePosixPath(name).name.startswith(".")


def _is_there(path: str) -> bool:
    return is_remote(path) or any(mark in path for mark in "*?") or exists(path)


def _takes(pool: str, file: str) -> bool:
    """Whether a file in a pool's folder would be one of its shards."""
    if any(mark in pool for mark in "*?"):
        return fnmatch.fnmatch(posixpath.basename(file), posixpath.basename(pool))
    return _holds_shards(pool)


def _holds_shards(path: str) -> bool:
    if is_remote(path) or any(mark in path for mark in "*?"):
        return True
    return is_folder(path) and bool(_shards(list_files(path)))


def _named(pool: str) -> list[tuple[str, str]]:
    """Paths and names of a pool's shards."""
    if any(mark in pool for mark in "*?"):
        found = _shards(list_files(pool))
        names = [PurePosixPath(path).name for path in found]
        if len(set(names)) < len(names):
            top = posixpath.commonpath([posixpath.dirname(path) for path in found])
            names = [posixpath.relpath(path, top) for path in found]
    elif is_folder(pool):
        found = _shards(list_files(pool))
        names = [PurePosixPath(path).name for path in found]
        if not found:
            names = sorted(_shards(list(list_below(pool))))
            found = [join(pool, name) for name in names]
    elif exists(pool):
        found, names = [pool], [PurePosixPath(pool).name]
    else:
        raise ValueError(f"no pool at {pool}: there is no such file or folder")
    if not found:
        raise ValueError(f"no shards in {pool}: looked for names that end in {', '.join(FORMS)}")
    return [(path, name.removesuffix(form_of(path))) for path, name in zip(found, names, strict=True)]


def _shards(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if path.endswith(FORMS) and _is_shard(PurePosixPath(path).name)]


def _is_shard(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(".rejects.jsonl") and name not in NOT_SHARDS
