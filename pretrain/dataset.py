"""Tokenised sets as training data: memory-mapped contexts behind one integer cursor.

The i-th context of a run is a function of the sets, the seed and i only, so that the number of devices, micro-batches
and reading threads changes nothing, and a run continues anywhere. Needs no torch.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pretrain.model_config import read_mapping
from pretrain.token_set import DESCRIPTION, MANIFEST, open_rows, read_manifest_lines

Ints = NDArray[np.int64]

MIX_PERIOD = 1000
"""Weighted sources are mixed exactly within each run of so many contexts; weights are exact to 0.1 %."""


class Shard(NamedTuple):
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


def read_manifest(path: Path) -> list[Shard]:
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
        shards.append(Shard(name, entry["num_sequences"], pads))
    return shards


class DataConfig(NamedTuple):
    """What a data config names: sets with their shares (None: each set as large as it is)."""

    name: str
    uuid: str | None
    sets: list[TokenisedSet]
    weights: list[float] | None


def open_data(path: str) -> DataConfig:
    """Open a tokenised folder, a DCLM dataset reference (`name`, `manifest_url`), or a mix.

    A mix is `{name, sources: [{path, weight}, ...]}` (JSON or YAML); either all sources have a weight or none. Paths in
    a file are relative to it.

    Raises:
        ValueError: nothing there, a key is missing, or the sets do not fit together.
    """
    place = Path(path)
    if place.is_dir():
        only = TokenisedSet(place)
        return DataConfig(str(only.description.get("name") or place.name), only.description.get("uuid"), [only], None)
    values = read_mapping(place)
    weights: list[float] | None = None
    if "manifest_url" in values:
        sets = [TokenisedSet(_relative(place, str(values["manifest_url"])))]
    elif isinstance(values.get("sources"), list) and values["sources"]:
        entries = values["sources"]
        if not all(isinstance(entry, dict) and "path" in entry for entry in entries):
            raise ValueError(f"{place}: every entry of sources needs a path")
        sets = [TokenisedSet(_relative(place, str(entry["path"]))) for entry in entries]
        given = [entry.get("weight") for entry in entries]
        if any(weight is not None for weight in given):
            if not all(isinstance(weight, int | float) and weight > 0 for weight in given):
                raise ValueError(f"{place}: give every source a weight above 0, or none")
            weights = [float(weight) for weight in given]
    else:
        raise ValueError(f"{place} has neither manifest_url nor sources")
    if "name" not in values:
        raise ValueError(f"{place} has no name")
    for key in ("seq_len", "vocab_size"):
        found = {getattr(one, key) for one in sets}
        if len(found) > 1:
            raise ValueError(f"{place}: its sets differ in {key}: {sorted(map(str, found))}")
    return DataConfig(str(values["name"]), values.get("uuid"), sets, weights)


def _relative(file: Path, path: str) -> Path:
    local = Path(path.removeprefix("file://"))
    return local if local.is_absolute() else file.parent / local


class Cursor:
    """Which context comes i-th, over any number of sets.

    One set is read in stored order (it is shuffled on disk) in pass 0 and permuted by (seed, pass) in later ones.
    Several sets without weights are one list that is permuted in every pass. With weights, every run of `MIX_PERIOD`
    contexts holds each set's share, in an order from (seed, run), and each set has its own passes.
    """

    def __init__(self, sets: Sequence[TokenisedSet], weights: Sequence[float] | None = None, seed: int = 0) -> None:
        self.sets, self.seed = list(sets), seed
        self.starts = np.cumsum([0, *(len(one) for one in sets)])
        self.total = int(self.starts[-1])
        self.shares = None if weights is None or len(sets) == 1 else _apportion(weights, MIX_PERIOD)

    def passes(self, sequences: int) -> list[float]:
        """How often each set is read in a run of so many contexts."""
        if self.shares is None:
            return [sequences / self.total] * len(self.sets)
        return [sequences * share / MIX_PERIOD / len(one) for one, share in zip(self.sets, self.shares, strict=True)]

    def locate(self, indices: Ints) -> tuple[Ints, Ints]:
        """Set number and stored row of the i-th contexts of the run."""
        if self.shares is None:
            flat = self._in_pass(indices, self.total, 0, permute_first=len(self.sets) > 1)
            which = np.searchsorted(self.starts, flat, side="right") - 1
            return which, flat - self.starts[which]
        which, row = np.empty_like(indices), np.empty_like(indices)
        kinds = np.repeat(np.arange(len(self.sets)), self.shares)
        for block in np.unique(indices // MIX_PERIOD):
            order = np.random.Generator(np.random.PCG64([self.seed, int(block)])).permutation(kinds)
            inside = indices // MIX_PERIOD == block
            places = indices[inside] - block * MIX_PERIOD
            which[inside] = order[places]
            for kind, share in enumerate(self.shares):
                mine = inside & (which == kind) & (indices // MIX_PERIOD == block)
                seen = np.cumsum(order == kind) - 1
                row[mine] = block * share + seen[indices[mine] - block * MIX_PERIOD]
        for kind, one in enumerate(self.sets):
            mine = which == kind
            row[mine] = self._in_pass(row[mine], len(one), kind, permute_first=False)
        return which, row

    def rows(self, indices: Ints) -> NDArray[np.int64]:
        """The i-th contexts of the run, [B, seq_len + 1]."""
        which, row = self.locate(indices)
        out = np.empty((len(indices), self.sets[0].seq_len + 1), np.int64)
        for kind in np.unique(which):
            out[which == kind] = self.sets[kind].rows(row[which == kind])
        return out

    def pads(self, indices: Ints) -> Ints:
        """Pads at the end of each of the i-th contexts, [B], without reading them."""
        which, row = self.locate(indices)
        out = np.empty_like(indices)
        for kind in np.unique(which):
            out[which == kind] = self.sets[kind].pads(row[which == kind])
        return out

    def _in_pass(self, indices: Ints, size: int, stream: int, *, permute_first: bool) -> Ints:
        number, place = indices // size, indices % size
        out = place.copy()
        for one in np.unique(number):
            if one > 0 or permute_first:
                mine = number == one
                out[mine] = permutation(place[mine], size, (self.seed, stream, int(one)))
        return out


def permutation(places: Ints, size: int, key: tuple[int, ...]) -> Ints:
    """Images of `places` under a pseudo-random permutation of range(size), without holding the permutation.

    A four-round Feistel network over the next even power of two, walked until the result is inside. A bijection for
    any size and key.
    """
    half = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    digest = hashlib.sha256(repr((size, *key)).encode()).digest()
    rounds = np.frombuffer(digest, np.uint64)
    out = places.astype(np.uint64)
    todo = np.ones(len(out), bool)
    while todo.any():
        left, right = out[todo] >> half, out[todo] & mask
        for constant in rounds:
            left, right = right, left ^ (_mix(right ^ constant) & mask)
        out[todo] = (left << half) | right
        todo = out >= np.uint64(size)
    return out.astype(np.int64)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser: every input bit reaches every output bit."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _apportion(weights: Sequence[float], total: int) -> list[int]:
    """Whole numbers that add to `total` in the proportion of `weights` (largest remainders), each at least 1."""
    exact = np.asarray(weights) / np.sum(weights) * total
    parts = np.maximum(np.floor(exact).astype(int), 1)
    order = np.argsort(parts - exact, kind="stable")
    while parts.sum() < total:
        parts[order[0]] += 1
        order = order[1:]
    while parts.sum() > total:
        parts[int(np.argmax(parts))] -= 1
    return [int(part) for part in parts]
