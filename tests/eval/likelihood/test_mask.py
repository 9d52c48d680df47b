"""Masks of blocks: the same pairs as the dense mask, the same scores, and no padding."""

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from eval.likelihood import mask as masks
from eval.likelihood.config import ScorerConfig
from eval.likelihood.local import LocalScorer
from eval.likelihood.mask import MaskLayout, tiles_of
from eval.likelihood.packing import batches, full_rows, joined, pack, separate
from eval.likelihood.trunks import Branch, Trunk
from pretrain.model.config import ModelConfig
from pretrain.model.decoder import build

VOCAB = 61
CPU = torch.device("cpu")


@st.composite
def trunks(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for number in range(draw(st.integers(1, 4))):
        length = int(random.integers(1, 40))
        branches = [
            Branch(int(random.integers(1, length + 1)), random.integers(0, 3, random.integers(1, 12)).tolist())
            for _ in range(draw(st.integers(1, 4)))
        ]
        found.append((number, Trunk(random.integers(0, 3, length).tolist(), branches, [length - 1])))
    return found


def layout_of(row):
    return MaskLayout([row], [np.arange(len(row))], CPU)


@given(trunks(), st.integers(1, 9), st.integers(0, 30))
def test_blocks_are_told_apart_as_the_dense_mask_tells_them(found, size, start):
    row = joined([*pack(found, 64, 8), *separate(found)])
    layout = layout_of(row)
    start = min(start, len(row) - 1)
    dense = layout.dense(start, len(row))[0, 0].numpy()
    before, masks.BLOCK = masks.BLOCK, size
    try:
        some, whole = tiles_of(row.positions, row.segments, row.sight, start, len(row))
    finally:
        masks.BLOCK = before
    assert some.shape == whole.shape == tuple(-(-side // size) for side in dense.shape)
    for query, key in np.ndindex(some.shape):
        tile = dense[query * size : (query + 1) * size, key * size : (key + 1) * size]
        assert some[query, key] == tile.any()
        assert whole[query, key] == (tile.all() and tile.shape == (size, size))


def test_the_mask_of_a_long_row_is_the_one_that_torch_would_work_out_pair_by_pair():
    from torch.nn.attention.flex_attention import create_block_mask

    random = np.random.default_rng(3)
    found = [
        (
            number,
            Trunk(random.integers(0, 9, length).tolist(), [Branch(length // 2, [1] * 30), Branch(length, [2] * 9)]),
        )
        for number, length in enumerate((400, 290, 150, 7))
    ]
    row = joined(pack(found, 0, 0))
    end = len(row) - 3
    ours = layout_of(row).blocks(130, end)
    theirs = create_block_mask(ours.mask_mod, 1, None, end - 130, end, device="cpu")
    assert torch.equal(ours.to_dense(), theirs.to_dense())
    assert torch.equal(ours.full_kv_num_blocks, theirs.full_kv_num_blocks) and ours.full_kv_num_blocks.sum() > 0
    assert ours.sparsity() > 30


def ours():
    return build(ModelConfig(dim=32, layers=2, heads=4, vocab_size=VOCAB, qk_norm=True)).eval()


def qwen3():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.Qwen3Config(
        vocab_size=VOCAB, num_key_value_heads=2, head_dim=16, initializer_range=0.15, **shape
    )
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()


@pytest.mark.parametrize("make", [ours, qwen3])
@pytest.mark.parametrize("cached", [False, True])
def test_scores_under_blocks_equal_those_under_dense_masks(make, cached, uncompiled_flex):
    random = np.random.default_rng(1)
    asked = []
    for length in (90, 300, 41, 5, 160):
        branches = [
            Branch(int(random.integers(1, length + 1)), random.integers(0, VOCAB, random.integers(1, 20)).tolist())
            for _ in range(5)
        ]
        asked.append(Trunk(random.integers(0, VOCAB, length).tolist(), branches, [0, length - 1]))
    limits = {"max_packed_tokens": 64} if cached else {}
    model = make()
    dense, blocks = (LocalScorer(model, ScorerConfig(mask=mask, **limits)) for mask in ("dense", "blocks"))
    for one, two in zip(dense.score(asked), blocks.score(asked), strict=True):
        np.testing.assert_allclose(one.entropy, two.entropy, atol=1e-5)
        for first, second in zip(one.branches, two.branches, strict=True):
            np.testing.assert_allclose(first.logprobs, second.logprobs, atol=1e-5)
            assert first.greedy.tolist() == second.greedy.tolist()
    assert blocks.blocks and blocks.modes == dense.modes
    if make is qwen3:
        assert blocks.modes == {"packed", "cached"}
        assert model.config._attn_implementation == "sdpa"


def test_a_model_without_flex_attention_gets_dense_masks():
    config = transformers.GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=1, n_head=4)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    model._supports_flex_attn = False
    scorer = LocalScorer(model, ScorerConfig(mask="blocks"))
    assert not scorer.blocks
    (scores,) = scorer.score([Trunk([1, 2, 3], [Branch(2, [4])])])
    assert scores.error is None


def test_blocks_that_do_not_work_fall_back_to_dense_masks(uncompiled_flex):
    model = ours()
    model.layers[0].attention.forward = refusing_blocks(model.layers[0].attention.forward)
    scorer = LocalScorer(model, ScorerConfig(mask="blocks"))
    (scores,) = scorer.score([Trunk(range(30), [Branch(2, [4, 5]), Branch(20, [6])])])
    (expected,) = LocalScorer(ours(), ScorerConfig(mask="dense")).score(
        [Trunk(range(30), [Branch(2, [4, 5]), Branch(20, [6])])]
    )
    assert not scorer.blocks
    np.testing.assert_allclose(scores.branches[0].logprobs, expected.branches[0].logprobs, atol=1e-5)


def refusing_blocks(forward):
    def refuse(x, cos, sin, mask):
        if mask is not None and not isinstance(mask, torch.Tensor):
            raise RuntimeError("no kernel")
        return forward(x, cos, sin, mask)

    return refuse


def test_batches_of_16k_tokens_have_no_padding_under_blocks():
    """Rollouts of very different lengths, as GRPO scores them: batches as rectangles pad, joined rows do not."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(6.5, 0.8, 64), 32, 8000).astype(int)
    rows = pack([(number, Trunk([1] * length, [Branch(length, [2])])) for number, length in enumerate(lengths)], 0, 0)
    padded = batches(rows, 16384, 4096)
    rectangle = sum(len(batch) * max(map(len, batch)) for batch in padded)
    assert rectangle / lengths.sum() > 1.1
    full = full_rows(rows, 16384, 4096)
    assert sum(map(len, full)) == lengths.sum() and max(map(len, full)) <= 16384
    assert len(full) <= len(padded)


def test_every_row_has_its_order():
    row = joined(pack([(0, Trunk([1, 2, 3], [Branch(3, [4])]))], 0, 0))
    with pytest.raises(ValueError, match="shorter"):
        MaskLayout([row, row], [np.arange(len(row))], CPU)
