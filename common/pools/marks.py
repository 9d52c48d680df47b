"""Finished work: how a shard is marked done, and when a mark is believed.

`<shard>.stats.json` comes last. It holds the counts, the configuration's hash, what tells the input (a digest of its
bytes) and the outputs (length and digest). A mark holds while its outputs are there in their length and its input is
the same; another configuration's output is refused. Marks of earlier versions, which know no files, are believed.
"""

import base64
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from common.pools.inputs import Record, digest, unchanged
from common.pools.repair import encode
from common.pools.stats import Stats
from common.pools.storage import atomic_write, exists, join, listing, listings, read_bytes, size_of

log = logging.getLogger("repro")

MARK = ".stats.json"


class Unreadable(ValueError):
    """A shard gave not one document, so that it is not done; the other shards are worked on all the same."""

    exit_code = 1
    """The data's fault, not the command line's."""


def read_done(
    output: str,
    name: str,
    config_hash: str,
    *,
    source: str | None = None,
    outputs: Sequence[str] = (),
    verify: bool = False,
    listed: bool = True,
) -> Stats | None:
    """The stats of a shard that is finished, or None if it is to be done (again).

    Args:
        output: the output folder; listed once per process where `one_listing_each` holds.
        name: the shard's name.
        config_hash: of what shapes the output.
        source: the input file, compared by content; None where there is not one.
        outputs: names of the files that a mark of an earlier version stands for.
        verify: read the outputs and compare their digests too.
        listed: list the folder; else only this shard's files are asked for, whatever else is there.

    Raises:
        ValueError: the folder holds another configuration's output, or the input is another than it was.
    """
    names = listing(output) if listed else {}
    path = join(output, name + MARK)
    # a name may have come since the folder was listed: from another worker, or from this one's step before
    late = output in listings().sizes or not listed
    if name + MARK not in names and not (late and exists(path)):
        _check_any(output, names, config_hash)
        return None
    stats = read_mark(path)
    refuse_other(output, stats["config_hash"], config_hash)
    files = stats.get("files") or {}
    if not files:
        _say_once(output)
    lost = _lost(output, names, files.get("outputs") or {one: {} for one in outputs}, verify)
    if lost is not None:
        log.warning("%s: %s, so %s is done again", output, lost, name)
        return None
    if source is not None and files.get("input") and not unchanged(source, files["input"]):
        if not stats.get("docs_out"):
            return None  # nothing came of it, nothing is lost
        raise ValueError(
            f"{source} changed since {output} was made from it; choose another output folder, or delete {path} to have "
            "this shard made anew"
        )
    return stats


def mark_done(
    output: str,
    name: str,
    stats: Mapping[str, Any],
    config_hash: str,
    *,
    source: Record | None = None,
    outputs: Mapping[str, Mapping[str, Any]],
) -> Stats:
    """Mark a shard done; its outputs are in their places.

    Args:
        output: the output folder.
        name: the shard's name.
        stats: its counts.
        config_hash: of what shapes the output.
        source: what tells the input (`ShardReader.taken`).
        outputs: name → length and digest (`Written.sum`).

    Returns:
        The stats as they were written.
    """
    files = {**({"input": source} if source else {}), "outputs": dict(outputs)}
    done = {"shard": name, **stats, "config_hash": config_hash, "files": files}
    with atomic_write(join(output, name + MARK)) as target:
        target.write(json.dumps(done, indent=1, ensure_ascii=False).encode("utf-8", "replace"))
    if output in listings().sizes:
        listing(output).update(
            {name + MARK: target.bytes, **{one: int(sum_["bytes"]) for one, sum_ in outputs.items()}}
        )
    return done


def read_mark(path: str) -> Stats:
    """The content of a mark.

    Raises:
        ValueError: it is none.
    """
    try:
        stats = json.loads(read_bytes(path))
    except ValueError:
        stats = None
    if not isinstance(stats, dict) or not isinstance(stats.get("config_hash"), str):
        raise ValueError(
            f"{path} is not the mark of a finished shard; it is in the way: move it, or choose another output"
        )
    return stats


def refuse_other(folder: str, found: str, wanted: str) -> None:
    """Refuse a folder with another configuration's output.

    Raises:
        ValueError: the two hashes differ.
    """
    if found != wanted:
        raise ValueError(
            f"{folder} holds output of another configuration (hash {found}, now {wanted}); "
            "choose another output folder, or delete this one"
        )


def reject_row(position: int, reason: str, raw: bytes | None = None, document: Any = None) -> bytes:
    """One line of a rejects file: what was set aside, why, and where it stood."""
    row: dict[str, Any] = {"position": position, "reason": reason}
    if raw is None:
        return encode(row | {"document": document})
    try:
        return encode(row | {"raw": raw.decode()})
    except UnicodeDecodeError:
        return encode(row | {"raw_base64": base64.b64encode(raw).decode()})


def refuse_other_output(output: str, config_hash: str) -> None:
    """Refuse a folder that holds another configuration's output, by one of its marks: what `--dry-run` asks.

    Raises:
        ValueError: it does.
    """
    _check_any(output, listing(output), config_hash)


def _check_any(output: str, names: Mapping[str, int], config_hash: str) -> None:
    """Compare one mark of a folder, once per process: every one was compared with another when it was written."""
    checked = listings().checked
    if (output, config_hash) in checked:
        return
    checked.add((output, config_hash))
    mark = next((name for name in names if name.endswith(MARK) and "/" not in name), None)
    if mark is not None:
        refuse_other(output, read_mark(join(output, mark))["config_hash"], config_hash)


def _lost(output: str, names: Mapping[str, int], files: Mapping[str, Mapping[str, Any]], verify: bool) -> str | None:
    """What is wrong with the outputs of a mark, or None."""
    for name, about in files.items():
        path = join(output, name)
        size = names.get(name)
        if size is None and exists(path):
            size = size_of(path)
        if size is None:
            return f"{name} is gone"
        if about and size != about["bytes"]:
            return f"{name} holds {size} bytes where its mark says {about['bytes']}"
        if about and verify and digest(path) != about["digest"]:
            return f"{name} is not what its mark says (its digest differs)"
    return None


_said: set[str] = set()


def _say_once(output: str) -> None:
    if output not in _said:
        _said.add(output)
        log.warning("%s was finished by an earlier version, whose marks know no files; they are believed", output)
