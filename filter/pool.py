"""A source pool: where the user names it, what it held when it was read, where it is on its way through the steps."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.pools.inputs import place_of, unchanged
from common.pools.shards import Shard
from common.pools.storage import exists, join, list_below, read_bytes
from common.runs.folder import write_json

INPUTS = "inputs.json"
"""In a run's and a work folder: pool → shard → what tells its content (`common.pools.inputs`)."""


@dataclass(frozen=True)
class Pool:
    """A source on its way through the steps: where its documents are now, and the hash of all that led there."""

    name: str
    folder: str
    hash: str


def resolve(path: str) -> str:
    """A pool's place: the path itself, or the `dataset_url` in a DCLM dataset reference.

    Raises:
        ValueError: the reference is missing or names no pool.
    """
    if not path.endswith(".json"):
        return path
    if not exists(path):
        raise ValueError(f"no dataset reference at {path}")
    try:
        reference = json.loads(read_bytes(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(reference, dict) or not isinstance(reference.get("dataset_url"), str):
        raise ValueError(f"{path} names no dataset_url")
    return reference["dataset_url"]


def refuse_changed(folder: str, pools: Mapping[str, Sequence[Shard]]) -> None:
    """Compare pools with what a folder's work was made from; a folder that knows nothing of them is believed.

    Raises:
        ValueError: a shard was added, taken away or changed.
    """
    known = _read(folder)
    for pool, shards in pools.items():
        before = known.get(pool)
        if before is None:
            continue
        now = {shard.name: shard for shard in shards}
        added, gone = sorted(now.keys() - before), sorted(before.keys() - now)
        changed = [name for name in now.keys() & before if not _same(now[name].path, before[name])]
        for names, what in ((added, "was added"), (gone, "is gone"), (sorted(changed), "changed")):
            if names:
                more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
                raise ValueError(
                    f"{pool}: shard {names[0]}{more} {what} since the work in {folder} was begun; choose another "
                    "output_dir (and work), or delete these folders"
                )


def remember_inputs(
    folder: str, pools: Mapping[str, Sequence[Shard]], stats: Sequence[Mapping[str, Any]] | None = None
) -> None:
    """Write down what pools hold: before they are read by the file system's word, with `stats` by their digests."""
    known = _read(folder)
    for pool, shards in pools.items():
        if stats is None:
            known.setdefault(pool, {shard.name: {"place": place_of(shard.path)} for shard in shards})
        else:
            found = {one["shard"]: one.get("files", {}).get("input") for one in stats if "shard" in one}
            known[pool] |= {name: about for name, about in found.items() if about}
    write_json(join(folder, INPUTS), known)


def _read(folder: str) -> dict[str, Any]:
    path = join(folder, INPUTS)
    return json.loads(read_bytes(path)) if exists(path) else {}


def _same(path: str, known: Mapping[str, Any]) -> bool:
    return unchanged(path, known) if "digest" in known else place_of(path) == known["place"]


def missing_shards(output_dir: str, shards: int, form: str) -> Iterator[str]:
    """Shards of a finished pool that are not there any more."""
    there = list_below(output_dir)
    return (name for name in (f"shard_{number:08d}{form}" for number in range(shards)) if name not in there)


def first_parquets(paths: Sequence[str]) -> tuple[str, ...]:
    """The Parquet files among some whose footer can be read: their types are kept in an output as Parquet."""
    found = []
    for path in paths:
        if path.endswith(".parquet"):
            from common.pools.parquet import NotParquet, read_schema

            with contextlib.suppress(NotParquet):
                read_schema(path)
                found.append(path)
    return tuple(found)
