"""Rewards read an answer of edits through its prompt's own reader: the page with the edits applied."""

from pathlib import Path

from common.config import load
from rephrase.gate.calibration import rejections, table
from rl.grpo.config import RLConfig
from rl.rewards.base import Batch
from rl.rewards.kinds import open_rewards

PAGE = "Home | News\nThe river rises in 1915 metres."


def test_edits_are_applied_before_any_reward_sees_the_text(root):
    config = load(RLConfig, [Path(root, "configs", "rl", "rephraser_smoke_cpu.yaml")], {})
    _, semantic, _, length, form = config.rewards
    rewards = open_rewards([semantic, length, form])
    answers = ["Edits:\n[1] drop\n[2] keep", "Edits:\n[9] drop", "Here is a paraphrased version:\n\nRain."]
    batch = Batch(answers, {"text": [PAGE] * 3, "answer_form": ["edits"] * 3})
    found = {reward.__name__: reward.score(batch) for reward in rewards}
    assert found["semantic"].values[0] > 0.7
    assert found["semantic"].values[1:] == found["length"].values[1:] == [0.0, 0.0]
    assert found["format"].values == [1.0, 1.0, 0.0]
    assert found["format"].parts["status"] == ["ok", "no_such_line", "missing_sentinel"]


def test_calibration_tells_what_each_threshold_rejects():
    found = rejections([(PAGE, PAGE), (PAGE, "The river fell.")])
    assert found["numbers"][1.0] == found["invented_words"][0.0] == 0.5
    assert "numbers" in table(found, 2)
