"""Reducers, relations and shapes of the likelihood rewards."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from eval.story.plans import perplexity_gain
from rl.rewards.shaping import REDUCERS, Shape, Steps, reduce

LOGPROBS = st.lists(st.floats(-50, 0), min_size=1, max_size=40)


def shape(**fields):
    return TypeAdapter(Shape).validate_python(fields)


def test_reducers_on_the_worked_example():
    logprobs = np.log([0.01, 0.7, 0.9])
    expected = {"mean_p": 0.536667, "seq_p": 0.0063, "geo_p": 0.184691, "mean_logp": -1.689069, "ppl": 5.41444}
    for how, value in expected.items():
        assert reduce(logprobs, how) == pytest.approx(value, abs=1e-5)


def test_one_token_moves_the_product_fivefold_and_the_mean_little():
    """Why RLPR takes the mean: .5367 against .5500, .0063 against .0315."""
    low, high = np.log([0.01, 0.7, 0.9]), np.log([0.05, 0.7, 0.9])
    assert reduce(high, "mean_p") == pytest.approx(0.55)
    assert reduce(high, "seq_p") / reduce(low, "seq_p") == pytest.approx(5)


def test_no_scored_token_is_invalid_not_0():
    with pytest.raises(ValueError, match="no scored token"):
        reduce([], "mean_p")


@given(LOGPROBS)
def test_reductions_are_finite_for_any_likelihood(logprobs):
    assert all(math.isfinite(reduce(logprobs, how)) for how in REDUCERS)


@pytest.mark.parametrize(("gain", "difference"), [(0.05, 5.0013e-4), (1.0, 0.0100503), (2.0, 0.0202027)])
def test_the_steps_edges_in_nats(gain, difference):
    assert perplexity_gain(-1.0, -1.0 + difference) == pytest.approx(gain, rel=1e-4)


@given(st.floats(-5000, 0), st.floats(-5000, 0))
def test_gains_never_explode_and_never_exceed_100(base, found):
    assert math.isfinite(perplexity_gain(base, found)) and perplexity_gain(base, found) <= 100


def test_shapes_by_hand():
    assert [shape(kind="clip01")(x) for x in (-1, 0.25, 2)] == [0, 0.25, 1]
    assert [shape(kind="threshold", at=0.2)(x) for x in (0.1, 0.2)] == [0, 0.2]
    assert shape(kind="threshold", at=0.2, leak=0.01)(0.1) == pytest.approx(0.001)
    assert shape(kind="sigmoid", k=6)(0.75) == pytest.approx(1 / (1 + math.exp(-3)))
    assert shape(kind="tanh", k=6)(0.75) == pytest.approx((math.tanh(1.5) + 1) / 2)
    assert [shape(kind="relu")(x) for x in (-1, 2)] == [0, 2]
    assert [shape(kind="binary")(x) for x in (-1, 0, 2)] == [0, 1, 1]
    assert shape(kind="one_minus")(0.2) == pytest.approx(0.8)
    assert shape(kind="one_minus_tanh")(0.5) == pytest.approx(0.537883, abs=1e-6)  # S_magn at V_t / V_b = 1/2
    assert shape(kind="identity")(-3) == -3


@pytest.mark.parametrize(("bins", "x", "expected"), [(4, 0.3, 0.25), (4, 0.4, 0.5), (1, 0.49, 0), (10, 2.0, 1.0)])
def test_rounding_to_bins_comes_last(bins, x, expected):
    assert shape(kind="clip01", bins=bins)(x) == pytest.approx(expected)


def test_an_edge_belongs_to_the_upper_step():
    steps = Steps(edges=[0.05, 1, 2], values=[0, 0.5, 0.9, 1])
    assert [steps(x) for x in (0.04, 0.05, 1, 2)] == [0, 0.5, 0.9, 1]


def test_steps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 rising edges need 3 values, not 2"):
        Steps(edges=[1, 2], values=[0, 1])
