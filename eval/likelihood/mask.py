"""The attention mask of packed rows, in the form each attention implementation takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
        self.positions = torch.from_numpy(positions).to(device)  # [B, S]
        self.segments = torch.from_numpy(segments).to(device)  # [B, S]
        self.sight = torch.from_numpy(sight).to(device)  # [B, n + 1, n + 1]

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
        """The same as a `BlockMask` of flex attention, which skips blocks that nobody sees."""
        from torch.nn.attention.flex_attention import create_block_mask

        end = self.positions.shape[1] if end is None else end
        positions, segments, sight = self.positions, self.segments, self.sight

        def seen(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            row = query + start
            limit = sight[batch, segments[batch, row], segments[batch, key]]
            return (positions[batch, key] <= positions[batch, row]) & (positions[batch, key] < limit)

        return create_block_mask(seen, len(positions), None, end - start, end, device=positions.device)

    def form(self, attention: str, dtype: torch.dtype, start: int = 0, end: int | None = None) -> Any:
        """The mask as `attention` takes it: eager adds it to the scores, so a bool one would be added as 0 and 1."""
        if attention == "flex_attention":
            return self.blocks(start, end)
        mask = self.dense(start, end)
        if attention == "eager":
            return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)
        return mask
