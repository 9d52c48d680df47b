"""The std filter: published vectors, the queue and the stream, whole groups in every round."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rl.grpo.refill import Group, choose, join
from rl.grpo.std_filter import StdFilter, StdFilterConfig, deviations

NAN = float("nan")


def rule(rows=10, **fields):
    return StdFilter(StdFilterConfig(**fields), rows, seed=3)


def test_the_moving_average_of_the_worked_run():
    found = rule(beta=0.5)
    for _ in range(5):
        assert math.isfinite(found.finish([0.9, 0.8]))  # steps 1 to 5 count for nothing
    for mean in (0.30, 0.20, 0.10, 0.20, 0.20):
        assert found.threshold == 0 and found.keeps(0.0)
        found.finish([mean])
    expected = [(0.30, 0.2, 0.1), (NAN, 0.201, 0.1005), (0.10, 0.201, 0.1005), (0.0, 0.19999, 0.099995)]
    for mean, ema, threshold in expected:  # from step 11: the average holds what the steps before it had
        assert found.ema == pytest.approx(ema, abs=1e-12) and found.threshold == pytest.approx(threshold, abs=1e-12)
        assert found.keeps(threshold + 1e-9) and not found.keeps(threshold - 1e-9) and not found.keeps(NAN)
        found.finish([mean])


def test_the_mean_is_over_all_prompts_that_can_be_judged():
    assert rule().finish([0.1, NAN, 0.3]) == pytest.approx(0.2)
    assert math.isnan(rule().finish([NAN]))


@given(st.lists(st.floats(0, 2) | st.just(NAN), min_size=1, max_size=8))
def test_beta_0_keeps_all(spreads):
    found = rule(beta=0.0, record_from=1, filter_from=2)
    for _ in range(4):
        assert all(found.keeps(spread) for spread in spreads)
        found.finish(spreads)


def test_dynamic_sampling_drops_equal_groups_from_the_first_step():
    found = rule(beta=0.0, drop_equal=True)
    assert not found.keeps(0.0) and not found.keeps(1e-8) and not found.keeps(NAN) and found.keeps(0.01)


def test_the_queue_comes_first_and_the_stream_takes_every_row_before_any_again():
    found = rule(rows=5)
    found.queue = [7, 8, 9]
    first = found.draw(2)
    assert first == [7, 8]
    rest = found.draw(11)
    assert rest[0] == 9 and sorted(rest[1:6]) == list(range(5)) == sorted(rest[6:])
    assert rest[1:6] != rest[6:]


@given(st.integers(1, 7), st.integers(1, 7))
def test_a_restored_state_draws_and_filters_as_the_old_one(first, second):
    whole, part = rule(record_from=1, filter_from=2), rule(record_from=1, filter_from=2)
    assert whole.draw(first) == part.draw(first)
    whole.finish([0.3])
    part.finish([0.3])
    resumed = rule(record_from=1, filter_from=2)
    resumed.restore(json.loads(json.dumps(part.state())))
    assert resumed.draw(second) == whole.draw(second) and resumed.threshold == whole.threshold
    whole.finish([0.1])
    resumed.finish([0.1])
    assert resumed.state() == whole.state()


def test_nothing_can_be_filtered_before_something_is_recorded():
    with pytest.raises(ValueError, match="record_from 11 is not before filter_from 11"):
        StdFilterConfig(record_from=11)


def test_deviations_are_of_the_scored_completions():
    found = deviations(np.array([1.0, 0.0, NAN, NAN, 1.0, NAN]), 2)
    assert found[0] == pytest.approx(math.sqrt(0.5)) and np.isnan(found[1:]).all()


def group(place, deviation, kept):
    return Group(0, place, 100 + place, deviation, kept)


def test_a_process_takes_its_first_kept_groups_and_fills_up_with_the_widest_of_the_others():
    groups = [
        group(0, 0.5, True),
        group(1, NAN, False),
        group(2, 0.2, False),
        group(3, 0.4, True),
        group(4, 0.3, False),
    ]
    choice = choose(groups, 1)
    assert [one.place for one in choice.taken] == [0] and [one.place for one in choice.surplus] == [3]
    choice = choose(groups, 4)
    assert [one.place for one in choice.taken] == [0, 3, 4, 2] and choice.forced == 2 and not choice.surplus
    assert [one.place for one in choose(groups, 5).taken][-1] == 1


def batch(prompt, completion):
    """TRL's batch of two rows whose ids tell where they come from."""
    return {
        "prompt_ids": torch.full((2, prompt), 7) + torch.arange(2)[:, None],
        "prompt_mask": torch.ones(2, prompt, dtype=torch.long),
        "completion_ids": torch.full((2, completion), 9),
        "completion_mask": torch.ones(2, completion, dtype=torch.long),
        "old_per_token_logps": torch.full((2, completion), -1.0),
        "importance_sampling_ratio": torch.ones(2, 1),
        "advantages": torch.zeros(2),
        "num_items_in_batch": torch.tensor(2 * completion),
    }


def test_rounds_are_joined_with_prompts_on_the_left_and_completions_on_the_right():
    joined = join([(batch(2, 3), [1]), (batch(3, 1), [0, 1])], pad_id=0)
    assert joined["prompt_ids"].tolist() == [[0, 8, 8], [7, 7, 7], [8, 8, 8]]
    assert joined["prompt_mask"].tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 1]]
    assert joined["completion_ids"].tolist() == [[9, 9, 9], [9, 0, 0], [9, 0, 0]]
    assert joined["completion_mask"].tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert joined["old_per_token_logps"].tolist() == [[-1, -1, -1], [-1, 0, 0], [-1, 0, 0]]
    assert joined["importance_sampling_ratio"].shape == (3, 1) and joined["advantages"].shape == (3,)
