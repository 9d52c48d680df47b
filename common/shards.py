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

from common.documents import FORMS, Document, form_of, read_documents, write_documents
from common.shard_job import Job, Result, Transform
from common.stats import Stats, add_stats, count_into
from common.storage import exists, is_folder, list_files, make_folder, read_bytes

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
