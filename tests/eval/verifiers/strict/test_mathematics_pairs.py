"""Right answers written unusually and wrong ones written temptingly, made up here (`pairs.jsonl`), by kind."""

import json
from pathlib import Path

import pytest

from eval.verifiers.registry import score

LINES = (Path(__file__).parent / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
PAIRS = [json.loads(line) for line in LINES]
KINDS = list(dict.fromkeys(pair["kind"] for pair in PAIRS))


def is_right(gold, answer):
    row = {"verifier": "math", "ground_truth": gold}
    return score(row, f"So the answer is \\boxed{{{answer}}}.").status == "correct"


@pytest.mark.parametrize("kind", KINDS)
def test_right_answers_written_unusually(kind):
    pairs = [(one["gold"], answer) for one in PAIRS if one["kind"] == kind for answer in one["right"]]
    assert [pair for pair in pairs if not is_right(*pair)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_answers_written_temptingly(kind):
    pairs = [(one["gold"], answer) for one in PAIRS if one["kind"] == kind for answer in one["wrong"]]
    assert [pair for pair in pairs if is_right(*pair)] == []


def test_every_reference_is_right_as_it_stands():
    assert [one["gold"] for one in PAIRS if not is_right(one["gold"], one["gold"])] == []
