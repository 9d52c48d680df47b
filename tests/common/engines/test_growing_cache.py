"""A cache with room gives what transformers' own gives, and copies its content a few times in all."""

import itertools

import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, MistralConfig

from common.engines.growing_cache import LEAST, GrowingLayer, growing_cache

SHAPE = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2,
}  # fmt: skip


@pytest.fixture(params=["whole", "window"])
def model(request):
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPE) if request.param == "whole" else MistralConfig(**SHAPE, sliding_window=16)
    return AutoModelForCausalLM.from_config(config).eval()


@torch.no_grad()
def logits(model, cache):
    """Those of a batch that loses rows while it grows."""
    generator = torch.Generator().manual_seed(1)
    found = []
    rows = torch.arange(4)
    for step, length in enumerate([7, 1, 1, 5, *[1] * 90]):
        ids = torch.randint(0, 64, (4, length), generator=generator)[rows]
        found.append(model(input_ids=ids, past_key_values=cache, use_cache=True).logits)
        if step in (2, 40):
            kept = torch.tensor([0, 2, 3] if step == 2 else [1])
            cache.batch_select_indices(kept)
            rows = rows[kept]
    return found


def test_the_numbers_are_those_of_the_plain_cache(model):
    ours, theirs = logits(model, growing_cache(model.config)), logits(model, DynamicCache(config=model.config))
    assert len(ours) == len(theirs) == 94
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_what_is_held_is_copied_only_when_the_room_is_used_up():
    layer, places = GrowingLayer(), []
    for _ in range(1000):
        keys, values = layer.update(torch.rand(1, 1, 1, 2), torch.rand(1, 1, 1, 2))
        places.append((keys.untyped_storage().data_ptr(), values.untyped_storage().data_ptr()))
    assert keys.shape == values.shape == (1, 1, 1000, 2)
    moves = sum(one != other for one, other in itertools.pairwise(places))
    assert moves <= 12
    assert layer.buffers[0].shape[-2] <= 1.25 * 1000 + LEAST


def test_cropped_and_reset_layers_go_on_from_what_they_hold():
    layer = GrowingLayer()
    states = torch.arange(12.0).reshape(1, 1, 6, 2)
    layer.update(states, states)
    layer.crop(-2)
    keys, _ = layer.update(-states[..., :1, :], states[..., :1, :])
    assert keys[0, 0].tolist() == [*states[0, 0, :4].tolist(), (-states[0, 0, 0]).tolist()]
    layer.reset()
    keys, _ = layer.update(states[..., :3, :], states[..., :3, :])
    assert keys.tolist() == states[..., :3, :].tolist()
