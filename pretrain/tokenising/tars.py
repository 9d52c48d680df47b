"""Tokenised sets in the form of DCLM and open_lm: tars of `json.gz` members, one context each, and a manifest.

A member is `<shard:08d>_<row:08d>_<uid>.json.gz`, the gzip of a JSON list of seq_len + 1 ids. Others' tars may hold
`.json` or `.txt` members too. open_lm drops the last line of a manifest without a final newline, and with it a shard;
here it is written and not needed. Tars do not say what is padding; our manifest does, and `import_pad` guesses it for
others' sets.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from common.pools.shards import Shard
from common.pools.storage import atomic_write
from common.runs.folder import write_json
from common.runs.launch import run_shards
from common.tokens.token_set import (
    DESCRIPTION,
    MANIFEST,
    describe,
    id_dtype,
    open_rows,
    pads_of,
    read_manifest_lines,
    total_pads,
    write_manifest,
)
from common.tokens.tokenizers import load_tokenizer

KEYS = ("json.gz", "json", "txt")


def export_tars(
    source: str | Path, target: str | Path, description: dict[str, Any] | None = None, workers: int = 1
) -> int:
    """Write a tokenised set as tars, the same order and shards; returns the number of contexts.

    Args:
        source: folder of the set.
        target: folder for tars, manifest and `dataset.json`.
        description: of the set, if its `dataset.json` is not written yet.
        workers: processes.

    Raises:
        ValueError: `source` holds no tokenised set.
    """
    source, target = Path(source), Path(target)
    if description is None:
        description = _read_description(source)
        if "dtype" not in description:
            raise ValueError(f"{source} holds no tokenised set: {source / DESCRIPTION} does not describe one")
    entries = read_manifest_lines(source / MANIFEST)
    target.mkdir(parents=True, exist_ok=True)
    tasks = [
        Shard(number, str(source / f"{entry['shard']}.bin"), entry["shard"]) for number, entry in enumerate(entries)
    ]
    write = partial(
        _write_tar,
        target=str(target),
        counts=[entry["num_sequences"] for entry in entries],
        width=description["seq_len"] + 1,
        dtype=description["dtype"],
    )
    run_shards(write, tasks, workers=workers, label="export")
    write_manifest(target, ((entry["shard"], entry["num_sequences"], entry["pads"]) for entry in entries))
    write_json(target / DESCRIPTION, description | {"data_key": "json.gz"})
    return sum(entry["num_sequences"] for entry in entries)


def import_tars(
    source: str | Path,
    target: str | Path,
    import_pad: int | None = None,
    *,
    tokenizer: str | None = None,
    seq_len: int | None = None,
) -> int:
    """Write a set of tars as memory-mapped shards, the same order; returns the number of contexts.

    Args:
        source: folder of tars with a manifest (without one: all tars in the order of their names).
        target: folder for the set.
        import_pad: a run of this id at the end of a context is padding (DCLM with GPT-NeoX: 50256). Off by default,
            since the id may be a token of the text. Pads that the manifest records count as they are.
        tokenizer: folder of the tokenizer the ids belong to. Without it, and without `vocab_size` in the tars'
            `dataset.json`, the set does not name a vocabulary, and ids are not checked against one.
        seq_len: tokens in a context, less one; by default as in the first context.

    Raises:
        ValueError: no tars, a context of another length, an id outside the vocabulary, a count unlike the manifest's.
    """
    source, target = Path(source), Path(target)
    description = _read_description(source)
    layout = _vocabulary(description, tokenizer)
    vocab_size = layout.get("vocab_size")
    target.mkdir(parents=True, exist_ok=True)
    width = None if seq_len is None else seq_len + 1
    listed = _listed(source)
    dtype = id_dtype(vocab_size or 1)
    try:
        written, width = _write_all(source, target, listed, width, dtype, vocab_size, import_pad)
    except _TooLargeForType:
        dtype = id_dtype(1 << 17)
        written, width = _write_all(source, target, listed, width, dtype, vocab_size, import_pad)
    write_manifest(target, written)
    total = sum(count for _, count, _ in written)
    pad_count = total_pads([{"pads": pads} for _, _, pads in written])
    layout |= {"seq_len": width - 1, "dtype": dtype.name, "num_sequences": total, "num_pads": pad_count}
    layout |= {"num_tokens": total * width - pad_count, "size": total * width * dtype.itemsize}
    named = describe(
        {},
        name=source.resolve().name,
        uuid=hashlib.sha256((target / MANIFEST).read_bytes()).hexdigest()[:32],
        created="1970_01_01-00_00_00",
        data_key="bin",
    )
    # What the tars' own description says stays, but for where and how the data is kept now.
    place = {"dataset_url": ".", "manifest_url": MANIFEST, "data_key": "bin"}
    write_json(target / DESCRIPTION, {**named, **description, **layout, **place})
    return total


def read_tar(path: Path) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """(member name, ids) of each context, streamed; members with other endings are passed over.

    Raises:
        ValueError: the file is no tar, or a member holds no list of whole numbers.
    """
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                key = member.name.rpartition("/")[2].partition(".")[2]
                source = archive.extractfile(member) if key in KEYS else None
                if source is not None:
                    yield member.name, _ids(path, member.name, source.read())
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no readable tar: {error}") from None


def _ids(path: Path, name: str, raw: bytes) -> npt.NDArray[np.int64]:
    try:
        ids = np.array(orjson.loads(gzip.decompress(raw) if name.endswith(".gz") else raw))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: {name} holds no JSON list of ids: {error}") from None
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{path}: {name} holds no list of ids")
    return ids.astype(np.int64)


def _write_tar(task: Shard, target: str, counts: Sequence[int], width: int, dtype: str) -> int:
    """One shard as a tar; equal contexts give equal bytes."""
    count = counts[task.index]
    source = Path(task.path)
    rows = open_rows(source.parent, task.name, count, width, dtype)
    with (
        atomic_write(str(Path(target) / f"{task.name}.tar")) as raw,
        tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for row in range(count):
            ids = np.asarray(rows[row])
            content = gzip.compress(orjson.dumps(ids.tolist()), mtime=0)
            uid = hashlib.sha256(ids.tobytes()).hexdigest()[:16]
            member = tarfile.TarInfo(f"{task.index:08d}_{row:08d}_{uid}.json.gz")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return count


class _TooLargeForType(Exception):
    """An id needs a wider type than the set was begun with; only without a known vocabulary."""


def _write_all(
    source: Path,
    target: Path,
    listed: list[dict[str, Any]],
    width: int | None,
    dtype: np.dtype[Any],
    vocab_size: int | None,
    import_pad: int | None,
) -> tuple[list[tuple[str, int, Any]], int]:
    """All tars as shards; returns the manifest's entries and the contexts' width."""
    written: list[tuple[str, int, Any]] = []
    for entry in listed:
        name = entry["shard"]
        count, width, pads = _write_rows(
            source / f"{name}.tar", target / f"{name}.bin", width, dtype, vocab_size, import_pad
        )
        if entry["num_sequences"] not in (None, count):
            raise ValueError(f"{name}.tar holds {count} contexts, the manifest says {entry['num_sequences']}")
        written.append((name, count, entry["pads"] or pads_of(pads)))
    if width is None:
        raise ValueError(f"the tars in {source} hold no contexts")
    return written, width


def _write_rows(
    source: Path, target: Path, width: int | None, dtype: np.dtype[Any], vocab_size: int | None, import_pad: int | None
) -> tuple[int, int | None, npt.NDArray[np.int64]]:
    """One tar as rows of ids; returns the number of rows, their width and the pads of each."""
    pads: list[int] = []
    with atomic_write(str(target)) as out:
        for name, ids in read_tar(source):
            width = width or len(ids)
            if len(ids) != width:
                raise ValueError(f"{source}: {name} holds {len(ids)} ids where {width} make a context")
            if ids.min() < 0 or (vocab_size is not None and ids.max() >= vocab_size):
                raise ValueError(f"{source}: {name} has ids {ids.min()} to {ids.max()}, the vocabulary {vocab_size}")
            if ids.max() > np.iinfo(dtype).max:
                raise _TooLargeForType
            pads.append(0 if import_pad is None else _trailing(ids, import_pad))
            out.write(ids.astype(dtype).tobytes())
    return len(pads), width, np.array(pads, np.int64)


def _trailing(ids: npt.NDArray[np.int64], pad: int) -> int:
    """How many ids at the end are `pad`.

    >>> _trailing(np.array([7, 1, 7, 7]), 7)
    2
    """
    other = np.flatnonzero(ids != pad)
    return len(ids) - 1 - int(other[-1]) if len(other) else len(ids)


def _listed(source: Path) -> list[dict[str, Any]]:
    if (source / MANIFEST).exists():
        entries = read_manifest_lines(source / MANIFEST)
        for entry in entries:
            entry["shard"] = entry["shard"].removesuffix(".tar")
    else:
        names = sorted(path.stem for path in source.glob("*.tar"))
        entries = [{"shard": name, "num_sequences": None, "pads": []} for name in names]
    for entry in entries:
        if not (source / f"{entry['shard']}.tar").is_file():
            raise ValueError(f"the manifest of {source} lists {entry['shard']}, but there is no {entry['shard']}.tar")
    if not entries:
        raise ValueError(f"no tars in {source}")
    return entries


def _vocabulary(description: dict[str, Any], tokenizer: str | None) -> dict[str, Any]:
    """What is known of the ids: from the tokenizer, or from the tars' own description."""
    if tokenizer is None:
        return {"vocab_size": int(description["vocab_size"])} if description.get("vocab_size") else {}
    loaded = load_tokenizer(tokenizer)
    return {
        "vocab_size": loaded.entries,
        "eot_id": loaded.eot,
        "bos_id": loaded.bos,
        "pad_id": loaded.pad,
        "tokenizer": tokenizer,
        "tokenizer_sha256": loaded.sha256,
    }


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
