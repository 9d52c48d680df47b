"""Documents kept apart by blocks: the same pairs, losses as under the dense mask."""

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask

from pretrain.model.config import ModelConfig
from pretrain.model.decoder import build
from pretrain.model.documents import document_layout


def contexts(length, seed, batch=2):
    """Documents of very different lengths, one of them of a single token."""
    ids = torch.randint(1, 50, (batch, length), generator=torch.Generator().manual_seed(seed))
    ends = torch.rand((batch, length), generator=torch.Generator().manual_seed(seed + 1)) < 0.012
    ids[ends] = 0
    ids[0, 5:7] = 0
    return ids


@pytest.mark.parametrize("length", [640, 300, 128, 40])
def test_the_blocks_are_those_that_torch_would_work_out_pair_by_pair(length):
    for seed in range(6):
        ids = contexts(length, seed)
        positions, mask = document_layout(ids, 0)
        again, blocks = document_layout(ids, 0, blocks=True)
        assert torch.equal(positions, again)
        theirs = create_block_mask(
            lambda b, h, q, k, mask=mask: mask[b, 0, q, k], len(ids), None, length, length, device="cpu"
        )
        assert torch.equal(blocks.to_dense(), theirs.to_dense())
        assert torch.equal(blocks.full_kv_num_blocks, theirs.full_kv_num_blocks)


@torch.no_grad()  # torch has no backward pass of flex attention on a CPU; the mask is the same there
def test_losses_are_those_of_the_dense_mask(uncompiled_flex):
    ids = contexts(300, 3)
    model = build(ModelConfig(dim=32, layers=2, heads=2, vocab_size=64, qk_norm=True), seed=3)
    found = []
    for blocks in (False, True):
        positions, mask = document_layout(ids[:, :-1], 0, blocks)
        found.append(model(ids[:, :-1], positions, mask, targets=ids[:, 1:], z_loss=1e-4).loss.item())
    plain = model(ids[:, :-1], targets=ids[:, 1:], z_loss=1e-4).loss.item()
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    assert abs(plain - found[0]) > 1e-3  # the documents did see each other
