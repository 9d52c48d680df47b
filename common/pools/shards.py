"""Shards and pools, and the rule that every document is processed exactly once.

A shard's output appears under its final name only when complete, then `<shard>.stats.json` marks it done. Until then
its work lies in parts (`.<shard>.parts/`), each committed as a whole, so a kill at any moment costs at most the part in
work. A rerun skips finished shards, continues unfinished ones, and refuses a folder that holds another configuration's
output.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.pools.documents import FORMS, Document, form_of, read_documents
from common.pools.stats import Stats
from common.pools.storage import exists, is_folder, list_files, read_bytes

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


def read_stats(output: str | Path) -> list[Stats]:
    """The stats of a pool's finished shards, in the order of their names."""
    names = [path for path in list_files(str(output)) if path.endswith(".stats.json")]
    return [json.loads(read_bytes(path)) for path in names]


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
