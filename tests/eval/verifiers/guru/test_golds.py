"""References of the shipped sets by the published scorers, in the form that each of them asks for."""

import json

import pytest

from eval.verifiers.registry import score

MATHEMATICS = {
    "reasoning/gsm8k.jsonl": "answer",
    "verifiable/math500.jsonl": "answer",
    "verifiable/aime24.jsonl": "expected_answer",
}
FEW = 8
"""Programs of each set: a process each."""


def rows(shared_data, name):
    return [json.loads(line) for line in (shared_data / name).read_text(encoding="utf-8").split("\n") if line]


def of(verifier, gold, text, **info):
    return score({"verifier": verifier, "ground_truth": gold, "info": info}, text, "guru").score


@pytest.mark.parametrize("name", MATHEMATICS)
def test_mathematics(name, shared_data):
    golds = [str(row[MATHEMATICS[name]]).rpartition("#### ")[2] for row in rows(shared_data, name)]
    assert [gold for gold in golds if of("math", gold, f"\\boxed{{{gold}}}") != 1.0] == []
    assert not any(of("math", gold, "") for gold in golds)


def test_grids(shared_data):
    golds = [pair["output"] for row in rows(shared_data, "reasoning/arc_agi.jsonl") for pair in row["test"]]
    assert all(of("grid", gold, f"<answer>{gold}</answer>") == 1.0 for gold in golds)
    assert not any(of("grid", gold, "<answer></answer>") for gold in golds)


def test_programs(shared_data):
    for row in rows(shared_data, "reasoning/human_eval.jsonl")[:FEW]:
        gold = {"functional": f"{row['test']}\n\ncheck({row['entry_point']})"}
        program = row["prompt"] + row["canonical_solution"]
        assert of("code", gold, f"```python\n{program}\n```") == 1.0, row["task_id"]
        assert of("code", gold, "```python\nraise SystemExit(3)\n```") == 0.0
    for row in rows(shared_data, "verifiable/mbpp.jsonl")[:FEW]:
        gold = {"functional": row["test_list"] + row["challenge_test_list"]}
        found = of("code", gold, f"```python\n{row['code']}\n```", test_setup_code=row["test_setup_code"])
        assert found == 1.0, row


def test_simulations(shared_data):
    for row in rows(shared_data, "reasoning/cruxeval.jsonl")[:FEW]:
        text = f"```python\nassert f({row['input']}) == {row['output']}\n```"
        assert of("cruxeval", {"functional": row["code"]}, text) == 1.0
        assert of("cruxeval", {"functional": row["code"]}, "```python\nassert f == 0\n```") == 0.0
    for row in rows(shared_data, "verifiable/codeio.jsonl"):
        value = row["ios"][0]["output"]
        text = f"```json\n{json.dumps({'output': value})}\n```"
        assert of("codeio", f'"output": {json.dumps(value)}', text) == 1.0
