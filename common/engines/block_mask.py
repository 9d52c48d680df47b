"""Attention masks of flex attention from what is known of their blocks, without ever writing the mask down."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

BLOCK = 128
"""Queries and keys of a block."""


def block_mask(some: Tensor, whole: Tensor, seen: Callable[..., Tensor], lengths: tuple[int, int]) -> BlockMask:
    """A mask that skips blocks in which nothing is seen, and asks `seen` only where a block is seen in part.

    Args:
        some: [B, Q', K'] bool, blocks of queries and keys with a pair that is seen.
        whole: [B, Q', K'] bool, those in which every pair is.
        seen: whether (batch, head, query, key) is a pair that is seen.
        lengths: queries and keys.
    """

    def listed(chosen: Tensor) -> tuple[Tensor, Tensor]:
        order = (~chosen).to(torch.uint8).argsort(dim=-1, stable=True)  # the chosen ones first, in their order
        return chosen.sum(-1, dtype=torch.int32)[:, None], order.to(torch.int32)[:, None]

    return BlockMask.from_kv_blocks(
        *listed(some & ~whole), *listed(whole), BLOCK_SIZE=BLOCK, mask_mod=seen, seq_lengths=lengths
    )
