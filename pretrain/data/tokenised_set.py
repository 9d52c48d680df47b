"""Tokenised sets as training data: memory-mapped contexts behind one integer cursor.

The i-th context of a run is a function of the sets, the seed and i only, so that the number of devices, micro-batches
and reading threads changes nothing, and a run continues anywhere. Needs no torch.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.config import read_mapping
from common.tokens.token_set import DESCRIPTION, MANIFEST, open_rows, read_manifest_lines

Ints = NDArray[np.int64]


class Rows(NamedTuple):
    """One memory-mapped file of contexts."""

    name: str
    rows: int
    pads: dict[int, int]
    """Row to the number of pads at its end."""


class TokenisedSet:
    """A folder written by `pretrain.tokenize`: shards of [rows, seq_len + 1] ids, a manifest and `dataset.json`."""

    def __init__(self, manifest: str | Path) -> None:
        """Open a manifest file, or the one in a folder.

        Raises:
            ValueError: a file is missing, or sizes, rows and counts disagree.
        """
        path = Path(manifest)
        self.manifest = path / MANIFEST if path.is_dir() else path
        self.folder = self.manifest.parent
        described = self.folder / DESCRIPTION
        self.description: dict[str, Any] = read_mapping(described) if described.is_file() else {}
        self.shards = read_manifest(self.manifest)
        self.starts = np.cumsum([0, *(shard.rows for shard in self.shards)])
        if not len(self):
            raise ValueError(f"{self.manifest} lists no contexts")
        self.dtype, self.seq_len = self._layout()
        self._maps: dict[int, NDArray[Any]] = {}
        self._pads = {
            int(self.starts[index]) + row: count
            for index, shard in enumerate(self.shards)
            for row, count in shard.pads.items()
        }

    def __len__(self) -> int:
        """Contexts."""
        return int(self.starts[-1])

    @property
    def vocab_size(self) -> int | None:
        """Number of ids the tokenizer has, if the set says."""
        return self.description.get("vocab_size")

    @property
    def eot_id(self) -> int | None:
        """The id that ends a document, if the set says."""
        return self.description.get("eot_id")

    def rows(self, indices: Ints) -> NDArray[np.int64]:
        """Contexts [B, seq_len + 1] by their stored position."""
        out = np.empty((len(indices), self.seq_len + 1), np.int64)
        shards = np.searchsorted(self.starts, indices, side="right") - 1
        for place, (shard, index) in enumerate(zip(shards.tolist(), indices.tolist(), strict=True)):
            out[place] = self._map(shard)[index - self.starts[shard]]
        return out

    def pads(self, indices: Ints) -> Ints:
        """Pads at the end of each of these contexts, [B], without reading them."""
        return np.array(
            [self._pads.get(index, 0) for index in indices.tolist()] if self._pads else 0 * indices, np.int64
        )

    def digest(self) -> str:
        """16 hex digits of the manifest and the description: which data this is."""
        text = self.manifest.read_bytes() + json.dumps(self.description, sort_keys=True).encode()
        return hashlib.sha256(text).hexdigest()[:16]

    def _map(self, shard: int) -> NDArray[Any]:
        if shard not in self._maps:
            file = self.shards[shard]
            self._maps[shard] = open_rows(self.folder, file.name, file.rows, self.seq_len + 1, self.dtype)
        return self._maps[shard]

    def _layout(self) -> tuple[np.dtype[Any], int]:
        """The ids' type and the length, from `dataset.json`, checked against every file's size."""
        try:
            dtype = np.dtype(self.description["dtype"]).newbyteorder("<")
            seq_len = int(self.description["seq_len"])
        except KeyError as error:
            raise ValueError(f"{self.folder / 'dataset.json'} does not give {error}") from None
        for shard in self.shards:
            open_rows(self.folder, shard.name, shard.rows, seq_len + 1, dtype)
        return dtype, seq_len


def read_manifest(path: Path) -> list[Rows]:
    """Shards of a manifest.

    Raises:
        ValueError: the file is missing, a line is no JSON object with a shard and a number, or it lists tars.
    """
    shards = []
    for entry in read_manifest_lines(path):
        name = entry["shard"].removesuffix(".bin")
        if not (path.parent / f"{name}.bin").exists() and (path.parent / f"{name}.tar").exists():
            raise ValueError(f"{path} lists tars; first run: python -m pretrain.export tar-in {path.parent} OUT")
        pads = {int(row): int(count) for row, count in entry["pads"]}
        shards.append(Rows(name, entry["num_sequences"], pads))
    return shards
