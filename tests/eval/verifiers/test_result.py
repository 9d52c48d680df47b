"""A result cannot contradict itself, and None is not 0."""

import json

import pytest

from eval.verifiers.result import REASONS, Result, correct, infra_error, of_score, skipped, unparseable, wrong


def test_what_was_not_judged_has_no_score_and_tells_a_trainer_whose_fault_it_is():
    assert (infra_error("judge_down").score, infra_error("judge_down").mask, infra_error("judge_down").failure) == (
        None,
        True,
        "infra",
    )
    assert (skipped("bad_gold").mask, skipped("bad_gold").failure) == (True, "row")
    assert (wrong("different").mask, wrong("different").failure, wrong("different").score) == (False, "", 0.0)


@pytest.mark.parametrize(
    ("status", "score", "reason"),
    [
        ("correct", 0.5, "ok"),
        ("correct", 1.0, "different"),
        ("wrong", 1.0, "different"),
        ("wrong", 0.0, "ok"),
        ("infra_error", 0.0, "judge_down"),
        ("skipped", 0.0, "bad_gold"),
        ("unparseable", None, "no_box"),
        ("wrong", 0.0, "no such reason"),
        ("right", 1.0, "ok"),
    ],
)
def test_contradictions_are_refused(status, score, reason):
    with pytest.raises(ValueError, match="status"):
        Result(status, score, reason)


def test_a_result_is_a_json_record():
    record = json.loads(json.dumps(unparseable("no_box").with_(seconds=0.1, verifier="math").record()))
    assert (record["status"], record["score"], record["mask"], record["verifier"]) == (
        "unparseable",
        0.0,
        False,
        "math",
    )


def test_a_score_of_one_is_correct_and_less_is_not():
    assert of_score(1.0, "a") == correct("a")
    assert of_score(0.5, "a", "partial") == wrong("partial", "a", 0.5)


def test_every_reason_says_something():
    assert all(len(text) > 10 for text in REASONS.values())
