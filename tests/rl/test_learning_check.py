"""The verdict on learning, by hand; the runs themselves are in tests/bench."""

import json
import math

import pytest

from rl.learning_check import held_out_totals, verdict


def test_the_gain_and_the_larger_of_two_standard_errors():
    before = [{"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}]
    after = [{"a": 2.0, "b": 5.0}, {"a": 2.0, "b": 3.0}]  # by passage 1 and 2, by seed 2 and 1
    found = verdict(before, after)
    assert found["gain"] == 1.5 and found["gain_by_seed"] == [2, 1]
    assert found["standard_error"] == pytest.approx(math.sqrt(0.5) / math.sqrt(2))
    assert found["learned"]  # 1.5 > 2 x 0.5


def test_a_gain_within_the_noise_is_none():
    before = [{"a": 0.0, "b": 0.0}] * 2
    after = [{"a": 2.0, "b": -1.0}] * 2
    assert not verdict(before, after)["learned"]


def test_other_passages_are_an_error():
    with pytest.raises(ValueError, match="different passages"):
        verdict([{"a": 1.0}, {"a": 1.0}], [{"a": 1.0}, {"b": 1.0}])


def test_totals_are_means_by_passage_of_one_evaluation(tmp_path):
    rows = [
        {"mode": "eval", "step": 0, "id": "a", "total": 1.0},
        {"mode": "eval", "step": 0, "id": "a", "total": 3.0},
        {"mode": "eval", "step": 0, "id": "b", "total": None},
        {"mode": "eval", "step": 5, "id": "a", "total": 9.0},
        {"mode": "train", "step": 0, "id": "a", "total": 9.0},
    ]
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert held_out_totals(path, 0) == {"a": 2}
