"""Between the passes of the mix: the rows of all indexes dealt out to the output shards.

An output shard takes rows from nearly every index. Were it to look for them itself, every index would be read once for
every output shard; here all indexes are gone through together, a range of keys at a time, and each is read once.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.pools.shards import Shard
from common.pools.storage import exists
from filter.mixing.step import KEY, OFFSET, SHARD, MixJob
from filter.notes import load_rows, note_length, save_note

ROUND_ROWS = 1 << 23
"""Rows in memory at a time: about 0.8 GB with their order."""

PIECE_ROWS = 1 << 14
"""Rows read of one index at a time: 0.6 MB."""


def plan_shards(job: MixJob, shards: Sequence[tuple[str, Shard]], targets: Sequence[Shard]) -> None:
    """Write each output shard's rows as a note, those of one source shard together and in the order of its file.

    Output shard t of n takes the keys from t/n to (t+1)/n of 2^64. Plans that are there, or whose shard is written
    already, are not made again.

    Args:
        job: the mix; all indexes are there.
        shards: all shards of the selected pools, with their source.
        targets: the output shards, in order.
    """
    missing = (shard for shard in targets if job.gathered(shard) is None and not exists(job.plan_path(shard)))
    wanted = {shard.index for shard in missing}
    if not wanted:
        return
    indexes = [job.index_path(source, shard) for source, shard in shards]
    rounds = min(len(targets), max(1, -(-sum(map(note_length, indexes)) // ROUND_ROWS)))
    places = [0] * len(indexes)  # where the rows of the next round begin
    for part in range(rounds):
        first, last = (number * len(targets) // rounds for number in (part, part + 1))
        found = []
        for number, path in enumerate(indexes):
            rows = _rows_below(path, places[number], _bound(last, len(targets)))
            places[number] += len(rows)
            found.append(np.column_stack([rows, np.full(len(rows), number, np.uint64)]))
        dealt = np.concatenate(found)
        # the bound behind the last shard may be 2^64: no key reaches it, and uint64 cannot hold it
        bounds = np.array([_bound(number, len(targets)) for number in range(first + 1, last)], np.uint64)
        target = np.searchsorted(bounds, dealt[:, KEY], side="right")
        order = np.lexsort((dealt[:, OFFSET], dealt[:, SHARD], target))
        ends = np.searchsorted(target[order], np.arange(1, last - first))
        for shard, rows in zip(targets[first:last], np.split(dealt[order], ends), strict=True):
            if shard.index in wanted:
                save_note(job.plan_path(shard), rows)


def _bound(number: int, targets: int) -> int:
    """The least key that belongs behind the first `number` of all output shards."""
    return -(-(number << 64) // targets)


def _rows_below(path: str, start: int, end: int) -> NDArray[np.uint64]:
    """Rows of an index, sorted by key, from `start` to the first whose key is not below `end`."""
    pieces = []
    while len(piece := load_rows(path, start, PIECE_ROWS)):
        below = len(piece) if end == 1 << 64 else int(np.searchsorted(piece[:, KEY], np.uint64(end)))
        pieces.append(piece[:below])
        start += below
        if below < len(piece):
            break
    return np.concatenate(pieces) if pieces else np.zeros((0, 5), np.uint64)
