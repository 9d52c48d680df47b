"""Figures of repeated samples equal closed forms and plain enumeration; intervals cover what they should."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.statistics import (
    average_at_k,
    clustered_error,
    exact_interval_95,
    least_difference,
    majority_at_k,
    middle_95,
    paired_difference,
    pass_at_k,
    pass_hat_k,
    quantiles,
    repeat_error,
    resampled_means,
)


@pytest.mark.parametrize(
    ("n", "right", "k", "expected"),
    [(4, 1, 2, 0.5), (5, 2, 3, 0.9), (32, 3, 8, 0.591935), (32, 8, 4, 0.704505), (32, 0, 8, 0), (16, 16, 16, 1)],
)
def test_pass_at_k_equals_the_specifications_vectors(n, right, k, expected):
    assert pass_at_k(n, right, k) == pytest.approx(expected, abs=5e-7)


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_and_pass_hat_k_equal_enumeration(case):
    n, right, k = case
    draws = list(combinations([True] * right + [False] * (n - right), k))
    assert pass_at_k(n, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_hat_k(n, right, k) == pytest.approx(sum(map(all, draws)) / len(draws))


@pytest.mark.parametrize(
    "figure", [lambda: pass_at_k(4, 1, 5), lambda: pass_hat_k(4, 1, 5), lambda: average_at_k([1], 2)]
)
def test_k_above_the_samples_at_hand_is_an_error(figure):
    with pytest.raises(ValueError, match="draw more"):
        figure()


def test_more_right_samples_than_samples_is_an_error():
    with pytest.raises(ValueError, match="cannot be right"):
        pass_at_k(4, 5, 2)


def test_average_at_k_takes_the_first_k():
    assert average_at_k([1, 0, 1, 1], 2) == 0.5


@pytest.mark.parametrize(
    ("answers", "scores", "expected"),
    [
        (["a", "a", "b"], [1, 1, 0], 1.0),
        (["a", "b", "b"], [1, 0, 0], 0.0),
        (["a", "b"], [1, 0], 0.5),  # a tie is a fair draw
        (["", "", "a"], [0, 0, 1], 1.0),  # what has no answer does not vote
        (["", ""], [0, 0], 0.0),
    ],
)
def test_majority_by_hand(answers, scores, expected):
    assert majority_at_k(answers, scores, len(answers)) == expected


def test_the_error_over_repeats_by_hand():
    # means of the repeats: 0.5 and 1.0; their standard deviation 0.3536, over sqrt(2)
    assert repeat_error([[1, 1], [0, 1]]) == pytest.approx(0.25)
    assert repeat_error([[1], [0]]) is None


def test_without_clusters_the_clustered_error_is_the_usual_one():
    values = [0.0, 1.0, 1.0, 0.25]
    assert clustered_error(values, range(4)) == pytest.approx(np.std(values) / 2)


def test_copies_of_a_question_make_nothing_surer():
    values = [0.0, 1.0, 1.0, 0.25]
    copied = [value for value in values for _ in range(8)]
    clusters = [number for number in range(4) for _ in range(8)]
    assert clustered_error(copied, clusters) == pytest.approx(clustered_error(values, range(4)))
    alone = middle_95(resampled_means([values], range(4), 4000)[0])
    assert middle_95(resampled_means([copied], clusters, 4000)[0]) == pytest.approx(alone)


def test_resampling_equals_full_enumeration_on_three_questions():
    values = [0.0, 0.5, 1.0]
    every = sorted(np.mean(draw) for draw in product(values, repeat=3))
    drawn = resampled_means([values], range(3), 40_000)[0]
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.quantile(drawn, share) == pytest.approx(np.quantile(every, share, method="inverted_cdf"), abs=1e-9)
    assert drawn.mean() == pytest.approx(np.mean(every), abs=0.01)


def test_clusters_of_unequal_size_weigh_by_their_questions():
    drawn = resampled_means([[1.0, 1.0, 1.0, 0.0]], ["a", "a", "a", "b"], 20_000)[0]
    # both, a twice, b twice: (3 + 0) / 4, 1, 0
    assert sorted(set(drawn.tolist())) == [0.0, 0.75, 1.0]
    assert np.mean(drawn == 0.75) == pytest.approx(0.5, abs=0.02)


def test_a_paired_difference_is_sharper_than_two_scores():
    hard = np.linspace(0, 1, 200)
    first, other = hard, np.clip(hard + 0.03, 0, 1)
    found = paired_difference(first.tolist(), other.tolist(), range(200))
    assert found.distinguishable and found.value == pytest.approx(np.mean(other - first))
    assert found.error < 0.1 * clustered_error(first.tolist(), range(200))
    assert found.interval_95[0] <= found.value <= found.interval_95[1]


def test_equal_models_cannot_be_told_apart():
    found = paired_difference([0.0, 1.0, 0.5], [0.0, 1.0, 0.5], range(3))
    assert (found.value, found.interval_95, found.distinguishable) == (0.0, [0.0, 0.0], False)


def test_the_interval_of_a_difference_covers_the_truth():
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        base = random.random(60)
        first, other = random.random(60) < base, random.random(60) < np.clip(base + 0.1, 0, 1)
        truth = np.mean(np.clip(base + 0.1, 0, 1) - base)
        low, high = paired_difference(first * 1.0, other * 1.0, range(60), 400).interval_95
        covered += low <= truth <= high
    assert 0.91 <= covered / 300 <= 0.99


def test_the_smallest_difference_is_found_with_its_power():
    # 2.80 errors: 1.95996 + 0.84162
    assert least_difference(1.0) == pytest.approx(2.80158, abs=1e-4)
    random = np.random.default_rng(0)
    seen = np.abs(random.normal(least_difference(1.0), 1.0, 20_000)) > 1.959964
    assert seen.mean() == pytest.approx(0.8, abs=0.01)


def test_none_right_of_thirty_is_not_sure_to_be_nothing():
    low, high = exact_interval_95(False, 30)
    assert low == 0 and (1 - high) ** 30 == pytest.approx(0.025)
    assert exact_interval_95(True, 30) == pytest.approx([1 - high, 1.0])


def test_quantiles_by_hand():
    found = quantiles(list(range(101)))
    assert (found["mean"], found["p10"], found["p50"], found["p99"], found["max"]) == (50, 10, 50, 99, 100)
    assert math.isclose(quantiles([7])["p90"], 7)
