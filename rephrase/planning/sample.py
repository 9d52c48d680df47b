"""How much text a pool holds and what the stage would make of it, from some of its shards, with the sampling's error.

Shards are drawn at random and read from their beginnings, so an estimate is off where shards are sorted inside. Every
figure is a ratio to the bytes that were read, times the pool's bytes. Its error comes from drawing the sample again out
of itself (bootstrap): shards, then stretches of what was read of each, then the documents that were looked at closely.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from common.pools.documents import Document, ShardReader, form_of
from common.pools.shards import Shard
from common.pools.storage import open_read, size_of
from rephrase.planning.config import PlanConfig
from rephrase.planning.details import COLUMNS, Looker

STRETCHES = 16
"""Stretches into which what is read of a shard is divided."""

REPLICATES = 200

T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""Student's t for 95 % by degrees of freedom, from 1; 2.1 behind them."""


class Figure(NamedTuple):
    """An estimate and half the width of its 95 % interval; None where nothing is known of its error."""

    value: float
    error: float | None = 0.0


class Stretch(NamedTuple):
    """Neighbouring documents of a shard: what of the file was read for them, how many, their characters."""

    bytes: int
    documents: int
    chars: int


@dataclass
class Looked:
    """What was seen of one shard."""

    size: int
    whole: bool = False
    stretches: list[Stretch] = field(default_factory=list)
    details: list[list[float]] = field(default_factory=list)
    """Of documents drawn among those that were read, `COLUMNS` of each."""

    @property
    def documents(self) -> int:
        """Documents that were read."""
        return sum(one.documents for one in self.stretches)


class PoolSample:
    """Some shards of a pool, looked into.

    Args:
        shards: all of the pool's.
        config: what is sampled, and how the stage is set.
    """

    def __init__(self, shards: Sequence[Shard], config: PlanConfig) -> None:
        self.shards = shards
        self.bytes = sum(size_of(shard.path) for shard in shards)
        draw = random.Random(f"plan {config.seed}")
        count = min(len(shards), config.sample_shards)
        drawn = sorted(draw.sample(range(len(shards)), count))
        most = round(config.sample_mb * 1e6 / count) or None
        self.looker = Looker(config)
        self.looked = [self._look(shards[number], most, -(-config.sample_docs // count), draw) for number in drawn]
        self.squeezed = self.looker.squeezed()

    def _look(self, shard: Shard, most: int | None, closely: int, draw: random.Random) -> Looked:
        looked = Looked(size_of(shard.path))
        kept: list[Document] = []
        for number, document in enumerate(_read(shard, most, looked)):
            if len(kept) < closely:
                kept.append(document)
            elif (place := draw.randrange(number + 1)) < closely:
                kept[place] = document
        looked.details = [self.looker.look(document) for document in kept]
        return looked

    def figures(self) -> dict[str, Figure]:
        """`documents`, `chars` and all of `COLUMNS` for the whole pool."""
        import numpy as np

        everything = len(self.looked) == len(self.shards)
        arrays = [(np.array(one.stretches), np.array(one.details)) for one in self.looked]
        found = self._totals([_sums(stretches, details) for stretches, details in arrays])
        draw = np.random.default_rng(0)
        again = []
        for _ in range(REPLICATES):
            count = len(arrays)
            numbers = range(count) if everything else draw.integers(count, size=count)
            again.append(self._totals([_sums(*_again(self.looked[one], *arrays[one], draw)) for one in numbers]))
        degrees = len(self.looked) - 1
        if everything:
            wide: float | None = 1.96
        elif degrees == 0:
            wide = None  # one shard says nothing about the others
        else:
            wide = (T_95[degrees - 1] if degrees <= len(T_95) else 2.1) * (1 + 1 / degrees) ** 0.5
        spread = {name: float(np.std([one[name] for one in again])) for name in found}
        return {name: Figure(value, None if wide is None else wide * spread[name]) for name, value in found.items()}

    def _totals(self, parts: Sequence[Sequence[float]]) -> dict[str, float]:
        read, *totals = (sum(values) for values in zip(*parts, strict=True))
        scale = self.bytes / read if read else 0.0
        names = ("documents", "chars", *COLUMNS)
        return {name: float(value) * scale for name, value in zip(names, totals, strict=True)}


def _sums(stretches: Any, details: Any) -> list[float]:
    """Of a shard: bytes that were read, documents, characters, and `COLUMNS` of all documents that were read."""
    read, documents, chars = stretches.sum(axis=0)
    if not len(details):
        return [read, documents, chars, *[0.0] * len(COLUMNS)]
    seen = details.sum(axis=0)
    # by the character, since that is what varies least; of pages without any by the document
    share = chars / seen[0] if seen[0] else documents / len(details)
    return [read, documents, chars, *(seen * share)]


def _again(looked: Looked, stretches: Any, details: Any, draw: Any) -> tuple[Any, Any]:
    """A shard's stretches and details drawn out of themselves; what is known to the end stays as it is."""
    if not looked.whole and len(stretches) > 1:
        stretches = stretches[draw.integers(len(stretches), size=len(stretches))]
    if len(details) < looked.documents:
        details = details[draw.integers(len(details), size=len(details))]
    return stretches, details


def _read(shard: Shard, most: int | None, looked: Looked) -> Iterator[Document]:
    """A shard's documents from its beginning, until about `most` bytes of the file are used; fills in the stretches.

    A compressed file gives its lines by the piece: the bytes of a stretch end where the next piece had to be read.
    """
    rows = _rows_of(shard) if form_of(shard.path) == ".parquet" else None
    reader = ShardReader(shard.path, shard.index)
    enough = looked.size if most is None else most
    least = max(1, min(enough, looked.size) // STRETCHES)
    began = seen = documents = chars = 0
    for position, document in reader:
        used = reader.taken()["bytes"] if rows is None else looked.size * position // max(1, rows)
        if used != seen:  # all that lies before `seen` has come by now
            if seen - began >= least:
                looked.stretches.append(Stretch(seen - began, documents, chars))
                began, documents, chars = seen, 0, 0
            if seen >= enough:
                return
            seen = used
        documents += 1
        chars += len(document["text"])
        yield document
    looked.whole = True
    looked.stretches.append(Stretch(looked.size - began, documents, chars))


def _rows_of(shard: Shard) -> int:
    """Rows of a Parquet file, by its footer."""
    import pyarrow
    import pyarrow.parquet

    with open_read(shard.path) as source:
        try:
            return pyarrow.parquet.ParquetFile(source).metadata.num_rows
        except (pyarrow.ArrowException, OSError):
            return 0
