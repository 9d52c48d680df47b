"""Documents of a context kept apart: positions from each one's start, and the attention mask, dense or in blocks."""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from common.engines.block_mask import BLOCK, block_mask


@cache
def _compiled() -> Any:
    """Compiled on first use: loading the compiler alone takes seconds."""
    return torch.compile(flex_attention)


def document_layout(input_ids: Tensor, eot_id: int, blocks: bool = False) -> tuple[Tensor, Tensor | BlockMask]:
    """Positions and attention mask that keep the documents of a context apart; EOT belongs to the document it ends.

    Args:
        input_ids: [B, T] token ids.
        eot_id: the token that ends a document.
        blocks: as blocks for flex attention, which skips those that nobody sees; the dense mask takes flash attention
            off and grows with the square of the context.

    Returns:
        [B, T] positions from each document's start, and the mask: [B, 1, T, T] bool, or a `BlockMask`.
    """
    ends = input_ids == eot_id
    document = ends.cumsum(1) - ends.long()  # [B, T]
    index = torch.arange(input_ids.shape[1], device=input_ids.device)
    starts = torch.zeros_like(input_ids)
    starts[:, 1:] = torch.where(ends[:, :-1], index[1:], 0)
    positions = index - starts.cummax(1).values
    if blocks:
        return positions, _blocks(document)
    same = document[:, :, None] == document[:, None]
    return positions, (same & (index[:, None] >= index)).unsqueeze(1)


def attend_in_blocks(queries: Tensor, keys: Tensor, values: Tensor, mask: BlockMask) -> Tensor:
    """Attention of [B, H, T, head] under a mask of blocks; a kernel of its own on a GPU."""
    bare = torch.compiler.is_compiling() or queries.device.type == "cpu"
    attend: Any = flex_attention if bare else _compiled()
    return attend(queries, keys, values, block_mask=mask)


def _blocks(document: Tensor) -> BlockMask:
    """From each token's document, [B, T], which never falls along a context: a block is told by its first and last."""
    length = document.shape[1]
    lower = torch.arange(0, length, BLOCK, device=document.device)
    first, last = document[:, lower], document[:, (lower + BLOCK - 1).clamp(max=length - 1)]  # [B, blocks]
    order = lower[:, None] > lower  # keys that are all behind the queries
    some = (last[:, None] >= first[:, :, None]) & (order | (lower[:, None] == lower))
    whole = order & (first[:, None] == last[:, None]) & (first[:, None] == first[:, :, None])
    whole = whole & (last[:, :, None] == first[:, :, None]) & (lower[:, None] + BLOCK <= length)

    def seen(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (document[batch, query] == document[batch, key])

    return block_mask(some, whole, seen, (length, length))
