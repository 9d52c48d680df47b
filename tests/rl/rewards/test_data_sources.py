"""A reward for some data sets: it judges their rows as it always does, and has nothing to say about the others."""

import json

import pytest

from rl.rewards.base import NOT_APPLICABLE, Scores, combine
from rl.rewards.general import RepetitionConfig
from rl.rewards.kinds import open_rewards
from rl.rewards.process import ProcessConfig, ProcessReward
from rl.rewards.rephrase import LengthConfig
from rl.rewards.verifiable import VerifiableConfig

PAGE = "Here is a paraphrased version: the heron waits in the shallows"


def rewards(*configs):
    return {config.kind: reward for config, reward in zip(configs, open_rewards(configs), strict=True)}


def mixed():
    rows = [
        {"source": None, "data_source": "pages", "text": "the heron waits in the shallows", "ground_truth": None},
        {"source": "math__mine", "data_source": "", "text": None, "ground_truth": "4"},
        {"source": "math__mine", "data_source": "", "text": None, "ground_truth": "5"},
        {"source": "web", "data_source": "web", "text": None, "ground_truth": None},
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return [PAGE, "\\boxed{4}", "\\boxed{4}", "whatever"], columns


def test_each_family_judges_its_own_rows():
    found = rewards(LengthConfig(data_sources=["pages"]), VerifiableConfig(data_sources=["math__mine"]))
    completions, columns = mixed()
    assert found["length"]([""] * 4, completions, **columns) == [1.0, None, None, None]
    assert found["verifiable"]([""] * 4, completions, **columns) == [None, 1.0, 0.0, None]
    assert found["verifiable"].last.reasons == [NOT_APPLICABLE, "", "", NOT_APPLICABLE]
    assert found["verifiable"].last.parts["status"] == [None, "correct", "wrong", None]
    scores = {name: reward.last for name, reward in found.items()}
    assert combine(scores, {"length": 2.0, "verifiable": 1.0}) == [2.0, 1.0, 0.0, None]


def test_no_row_of_its_own_needs_no_column():
    found = rewards(LengthConfig(data_sources=["pages"]))
    assert found["length"]([""], ["x"], data_source=["web"]) == [None]


def test_without_data_sets_all_rows_are_judged():
    found = rewards(RepetitionConfig())
    assert (
        len([one for one in found["repetition"]([""] * 2, ["a b", "c d"], source=["x", "y"]) if one is not None]) == 2
    )


def test_a_completion_of_another_data_set_is_not_begun():
    found = rewards(VerifiableConfig(data_sources=["math__mine"]))["verifiable"]
    row = {"verifier": "math", "ground_truth": "4"}
    found.begin({**row, "source": "web"}, "\\boxed{4}", "stop")
    assert not found.begun
    found.begin({**row, "source": "math__mine"}, "\\boxed{4}", "stop")
    assert len(found.begun) == 1


def test_rewards_by_token_pay_nothing_for_other_rows(monkeypatch):
    def score(self, batch):
        self.token_rewards = [[(0, 1.0)] for _ in batch.completions]
        return Scores.of([0.5] * len(batch.completions))

    monkeypatch.setattr(ProcessReward, "score", score)
    found = rewards(ProcessConfig(data_sources=["steps"]))["process"]
    assert found([""] * 3, ["a", "b", "c"], data_source=["web", "steps", "web"]) == [None, 0.5, None]
    assert found.token_rewards == [[], [(0, 1.0)], []]


@pytest.mark.integration
def test_five_families_train_together_on_one_file(tmp_path, root, monkeypatch):
    """The shipped recipe runs, and every family judges rows of its own."""
    from rl.train import main

    monkeypatch.chdir(root)
    main([str(root / "configs/rl/mixed_smoke_cpu.yaml"), f"out={tmp_path}/run", "max_steps=2"])
    lines = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    by = {line["data_source"]: {name for name, value in line["rewards"].items() if value is not None} for line in lines}
    assert by["pages"] == {"length", "structure"}
    assert by["general"] == {"reference_probability"}
    assert by["steps"] == {"exact_answer", "process"}
    assert by["story"] == {"completion_gain"}
    assert by["verifiable"] == {"verifiable"}
