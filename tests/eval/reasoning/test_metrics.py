"""A task's figures by hand: what counts, what does not, and what is said about it."""

import pytest

from eval.reasoning.examples import Example
from eval.reasoning.metrics import answered, at_k, cell, judged_by_model, vote
from eval.reasoning.store import MARKERS, Drawn
from eval.reasoning.table import reasoning_table


def drawn(score, extracted="", tokens=10, finish="stop", error="", markers=0, thought=False, **verdict):
    status = {None: "infra_error", 1.0: "correct"}.get(score, "wrong")
    record = {"score": score, "status": status, "reason": "ok", "extracted": extracted, **verdict}
    return Drawn(finish, error, tokens, 1.0, markers, thought, {} if error else {"strict": record})


def states(*rows):
    return [(Example(f"q{number}", [], "math", ""), list(row)) for number, row in enumerate(rows)]


def test_a_cell_by_hand():
    rows = states(
        [drawn(1.0, "a", 10), drawn(0.0, "b", 20, "length", markers=2), drawn(1.0, "a", 30), drawn(0.0, "c", 40)],
        [drawn(0.0, "x", 50), drawn(0.0, "x", 50), drawn(0.0, "y", 50), drawn(1.0, "z", 50)],
    )
    found = cell("t", rows, modes=["strict"], ks=[1, 2, 4], verifier="math")
    assert found["score"] == 3 / 8 and found["questions"] == 2 and found["judged"] == 8
    assert found["avg_at"] == {"1": 0.5, "2": 0.25, "4": 0.375}
    # C(2, 2) of C(4, 2) pairs have none right, and C(3, 2) of them
    assert found["pass_at"]["2"] == pytest.approx(((1 - 1 / 6) + (1 - 3 / 6)) / 2)
    assert found["pass_hat"]["2"] == pytest.approx((1 / 6 + 0) / 2)
    assert found["maj_at"] == {"1": 0.5, "2": 0.25, "4": 0.5}
    assert found["truncated"] == 1 / 8 and found["tokens"]["mean"] == 37.5 and found["tokens"]["max"] == 50
    assert found["backtracking"] == {"per_answer": 0.25, "answers": 0.125}
    assert found["solved"] == 2 and found["unjudged"]["count"] == 0 and not found["unjudged"]["flag"]
    assert found["error_repeats"] == 0.125  # standard deviation of (.5, 0, .5, .5), over 2


def test_answers_that_were_thought_about_are_scored_apart():
    rows = states([drawn(1.0, thought=True), drawn(0.0, thought=True), drawn(1.0, thought=True)], [drawn(0.0)])
    rows += states([drawn(None, thought=True), drawn(None, error="deadline: no end", finish="error", thought=True)])
    found = cell("t", rows, modes=["strict"], ks=[1], verifier="math")
    assert found["thinking"] == {"answers": 4 / 5, "score_with": pytest.approx(2 / 3), "score_without": 0.0}
    assert cell("t", states([None]), modes=["strict"], ks=[1], verifier="math")["thinking"]["answers"] is None


def test_what_nobody_judged_is_no_zero():
    rows = states(
        [drawn(1.0), drawn(None)], [drawn(1.0), None], [drawn(None, error="deadline: no end", finish="error")]
    )
    found = cell("t", rows, modes=["strict"], ks=[1, 2], verifier="code")
    assert found["score"] == 1.0 and found["judged"] == 2 and found["samples"] == 5
    assert found["unjudged"] | {"stuck_samples": []} == {
        "count": 3,
        "never_drawn": 1,
        "stuck": 1,
        "no_verdict": 1,
        "flag": True,
        "stuck_samples": [],
    }
    assert found["unjudged"]["stuck_samples"] == ["q2/0"]
    assert found["pass_at"] == {} and "maj_at" not in found  # q2 has no judged sample: no k holds for all


def test_k_above_the_judged_samples_of_a_question_is_left_out():
    questions = answered(states([drawn(1.0), drawn(1.0)], [drawn(0.0), drawn(None)]), "strict")
    assert at_k(questions, [1, 2], False)["avg_at"] == {"1": 0.5}


def test_votes_are_compared_without_looks():
    assert vote("$ \\frac{1}{2}$.") == vote("\\frac{1} {2}") and vote("A") == vote("a") != vote("b")


def test_a_fraction_is_a_score_and_no_full_mark():
    found = cell("t", states([drawn(0.5), drawn(1.0)]), modes=["strict"], ks=[1, 2], verifier="zebra")
    assert found["score"] == 0.75 and found["pass_at"]["1"] == 0.5


def test_the_judge_is_counted_beside_the_rules():
    yes, no = {"model": "j", "right": True, "reason": ""}, {"model": "j", "right": False, "reason": ""}
    raised = {"status": "correct", "rule": {"status": "wrong"}, "judge": yes}
    kept = {"status": "wrong", "judge": no}
    right = {"status": "correct", "judge": yes}
    unparsed = {"status": "wrong", "judge": {"model": "j", "right": None, "reason": "unparsed"}}
    down = {"status": "wrong", "judge": {"model": "j", "right": None, "reason": "timeout"}}
    found = judged_by_model([raised, kept, right, unparsed, down, {"status": "correct"}])
    assert found == {
        "model": "j",
        "asked": 5,
        "yes": 2,
        "no": 1,
        "raised": 1,
        "unparsed": 1,
        "failed": 1,
        "agreement": 2 / 3,
    }


def test_the_table_says_what_did_not_come_through():
    late = drawn(None, error="deadline: x", finish="error")
    found = cell("t", states([drawn(1.0), late]), modes=["strict"], ks=[1], verifier="math")
    shown = {"title": "T", "domain": "math", **found, "settings": {"samples": 2}}
    averages = {"suite": {"score": 1.0, "error_questions": 0.0, "tasks": 1, "missing": ["other"]}}
    record = {"cells": {"t": shown}, "averages": averages, "skipped": {"other": "other: none"}}
    text = reasoning_table({"reasoning": record})
    assert "1 of 2 samples have no verdict (stuck 1)" in text and "q0/1" in text
    assert "Average suite (partial: 1 of 2)" in text and "skipped: other: none" in text


@pytest.mark.parametrize(
    ("text", "count"),
    [("Wait, that's wrong. Let me double-check.", 3), ("I waited for the waiter.", 0), ("Hmm. On second thought", 2)],
)
def test_markers_of_going_back(text, count):
    assert len(MARKERS.findall(text)) == count
