"""A uniform shuffle of any number of contexts in bounded memory: draw a key for each, sort by it.

A context's key is 64 random bits from the seed, its stream and its number there, so the order is a function of these
alone: not of workers, memory, or where a run was stopped. Pass one writes contexts as runs sorted by key. Pass two
cuts the range of keys into pieces that fit into memory, reads each piece from every run (one contiguous block each),
sorts it and writes it where it belongs in the output. Keys are independent and uniform, so every permutation is
equally likely, up to ties (about one in 10^5 for a billion contexts), which keep the order of input.
"""

import bisect
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Ids = npt.NDArray[np.unsignedinteger]
Ints = npt.NDArray[np.int64]

ENTRY = np.dtype([("key", "<u8"), ("pads", "<u4")])
"""One context in a run's index."""

BIN_BITS = 12
"""Pieces are made of whole bins of keys; a set of 2^12 times the buffer (1 TiB for 256 MiB) shuffles within it."""

WRITE_ROWS = 1024


@dataclass(frozen=True)
class Runs:
    """Sorted runs of one input shard: rows and index entries of all runs, one run after the other."""

    rows: str
    index: str
    lengths: tuple[int, ...]
    """Contexts in each run."""


@dataclass(frozen=True)
class Piece:
    """A range of key bins, first included, last not, and where its contexts begin in the shuffled order."""

    first_bin: int
    last_bin: int
    first_row: int
    count: int


def context_keys(seed: int, stream: int, start: int, count: int) -> Keys:
    """Keys [count] of the contexts numbered `start` and on of a stream; Philox, so any place can be reached at once.

    >>> list(context_keys(1, 2, 5, 3)) == list(context_keys(1, 2, 0, 8)[5:])
    True
    """
    generator = np.random.Philox(key=np.array([seed, stream], np.uint64))
    generator.advance(start // 4)  # each step of its counter gives four numbers
    skip = start % 4
    return generator.random_raw(skip + count)[skip:]


def append_run(runs_file: Path, index_file: Path, rows: Ids, pads: Ints, keys: Keys) -> None:
    """Add one run, sorted by key, at the end of a shard's two files, and flush it to the disk."""
    order = np.argsort(keys, kind="stable")
    entries = np.empty(len(keys), ENTRY)
    entries["key"] = keys[order]
    entries["pads"] = pads[order]
    with runs_file.open("ab") as target:
        for first in range(0, len(order), WRITE_ROWS):
            target.write(rows[order[first : first + WRITE_ROWS]].data)
        target.flush()
        os.fsync(target.fileno())
    with index_file.open("ab") as target:
        target.write(entries.tobytes())
        target.flush()
        os.fsync(target.fileno())


def plan_pieces(all_runs: Sequence[Runs], capacity: int) -> list[Piece]:
    """Cut the range of keys into pieces of at most `capacity` contexts (a single bin is never cut)."""
    counts = np.zeros(1 << BIN_BITS, np.int64)
    for runs in all_runs:
        for entries in _index_blocks(runs.index, sum(runs.lengths)):
            counts += np.bincount((entries["key"] >> np.uint64(64 - BIN_BITS)).astype(np.int64), minlength=len(counts))
    pieces: list[Piece] = []
    first_bin = first_row = held = 0
    for number, count in enumerate(counts.tolist()):
        if held and held + count > capacity:
            pieces.append(Piece(first_bin, number, first_row, held))
            first_bin, first_row, held = number, first_row + held, 0
        held += count
    if held:
        pieces.append(Piece(first_bin, len(counts), first_row, held))
    return pieces


def gather_piece(
    piece: Piece, all_runs: Sequence[Runs], width: int, dtype: npt.DTypeLike
) -> tuple[Iterator[Ids], Ints]:
    """The contexts of a piece in their shuffled order, in blocks [up to 1024, width], and the pads [N] of each."""
    rows = np.empty((piece.count, width), dtype)
    entries = np.empty(piece.count, ENTRY)
    filled = 0
    for runs in all_runs:
        filled = _read_range(runs, piece, rows, entries, filled)
    if filled != piece.count:
        raise RuntimeError(f"{filled} contexts where {piece.count} were planned: the work files changed meanwhile")
    order = np.argsort(entries["key"], kind="stable")  # ties: the order of input
    blocks = (rows[order[first : first + WRITE_ROWS]] for first in range(0, len(order), WRITE_ROWS))
    return blocks, entries["pads"][order].astype(np.int64)


def _read_range(runs: Runs, piece: Piece, rows: Ids, entries: npt.NDArray[Any], filled: int) -> int:
    """Append what a shard's runs hold of a piece; returns how many contexts are there now."""
    if not sum(runs.lengths):
        return filled
    keys = np.memmap(runs.index, ENTRY, "r")["key"]
    shift = 64 - BIN_BITS
    low, high = piece.first_bin << shift, piece.last_bin << shift
    begin = 0
    with Path(runs.rows).open("rb") as source, Path(runs.index).open("rb") as index:
        for length in runs.lengths:
            first = bisect.bisect_left(keys, low, begin, begin + length, key=int)
            last = bisect.bisect_left(keys, high, first, begin + length, key=int)
            begin += length
            _read_block(source, first, rows[filled : filled + last - first])
            _read_block(index, first, entries[filled : filled + last - first])
            filled += last - first
    return filled


def _read_block(source: Any, first: int, into: npt.NDArray[Any]) -> None:
    """Fill `into` with the file's rows from number `first` on."""
    if not len(into):
        return
    source.seek(first * into[:1].nbytes)
    view = memoryview(into.data).cast("B")
    if source.readinto(view) != len(view):
        raise RuntimeError(f"{source.name} is shorter than its index says")


def _index_blocks(path: str, count: int, block: int = 1 << 20) -> Iterator[npt.NDArray[Any]]:
    with Path(path).open("rb") as source:
        for first in range(0, count, block):
            yield np.fromfile(source, ENTRY, min(block, count - first))
