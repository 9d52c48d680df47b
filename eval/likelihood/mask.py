"""The attention mask of packed rows, in the form each attention implementation takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.engines.block_mask import BLOCK, block_mask
from eval.likelihood.packing import ALL, PackedRow


class MaskLayout:
    """Positions and sight of a batch of packed rows.

    Args:
        rows: B rows.
        orders: per row, the order in which its tokens stand in the batch; any order is right under a mask.
        device: of the tensors.
    """

    def __init__(self, rows: Sequence[PackedRow], orders: Sequence[np.ndarray], device: torch.device) -> None:
        size = max(map(len, rows))
        segments_most = max(len(row.sight) for row in rows)
        # Padding is a segment of its own that sees itself and nobody else: no row is without a key, so no NaN.
        positions = np.tile(np.arange(size, dtype=np.int32), (len(rows), 1))
        segments = np.full((len(rows), size), segments_most, np.int32)
        sight = np.zeros((len(rows), segments_most + 1, segments_most + 1), np.int32)
        sight[:, segments_most, segments_most] = ALL
        for index, (row, order) in enumerate(zip(rows, orders, strict=True)):
            positions[index, : len(row)] = row.positions[order]
            segments[index, : len(row)] = row.segments[order]
            sight[index, : len(row.sight), : len(row.sight)] = row.sight
        self._known = positions, segments, sight
        self.positions = placed(positions, device)  # [B, S]
        self.segments = placed(segments, device)  # [B, S]
        self.sight = placed(sight, device)  # [B, n + 1, n + 1]

    def dense(self, start: int = 0, end: int | None = None) -> Tensor:
        """[B, 1, Q, K] bool, true where a query may look: queries start … end, keys up to end."""
        end = self.positions.shape[1] if end is None else end
        masks = []
        for positions, segments, sight in zip(self.positions, self.segments, self.sight, strict=True):
            keys = positions[:end]
            seen = keys < sight[:, segments[:end]]  # [n + 1, K]
            masks.append(seen[segments[start:end]] & (keys <= positions[start:end, None]))
        return torch.stack(masks)[:, None]

    def blocks(self, start: int = 0, end: int | None = None) -> Any:
        """The same as a `BlockMask` of flex attention, which skips blocks that nobody sees.

        Which blocks those are is worked out from the segments; the mask itself is never written down.
        """
        end = self.positions.shape[1] if end is None else end
        positions, segments, sight = self.positions, self.segments, self.sight
        offset = torch.full((), start, device=positions.device)  # a number would be compiled in

        def seen(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            row = query + offset
            limit = sight[batch, segments[batch, row], segments[batch, key]]
            return (positions[batch, key] <= positions[batch, row]) & (positions[batch, key] < limit)

        tiles = [tiles_of(*one, start, end) for one in zip(*self._known, strict=True)]
        some, whole = (placed(np.stack(column), positions.device) for column in zip(*tiles, strict=True))
        return block_mask(some, whole, seen, (end - start, end))

    def form(self, attention: str, dtype: torch.dtype, start: int = 0, end: int | None = None) -> Any:
        """The mask as `attention` takes it: eager adds it to the scores, so a bool one would be added as 0 and 1."""
        if attention == "flex_attention":
            return self.blocks(start, end)
        mask = self.dense(start, end)
        if attention == "eager":
            return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)
        return mask


def tiles_of(
    positions: np.ndarray, segments: np.ndarray, sight: np.ndarray, start: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of `BLOCK` queries and keys: which hold a pair that is seen, and which hold no other, [Q', K'] bool each.

    Within a run (tokens of one segment that follow each other) positions rise by one, so that its first and last token
    tell of all pairs with another run.
    """
    queries, keys = _runs(positions[start:end], segments[start:end]), _runs(positions[:end], segments[:end])
    limit = sight[queries.segment][:, keys.segment]  # [runs, runs]
    any_ = (keys.first <= queries.last[:, None]) & (keys.first < limit)
    all_ = (keys.last <= queries.first[:, None]) & (keys.last < limit)
    some = np.logical_or.reduceat(np.logical_or.reduceat(any_, queries.starts, 0), keys.starts, 1)
    whole = np.logical_and.reduceat(np.logical_and.reduceat(all_, queries.starts, 0), keys.starts, 1)
    # a block that reaches over the end is looked at token by token
    whole[(end - start) // BLOCK :] = False
    whole[:, end // BLOCK :] = False
    return some, whole


@dataclass(frozen=True)
class _Runs:
    segment: np.ndarray
    first: np.ndarray
    """Position of each run's first token."""
    last: np.ndarray
    starts: np.ndarray
    """The first run of each block."""


def _runs(positions: np.ndarray, segments: np.ndarray) -> _Runs:
    index = np.arange(len(positions))
    breaks = (np.diff(positions) != 1) | (np.diff(segments) != 0) | (index[1:] % BLOCK == 0)
    begins = np.flatnonzero(np.concatenate([[True], breaks]))
    ends = np.append(begins[1:], len(positions)) - 1
    return _Runs(segments[begins], positions[begins], positions[ends], np.flatnonzero(begins % BLOCK == 0))


def placed(values: np.ndarray, device: torch.device) -> Tensor:
    """An array on a device; from pinned memory the copy to a GPU does not wait."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
