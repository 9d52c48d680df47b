"""A tokenised set on disk: `manifest.jsonl` and `dataset.json` beside the shards.

`shard_XXXXXXXX.bin` holds contexts as rows of seq_len + 1 ids, little-endian uint16 if every id of the vocabulary fits,
else uint32. A manifest line is `{"shard": "shard_00000000", "num_sequences": n, "pads": [[row, count], ...]}`, `pads`
only if there are any: so many ids at the end of that row are padding and must not be trained on. `dataset.json` is
DCLM's dataset reference with what a reader needs beside it, and works as a data config.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.pools.storage import atomic_write, check_inside

MANIFEST = "manifest.jsonl"
DESCRIPTION = "dataset.json"

Pads = list[tuple[int, int]]
"""(row, number of pads at its end), rows ascending."""


def shard_name(number: int) -> str:
    """Name of a shard without its ending.

    >>> shard_name(7)
    'shard_00000007'
    """
    return f"shard_{number:08d}"


def id_dtype(vocab_size: int) -> np.dtype[Any]:
    """The type that holds ids 0 to vocab_size - 1."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


def write_manifest(folder: Path, shards: Iterable[tuple[str, int, Pads]]) -> None:
    """Write `manifest.jsonl` from (shard, contexts, pads); every line ends with a newline, the last one too."""
    with atomic_write(str(folder / MANIFEST)) as target:
        for name, count, pads in shards:
            line: dict[str, Any] = {"shard": name, "num_sequences": count}
            if pads:
                line["pads"] = pads
            target.write((json.dumps(line) + "\n").encode())


def read_manifest_lines(path: Path) -> list[dict[str, Any]]:
    """The manifest's objects; the last newline may be missing, blank lines are passed over.

    Raises:
        ValueError: there is no manifest, a line is none of a manifest, or names a file outside of the folder.
    """
    if not path.is_file():
        raise ValueError(f"no manifest at {path}")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            count = int(entry["num_sequences"] if "num_sequences" in entry else entry["num_chunks"])
            shard = str(entry["shard"])
            entries.append({"pads": [], **entry, "shard": shard, "num_sequences": count})
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path} line {number} is no {{shard, num_sequences}} object") from None
        check_inside(shard, f"{path} line {number}")
    return entries


def describe(layout: Mapping[str, Any], *, name: str, uuid: str, created: str, data_key: str) -> dict[str, Any]:
    """DCLM's dataset reference around what our readers need (`layout`); URLs are relative to the file."""
    return {
        "uuid": uuid,
        "name": name,
        "creation_date": created,
        "dataset_url": ".",
        "manifest_url": MANIFEST,
        "tokenized": True,
        "data_key": data_key,
        "sampling_yaml": None,
        "note": "",
        "mirrors": [],
        "dcnlp_commit_hash": None,
        "dcnlp_diff": None,
        **layout,
    }


def open_rows(folder: Path, name: str, count: int, width: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A shard's contexts [count, width], memory-mapped.

    Raises:
        ValueError: the file is missing or its size is not that of `count` contexts.
    """
    path = folder / f"{name}.bin"
    wanted = count * width * np.dtype(dtype).itemsize
    if not path.is_file() or path.stat().st_size != wanted:
        found = f"{path.stat().st_size} bytes" if path.is_file() else "nothing"
        raise ValueError(f"{path}: {count} contexts of {width} take {wanted} bytes, found {found}")
    return np.memmap(path, dtype, "r", shape=(count, width))


def pads_of(pads: npt.NDArray[np.integer], first: int = 0) -> Pads:
    """(row, count) of the rows that have pads, rows counted from `first`."""
    return [(first + int(row), int(pads[row])) for row in np.flatnonzero(pads)]


def total_pads(shards: Sequence[Mapping[str, Any]]) -> int:
    """Pads in all shards of a manifest."""
    return sum(count for shard in shards for _, count in shard["pads"])


def read_set(folder: str | Path) -> dict[str, Any]:
    """A tokenised set's `dataset.json`.

    Raises:
        ValueError: it is missing or does not say what a reader needs.
    """
    path = Path(folder) / "dataset.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return {**about, "seq_len": int(about["seq_len"]), "dtype": str(about["dtype"])}
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} describes no tokenised set: seq_len or dtype is missing") from None


def is_tokenised(path: str | Path) -> bool:
    """Whether a folder is a tokenised set rather than a pool of documents."""
    return (Path(path) / "manifest.jsonl").is_file() and (Path(path) / "dataset.json").is_file()
