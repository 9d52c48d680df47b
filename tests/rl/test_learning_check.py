"""The verdict on learning, by hand; the runs themselves are in tests/bench."""

import json
import math
from pathlib import Path

import pytest

from rl.learning_check import LearningCheckConfig, compared, held_out, table, verdict


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


def samples(path, rows):
    path.write_text("".join(json.dumps({"rewards": {}, "parts": {}, **row}) + "\n" for row in rows))
    return path


def test_measures_are_means_by_passage_of_one_evaluation(tmp_path):
    rows = [
        {"mode": "eval", "step": 0, "id": "a", "total": 1.0, "rewards": {"exact": 0.0}, "parts": {"gain/g": 4.0}},
        {"mode": "eval", "step": 0, "id": "a", "total": 3.0, "rewards": {"exact": 1.0}, "parts": {"gain/g": None}},
        {"mode": "eval", "step": 0, "id": "b", "total": None, "rewards": {"exact": None}, "parts": {"gain/g": 6.0}},
        {"mode": "eval", "step": 5, "id": "a", "total": 9.0},
        {"mode": "train", "step": 0, "id": "a", "total": 9.0},
    ]
    path = samples(tmp_path / "samples.jsonl", rows)
    assert held_out(path, 0) == {"a": 2}
    assert held_out(path, 0, "exact") == {"a": 0.5}
    assert held_out(path, 0, "gain/g") == {"a": 4, "b": 6}
    with pytest.raises(ValueError, match="has no 'accuracy'; there are: exact, gain/g"):
        held_out(path, 0, "accuracy")


def test_the_table_shows_means_over_seeds_with_their_errors():  # by hand
    curves = [
        {"step": [0, 20], "eval_reward": [1.0, 2.0], "eval_rewards/semantic/mean": [0.5, 0.5], "eval_kl": [None, 0.1]},
        {"step": [0, 20], "eval_reward": [3.0, 2.0], "eval_rewards/semantic/mean": [0.5, 0.7], "eval_kl": [None, 0.3]},
    ]
    assert table(curves).splitlines() == [
        "| held out | step 0 | step 20 |",
        "| --- | --- | --- |",
        "| reward | 2.000 ± 1.000 | 2.000 ± 0.000 |",
        "| semantic | 0.500 ± 0.000 | 0.600 ± 0.100 |",
    ]


def test_a_run_is_told_from_its_control(tmp_path, monkeypatch):
    """Training stands in here: a run's samples are written as if it had ended with its `learning_rate`."""

    def train(config):
        rows = [
            {"mode": "eval", "step": step, "id": name, "total": step * config.learning_rate + config.seed / 100}
            for step in (0, config.max_steps)
            for name in "ab"
        ]
        folder = Path(config.out)
        folder.mkdir(parents=True)
        samples(folder / "samples.jsonl", rows)
        (folder / "metrics.jsonl").write_text('{"step": 0, "eval_reward": 0.5}\n')

    monkeypatch.setattr("rl.grpo.course.train", train)
    config = LearningCheckConfig(
        model="m",
        out=str(tmp_path / "check"),
        rewards=[{"kind": "length"}],
        reward_weights=[1],
        max_steps=10,
        learning_rate=0.3,
        controls={"slow": {"learning_rate": 0.1}},
    )
    found = compared(config)
    assert (found["gain"], found["learned"]) == (pytest.approx(3), True)
    control = found["controls"]["slow"]
    assert control["gain"] == pytest.approx(1) and control["run_above_control"]["gain"] == pytest.approx(2)
    assert sorted(found["curves"]) == [*(f"seed{n}" for n in range(3)), *(f"slow/seed{n}" for n in range(3))]
