"""What a stage reads: how a file's content is known again, and that no output is an input.

A record is `{"place": [...], "bytes": n, "digest": hex}`: `place` is (device, inode, size, mtime in ns) of a local
file, (ETag or version or time, size) on an object store. While `place` holds, nothing is read.
"""

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from common.pools.lines import PIECE, Taken
from common.pools.storage import files_behind, is_remote, local_path, open_read

Record = dict[str, Any]

# fmt: off
INPUTS = frozenset((
    "against", "answer_tokenizer", "completions", "data", "data_config", "documents", "domains", "eval",
    "eval_data", "examples", "file", "files", "first", "from_path", "frozen_model", "held_out", "include_path",
    "input", "model", "organic", "pairs", "plans", "pool", "prompt_file", "quality_model", "recycled", "rows",
    "rows_file", "runs", "samples", "second", "semantic_model", "source", "source_ref_paths", "strong", "task_data",
    "tokenizer", "train", "truth", "weak",
))
# fmt: on
"""Names of fields, in any config, whose texts may be paths of what is read; no output may be one of them."""


def place_of(path: str) -> list[int | str]:
    """What changes when a file is written anew, by the file system's word alone."""
    if not is_remote(path):
        stat = local_path(path).stat()
        return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns]
    files, inside = files_behind(path)
    about = files.info(inside)
    marks = ("ETag", "etag", "version_id", "generation", "md5Hash", "LastModified", "last_modified", "mtime", "created")
    return [next((str(about[mark]) for mark in marks if about.get(mark)), ""), int(about["size"])]


def digest(path: str, most: int | None = None) -> str:
    """Digest of a file's first bytes, or of all of them."""
    taken = Taken()
    with open_read(path) as source:
        while piece := source.read(PIECE if most is None else min(PIECE, most - taken.bytes)):
            taken.update(piece)
    return taken.digest()


def record(path: str) -> Record:
    """A file's record, for which it is read once."""
    place = place_of(path)
    return {"place": place, "bytes": place[2] if len(place) > 2 else place[1], "digest": digest(path)}


def unchanged(path: str, known: Mapping[str, Any], *, whole: bool = True) -> bool:
    """Whether a file still begins with the bytes of a record, or, with `whole`, holds these and no more.

    Nothing is read where the file system says that the file is the same.
    """
    try:
        now = place_of(path)
    except FileNotFoundError:
        return False
    if now == known["place"]:
        return True
    size = now[2] if len(now) > 2 else now[1]
    if size < known["bytes"] or (whole and size != known["bytes"]):
        return False
    return digest(path, known["bytes"]) == known["digest"]


def refuse_overlap(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse a place that a stage would write to and read from, before anything is written.

    Args:
        output: a folder or file.
        inputs: pools (folders, globs, files) and shards.

    Raises:
        ValueError: one of them is the output, lies in it or holds it, by whatever name or link.
    """
    target = resolved(str(output))
    for one in map(str, inputs):
        source = resolved(fixed(one))
        # the files of a glob are inputs, not all that lies in their folder
        holds = target.startswith(source.rstrip("/") + "/") and not any(mark in one for mark in "*?")
        if source == target or holds or source.startswith(target.rstrip("/") + "/"):
            how = "is" if source == target else "lies in" if holds else "holds"
            raise ValueError(f"the output {output} {how} the input {one}; choose another place for the output")


def resolved(path: str) -> str:
    """One spelling for a place: links followed, `..` and doubled slashes gone, also in a URL."""
    if not is_remote(path):
        return os.path.realpath(local_path(path))
    scheme, _, rest = path.partition("://")
    scheme = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}.get(scheme.lower(), scheme.lower())
    return f"{scheme}://{posixpath.normpath(rest.lstrip('/'))}"


def fixed(path: str) -> str:
    """The folder of a glob: what stands before its first mark."""
    first = min((path.index(mark) for mark in "*?" if mark in path), default=None)
    return path if first is None else path[:first].rpartition("/")[0] or "."


def in_paths(config: BaseModel, before: str = "") -> Iterator[tuple[str, str]]:
    """(dotted field, path) of all that a config may read, at any depth; a hub's name is among them."""
    for name in type(config).model_fields:
        value = getattr(config, name)
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, BaseModel):
                yield from in_paths(one, f"{before}{name}.")
            elif name in INPUTS and isinstance(one, str) and one:
                yield before + name, one
