"""reasoning-gym's families as rows: the library's own answers earn the full score."""

import json

import pytest

from common.config import ConfigError, load
from eval.verifiers.registry import score
from rl.data.generators.puzzle import generate
from rl.data.generators.reasoning_gym import ReasoningGymConfig

pytest.importorskip("reasoning_gym", reason="pip install -e .[gym]")
pytestmark = pytest.mark.filterwarnings("ignore")  # the library imports packages that warn


@pytest.mark.parametrize("task", ["basic_arithmetic", "countdown", "spell_backward", "number_sorting", "gcd"])
def test_the_gold_answer_is_right_and_another_is_not(task):
    config = ReasoningGymConfig(out="x.jsonl", task=task)
    row = generate(0, 3, config)
    assert row == generate(0, 3, config)
    assert (row["source"], row["verifier"]) == (f"reasoning_gym__{task}", "reasoning_gym")
    gold = json.loads(row["ground_truth"])["answer"]
    assert score(row, f"<answer>{gold}</answer>").status == "correct"
    assert score(row, "<answer>nothing of the kind</answer>").score < 1


def test_unknown_families_and_settings_are_one_sentence():
    with pytest.raises(ValueError, match="task=no_such"):
        generate(0, 0, ReasoningGymConfig(out="x.jsonl", task="no_such"))
    with pytest.raises(ConfigError, match="give seed as seed="):
        load(ReasoningGymConfig, overrides={"out": "x.jsonl", "task": "gcd", "settings.seed": 3})
