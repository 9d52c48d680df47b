"""`rl.score`: the same rewards over recorded rows."""

import json

import pytest

from rl.score import main

S = "Here is a paraphrased version:"
YAML = """
model: m
out: runs/x
rewards:
  - {kind: semantic, measure: lexical, threshold: 0.5}
  - {kind: structure}
  - {kind: length}
  - {kind: kept}
  - {kind: format}
reward_weights: [1, 1, 1, 1, 1]
"""


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(YAML)
    return str(path)


def test_rows_come_out_with_rewards_parts_and_total(config, tmp_path, capsys):
    rows = [
        {"id": 1, "text": "Cats sleep 12 hours.", "completion": f"{S} Cats sleep 12 hours.", "extra": "rides along"},
        {"id": 2, "text": "Cats sleep 12 hours.", "completion": f"{S} Cats", "finish_reason": "length"},
        {"id": "3", "text": "Cats sleep.", "organic_text": "Cats sleep."},
    ]
    out = tmp_path / "out.jsonl"
    main([config, write(tmp_path / "pairs.jsonl", rows), f"out={out}"])
    first, second, third = map(json.loads, out.read_text().splitlines())
    assert first["extra"] == "rides along" and first["total"] == 5
    assert second["rewards"] == {"semantic": 0, "structure": 0, "length": 0, "kept": 0, "format": 1}
    assert second["parts"]["format/status"] == "truncated"
    assert third["rewards"]["kept"] is None and third["total"] == 4 and third["skipped"] == ""
    printed = capsys.readouterr().out
    assert "format/status: truncated 1" in printed and "total" in printed


def test_a_row_without_a_completion_is_a_usage_error(config, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([config, write(tmp_path / "pairs.jsonl", [{"id": "a", "text": "x"}])])
    assert "'a' has neither 'completion' nor 'organic_text'" in capsys.readouterr().err


def test_a_judge_that_is_dead_for_every_row_ends_with_1_and_the_reason(tmp_path, capsys):
    config = tmp_path / "config.yaml"
    dead = "{url: 'http://127.0.0.1:9/v1', model: m, retries: 0}"
    rewards = f"rewards: [{{kind: structure, measure: judge, judge: {dead}}}]"
    config.write_text(f"model: m\nout: runs/x\n{rewards}\nreward_weights: [1]\n")
    pairs = write(tmp_path / "pairs.jsonl", [{"id": 1, "text": "Cats sleep.", "completion": f"{S} Cats sleep."}])
    with pytest.raises(SystemExit) as ended:
        main([str(config), pairs])
    printed = capsys.readouterr()
    assert ended.value.code == 1 and "none of the rows' totals could be had (" in printed.err
    assert "unreachable 1)" in printed.err and "skipped: " in printed.out
