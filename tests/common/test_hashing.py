"""Two seeds differ, wherever something is drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.hashing import generator_seed, hash_id
from pretrain.data.cursor import permutation
from pretrain.model.config import ModelConfig
from pretrain.model.decoder import build

SEEDS = st.integers(0, 2**31)


@given(SEEDS, SEEDS, st.integers(0, 2**32 - 1))
def test_a_generators_seed_fits_in_what_a_generator_keeps_and_differs_with_the_runs(first, second, number):
    one, other = generator_seed(first, number), generator_seed(second, number)
    assert 0 <= one < 2**32
    assert (one == other) == (first == second) or hash_id(str(first), "generator") % 2**32 == 0
    drawn = [torch.rand(4, generator=torch.Generator().manual_seed(seed)) for seed in (one, other)]
    assert torch.equal(*drawn) == (one == other)


def test_two_seeds_make_two_models():
    config = ModelConfig(dim=32, layers=2, heads=2, vocab_size=64, seq_len=16)
    first, same, other = (dict(build(config, seed).named_parameters()) for seed in (0, 0, 1))
    drawn = [name for name, value in first.items() if value.std() > 0]
    assert len(drawn) > 4
    for name in drawn:
        assert torch.equal(first[name], same[name])
        assert not torch.equal(first[name], other[name]), name


def test_two_seeds_make_two_orders():
    orders = [permutation(np.arange(200), 200, (seed,)) for seed in (0, 1)]
    assert not np.array_equal(*orders)


@pytest.mark.parametrize("seed", [0, 1, 2**31])
def test_dropout_follows_seed_and_step(seed):
    drawn = {}
    for step in range(4):
        torch.manual_seed(generator_seed(seed, step))
        drawn[step] = torch.rand(8)
    assert len({tuple(values.tolist()) for values in drawn.values()}) == 4
