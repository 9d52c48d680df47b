"""Rewards read an answer of edits through its prompt's own reader: the page with the edits applied."""

import json
from pathlib import Path

from common.config import load
from rephrase.gate.calibration import rejections, table
from rl.grpo.config import RLConfig
from rl.grpo.rows import read_rows
from rl.rewards.base import Batch
from rl.rewards.kinds import open_rewards

PAGE = "Home | News\nThe river rises in 1915 metres."


def test_edits_are_applied_before_any_reward_sees_the_text(root, tmp_path):
    config = load(RLConfig, [Path(root, "configs", "rl", "rephraser_smoke_cpu.yaml")], {})
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"id": str(at), "text": PAGE}) + "\n" for at in range(3)), encoding="utf-8")
    made = list(read_rows(rows, config))  # as the trainer makes them, with the column that says how answers are read
    _, semantic, _, length, form = config.rewards
    rewards = open_rewards([semantic, length, form])
    answers = ["Edits:\n[1] drop\n[2] keep", "Edits:\n[9] drop", "Here is a paraphrased version:\n\nRain."]
    batch = Batch(answers, {name: [row[name] for row in made] for name in made[0]})
    found = {reward.__name__: reward.score(batch) for reward in rewards}
    assert found["semantic"].values[0] > 0.7
    assert found["semantic"].values[1:] == found["length"].values[1:] == [0.0, 0.0]
    assert found["format"].values == [1.0, 1.0, 0.0]
    assert found["format"].parts["status"] == ["ok", "no_such_line", "missing_sentinel"]


def test_calibration_tells_what_each_threshold_rejects():
    found = rejections([(PAGE, PAGE), (PAGE, "The river fell.")])
    assert found["numbers"][1.0] == found["invented_words"][0.0] == 0.5
    assert "numbers" in table(found, 2)
