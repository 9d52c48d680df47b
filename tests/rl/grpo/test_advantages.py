"""Advantages: worked vectors, what must never happen, and several rewards as one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rl.grpo.advantages import advantages, normalised, process_advantages, segment_mode, segments_normalised, total
from rl.rewards.process import ProcessConfig

NAN = float("nan")
REWARDS = arrays("float64", (3, 4), elements=st.floats(-10, 10, width=32))


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([10, 6, 6, 2], [1.224707, 0, 0, -1.224707]),
        ([10, 10, 10, 10], [0, 0, 0, 0]),
        ([10, 4, -8, NAN], [0.872862, 0.218216, -1.091078, 0]),
        ([NAN, NAN, NAN, 3], [0, 0, 0, 0]),
        ([0.9] * 4, [0, 0, 0, 0]),
    ],
)
def test_advantage_vectors(rewards, expected):
    found = normalised(torch.tensor(rewards, dtype=torch.float32), 4)
    torch.testing.assert_close(found, tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("centre", "scale", "expected"),
    [
        ("group", "none", [1.5, -1.5, 0.5, -0.5]),  # Dr. GRPO
        ("leave_one_out", "none", [3, -3, 1, -1]),  # RLOO: the other one of two
        ("batch", "batch", [1.5 / 1.290994, -1.5 / 1.290994, 0.5 / 1.290994, -0.5 / 1.290994]),  # REINFORCE++
        ("group", "batch", [1.5 / 1.290994, -1.5 / 1.290994, 0.5 / 1.290994, -0.5 / 1.290994]),
    ],
)
def test_other_centres_and_scales_by_hand(centre, scale, expected):
    found = normalised(tensor([4.0, 1.0, 3.0, 2.0]), 2, centre, scale, eps=0)
    torch.testing.assert_close(found, tensor(expected), atol=1e-5, rtol=0)


def test_a_deviation_at_the_bound_counts_and_one_below_it_does_not():
    apart = 1.414213562373095e-06  # two values that far apart deviate by 1e-6
    for size, counts in ((apart, True), (0.999 * apart, False)):
        assert normalised(tensor([size, 0.0]), 2).any().item() is counts
        assert any(value for row in segments_normalised([[(0, size)], [(0, 0.0)]], 2) for _, value in row) is counts


def test_each_of_four_is_measured_by_the_mean_of_the_other_three():
    rewards = [10.0, 6.0, 6.0, 2.0]
    found = normalised(tensor(rewards), 4, "leave_one_out", "none").tolist()
    assert found == pytest.approx([one - (sum(rewards) - one) / 3 for one in rewards])
    with_gap = normalised(tensor([10.0, 6.0, NAN, 2.0]), 4, "leave_one_out", "none").tolist()
    assert with_gap == pytest.approx([6, 0, 0, -6])  # 10 - (6 + 2) / 2


def test_batch_statistics_tell_groups_apart_and_group_means_do_not():
    rewards = tensor([1.0, 1.0, 0.0, 0.0])
    assert normalised(rewards, 2, "batch", "batch").tolist() == pytest.approx(
        [0.8658, 0.8658, -0.8658, -0.8658], abs=1e-3
    )
    for centre, scale in (("group", "group"), ("group", "batch"), ("leave_one_out", "none")):
        assert not normalised(rewards, 2, centre, scale).any()


@pytest.mark.parametrize("group", [2, 5, 6, 8, 10, 16])
@pytest.mark.parametrize("eps", [1e-9, 1e-6, 1e-4])
@pytest.mark.parametrize("value", [0.9, 0.1, 1 / 3])
def test_constant_rewards_give_exactly_0(group, eps, value):
    rewards = torch.full((2 * group,), value, dtype=torch.float32)
    for centre in ("group", "leave_one_out", "batch"):
        for scale in ("group", "batch"):
            assert not normalised(rewards, group, centre, scale, eps).any()


@given(REWARDS, st.integers(0, 3))
def test_an_unscored_completion_is_as_if_it_were_not_there(rewards, gone):
    flat = tensor(rewards).clone()
    flat[0, gone] = NAN
    found = normalised(flat.view(-1), 4).view(3, 4)
    assert found[0, gone] == 0
    others = [index for index in range(4) if index != gone]
    torch.testing.assert_close(found[0, others], normalised(flat[0, others], 3))
    torch.testing.assert_close(found[1:].reshape(-1), normalised(tensor(rewards[1:]).reshape(-1), 4))


@given(
    REWARDS, st.floats(-5, 5), st.sampled_from(["group", "leave_one_out"]), st.sampled_from(["group", "batch", "none"])
)
def test_advantages_sum_to_0_and_do_not_see_a_shift(rewards, shift, centre, scale):
    flat = tensor(rewards).view(-1)
    found = normalised(flat, 4, centre, scale)
    torch.testing.assert_close(found.view(3, 4).sum(1), torch.zeros(3, dtype=torch.float64), atol=1e-8, rtol=0)
    if (tensor(rewards).std(1) > 1e-3).all():
        torch.testing.assert_close(normalised(flat + shift, 4, centre, scale), found, atol=1e-6, rtol=1e-6)


VALUES = tensor([[1, 0.4], [0, 0.2], [1, 0.3], [0, 0.1]])  # a verifier and a probability, one group of four
WEIGHTS = tensor([1.0, 0.5])


def by_hand(column, scaled):
    column = np.asarray(column)
    return (column - column.mean()) / ((column.std(ddof=1) + 1e-6) if scaled else 1)


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        ("sum_then_normalize", by_hand([1.2, 0.1, 1.15, 0.05], True)),
        ("normalize_then_sum", by_hand([1, 0, 1, 0], True) + 0.5 * by_hand([0.4, 0.2, 0.3, 0.1], True)),
        ("center_second", by_hand([1, 0, 1, 0], True) + 0.5 * by_hand([0.4, 0.2, 0.3, 0.1], False)),
    ],
)
def test_several_rewards_as_one_advantage(combine, expected):
    found = advantages(VALUES, WEIGHTS, 4, combine, eps=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("combine", ["sum_then_normalize", "normalize_then_sum", "center_second"])
def test_a_failed_completion_gets_exactly_0_and_a_reward_of_weight_0_changes_nothing(combine):
    values = VALUES.clone()
    values[2] = NAN
    found = advantages(values, WEIGHTS, 4, combine)
    assert found[2] == 0 and found.isfinite().all() and found[0] > 0 > found[1]
    more = torch.cat([values, tensor([[5.0], [NAN], [NAN], [-5.0]])], 1)
    torch.testing.assert_close(advantages(more, tensor([1.0, 0.5, 0.0]), 4, combine), found)
    assert not advantages(torch.full_like(values, NAN), WEIGHTS, 4, combine).any()


def test_a_reward_that_does_not_apply_is_left_out_of_the_total():
    assert total(tensor([[1, NAN], [NAN, NAN], [1, 2]]), WEIGHTS).nan_to_num(-9).tolist() == [1, -9, 2]


PAID = [[(1, 0.5), (3, 0.1)], [(2, -0.2)], [(1, 0.9)], [(4, 0.3), (5, 0.6)]]


def test_segments_of_the_batch_or_only_centred():
    every = np.array([0.5, 0.1, -0.2, 0.9, 0.3, 0.6])
    whitened = [value for row in segments_normalised(PAID, 2, "batch") for _, value in row]
    np.testing.assert_allclose(whitened, (every - every.mean()) / (every.std(ddof=1) + 1e-6))
    centred = [value for row in segments_normalised(PAID, 2, "centre") for _, value in row]
    np.testing.assert_allclose(centred, [*(every[:3] - every[:3].mean()), *(every[3:] - every[3:].mean())])
    assert [segment_mode(*pair) for pair in (("batch", "group"), ("leave_one_out", "none"))] == ["batch", "centre"]


def test_a_process_gets_its_own_rows_of_what_all_of_them_paid():
    config = ProcessConfig(alpha=0.3, gamma=0.9)
    whole = process_advantages(PAID, 4, 7, config)
    for rows in (slice(0, 1), slice(1, 4)):  # a group may span processes
        np.testing.assert_array_equal(process_advantages(PAID, 4, 7, config, rows=rows), whole[rows])


def test_alpha_0_adds_nothing_and_equal_rewards_add_nothing():
    paid = [[(1, 0.5)], [(3, 0.5)]]
    assert not process_advantages(paid, 2, 5, ProcessConfig()).any()
    assert not process_advantages([[(1, 0.5)], [(3, 0.1)]], 2, 5, ProcessConfig(alpha=0)).any()


def test_the_gate_spares_wrong_rollouts():
    paid = [[(1, 0.5)], [(3, 0.1)]]
    gated = process_advantages(paid, 2, 5, ProcessConfig(gate="correct_only"), [True, False])
    assert gated[0].any() and not gated[1].any()
    with pytest.raises(ValueError, match="which rollouts are correct"):
        process_advantages(paid, 2, 5, ProcessConfig(gate="correct_only"))
    with pytest.raises(ValueError, match="3 rollouts are no groups of 2"):
        process_advantages(paid[:1] * 3, 2, 5, ProcessConfig())


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([1.0, 0.0], [0.5, -0.5]),  # deviation of two: |a - b| / sqrt 2
        ([3.0, -1.0], [0.5, -0.5]),
        ([2.0, 2.0], [0.0, 0.0]),
        ([NAN, 2.0], [0.0, 0.0]),  # one that counts is no group
    ],
)
def test_groups_of_two_by_hand(rewards, expected):
    found = normalised(tensor(rewards), 2, eps=0)
    torch.testing.assert_close(found, tensor(expected) * 2**0.5, atol=1e-9, rtol=0)


def test_two_scored_of_a_group_are_normalised_as_a_group_of_two():
    found = normalised(tensor([1.0, NAN, 0.0, NAN]), 4, eps=0)
    torch.testing.assert_close(found, tensor([0.5**0.5, 0.0, -(0.5**0.5), 0.0]), atol=1e-9, rtol=0)


def test_the_batchs_mean_without_a_division_by_hand():  # the mean of the scored ones is 3
    found = normalised(tensor([1.0, 1.0, 4.0, 6.0, NAN, 3.0]), 2, "batch", "none")
    assert found.tolist() == [-2.0, -2.0, 1.0, 3.0, 0.0, 0.0]


def test_the_batchs_mean_over_a_groups_deviation_by_hand():  # equal rewards have no deviation to divide by
    found = normalised(tensor([1.0, 1.0, 4.0, 6.0]), 2, "batch", "group", eps=0)
    assert found.tolist() == pytest.approx([0.0, 0.0, 1 / 2**0.5, 3 / 2**0.5])
