"""Learning-rate points, step counts and run names of DCLM's scales."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.scales import ALIASES
from pretrain.model.config import load_model_config
from pretrain.model.sizes import count_parameters, flops_per_token
from pretrain.training.config import PretrainConfig, load_scale, run_name, total_steps, training_tokens
from pretrain.training.schedule import learning_rate

# Specification, section 6: tokens, steps, warm-up, rate at s = 0, rate at (W + T) // 2, rate at T - 1, FLOPs per token.
SCALES = {
    "411m_1x": (8_232_325_120, 7_850, 2_000, 1.5e-6, 1.515e-3, 3.00002e-5, 2.764e9),
    "1b_1x_fast": (28_795_904_000, 54_923, 5_000, 6e-7, 1.51505e-3, 3.0000003e-5, 9.227e9),
    "3b_1x_fast_3e-3_lr_1e-4_zloss": (55_918_643_200, 106_656, 5_000, 6e-7, 1.515e-3, 3.00000007e-5, 1.801e10),
    "7b_1x_fast_2e-3_lr_5e-6_zloss": (137_788_211_200, 32_851, 5_000, 4e-7, 1.01506e-3, 3.0000006e-5, 4.332e10),
    "7b_2x_fast_2e-3_lr_5e-6_zloss": (275_576_422_400, 65_702, 5_000, 4e-7, 1.015e-3, 3.0000001e-5, 4.332e10),
}


@pytest.mark.parametrize("name", SCALES)
def test_scales_have_the_published_tokens_steps_and_rates(name):
    tokens, steps, warmup, first, middle, last, flops = SCALES[name]
    config = load_scale(name)
    model = load_model_config(config.model)
    counts = count_parameters(model)
    assert training_tokens(config, counts.published) == tokens
    assert total_steps(tokens, 2048, config.global_bs, config.num_checkpoints) == steps
    assert config.warmup == warmup
    assert learning_rate(0, steps, config) == pytest.approx(first, rel=1e-12)
    assert learning_rate((warmup + steps) // 2, steps, config) == pytest.approx(middle, rel=1e-5)
    assert learning_rate(steps - 1, steps, config) == pytest.approx(last, rel=1e-6)
    assert learning_rate(warmup - 1, steps, config) == learning_rate(warmup, steps, config) == config.lr
    assert flops_per_token(counts.no_embed, model.layers, model.dim, 2048) == pytest.approx(flops, rel=1e-3)


def test_repro_students_take_27461_steps():  # arXiv:2510.10681: 28,795,904,000 tokens at 411m_1x
    assert total_steps(28_795_904_000, 2048, 512) == 27_461


def test_hyper_parameters_are_dclms():
    rows = {name: load_scale(name) for name in SCALES}
    assert [config.global_bs for config in rows.values()] == [512, 256, 256, 2048, 2048]
    assert [config.wd for config in rows.values()] == [0.033, 0.033, 0.033, 0.05, 0.05]
    assert [config.z_loss for config in rows.values()] == [1e-4, 1e-4, 1e-4, 5e-6, 5e-6]
    assert [config.acc for config in rows.values()] == [8, 1, 1, 2, 2]
    assert {config.seed for config in rows.values()} == {124}
    assert {(config.beta1, config.beta2, config.eps, config.grad_clip) for config in rows.values()} == {
        (0.9, 0.95, 1e-8, 1.0)
    }
    assert [config.precision for config in rows.values()] == ["amp_bf16"] * 2 + ["bf16_reduce"] * 3


def test_dclm_names_and_ours_are_the_same_scales():
    for theirs, ours in ALIASES.items():
        assert load_scale(theirs) == load_scale(ours)


def test_run_name_is_dclms():  # of the record of data/core_records for Dolma at 411m
    assert run_name(load_scale("411m_1x"), "dolma_v1_no_resample", 8_232_325_120) == (
        "dolma_v1_no_resample-d=1024_l=24_h=8-warm=2000-lr=0p003-wd=0p033-cd=3e-05-bs=512-mult=1-seed=124-tokens=8232325120"
    )


def test_unknown_scale_names_those_there_are():
    with pytest.raises(ValueError, match=r"no scale '411m'; there are .*411m_1x"):
        load_scale("411m")


SHAPES = st.tuples(st.integers(0, 50), st.integers(1, 200), st.floats(1e-5, 1), st.floats(0, 1))


@given(SHAPES, st.sampled_from(["cosine", "const", "wsd"]))
def test_the_rate_rises_to_its_peak_and_then_never_again(shape, schedule):
    warmup, rest, lr, floor_share = shape
    total = warmup + rest
    config = PretrainConfig(lr=lr, cd=lr * floor_share, warmup=warmup, schedule=schedule, decay_steps=max(1, rest // 3))
    rates = [learning_rate(step, total, config) for step in range(total)]
    slack = 1e-12 * lr
    assert all(b >= a - slack for a, b in pairwise(rates[:warmup]))
    assert all(b <= a + slack for a, b in pairwise(rates[warmup:]))
    assert min(rates) >= min(config.cd, lr / max(warmup, 1)) - slack
    if warmup:
        assert math.isclose(rates[warmup - 1], lr, rel_tol=1e-9)


def test_wsd_is_flat_then_linear():
    config = PretrainConfig(lr=1.0, cd=0.2, warmup=2, schedule="wsd", decay_steps=4)
    rates = [learning_rate(step, 10, config) for step in range(10)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4])
