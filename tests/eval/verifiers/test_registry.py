"""A row finds its verifier or is refused; thinking is removed once; a failing verifier is an infra error."""

import pytest

from eval.verifiers import registry
from eval.verifiers.registry import VERIFIERS, compute_score, gold_of, named, score, score_many, verifier_of
from eval.verifiers.result import infra_error, wrong


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("math", "math"),
        ("math__deepscaler_preview", "math"),
        ("codegen__taco", "code"),
        ("simulation__codeio", "codeio"),
        ("simulation__cruxeval-i", "cruxeval"),
        ("simulation__arcagi1", "grid"),
        ("logic__barc", "grid"),
        ("logic__zebra_puzzle_dataset", "zebra"),
        ("logic__ordering_puzzle", "ordering"),
        ("logic__graph_logical", "graph"),
        ("table__hitab", "table"),
        ("stem__gpqa_diamond", "choice"),
        ("stem_web", "judge"),
        ("stem__web", "judge"),
        ("ood__ifeval", "ifeval"),
        ("ood__ifbench", "ifbench"),
        ("ood__livebench", "livebench"),
        ("reasoning_gym__countdown", "reasoning_gym"),
    ],
)
def test_a_source_finds_its_verifier(source, name):
    assert verifier_of(source).name == name


@pytest.mark.parametrize("source", ["math_dapo", "gsm8k", "", "ood__ifeval2"])
def test_an_unknown_source_is_refused(source):
    with pytest.raises(ValueError, match="no verifier judges"):
        verifier_of(source)


def test_text_gold_stays_text():
    assert [
        gold_of(named("math"), text) for text in ('"1.50"', "1.50", "[1, 2]", '["15"]', "\\frac12", '{"any_of": ["1"]}')
    ] == [
        "1.50",
        "1.50",
        "[1, 2]",
        ["15"],
        "\\frac12",
        {"any_of": ["1"]},
    ]
    assert gold_of(named("grid"), "[[1]]") == [[1]]


def test_thinking_that_never_closes_is_truncated_for_every_verifier():
    for name in VERIFIERS:
        row = {"verifier": name, "ground_truth": "1"}
        assert score(row, "<think>\\boxed{1}").reason == "not_closed"
        assert score({**row, "think_open": True}, "\\boxed{1}").status == "truncated"
        if not VERIFIERS[name].judges_empty:
            assert score(row, "<think>1</think> \n").reason == "empty"
            assert score(row, None).status == "unparseable"


def test_several_verifiers_are_weighed_and_a_full_score_needs_all():
    row = {"ground_truth": "4", "info": {"verifiers": {"math": 3, "choice": 1}, "ground_truths": {"choice": "B"}}}
    full = score(row, "\\boxed{4} Answer: C")
    assert (full.status, full.score, full.verifier) == ("wrong", 0.75, "math+choice")
    for spelled in ("math+graph:0.5", ["math", "graph:0.5"]):
        found = score({"ground_truth": "4", "info": {"verifiers": spelled}}, "\\boxed{4} <answer>5</answer>")
        assert found.score == pytest.approx(2 / 3)
        assert found.reason == "partial"
    both = {"ground_truth": "4", "info": {"verifiers": "math+graph", "ground_truths": {"graph": "sik"}}}
    assert score(both, "\\boxed{4}<answer>sik</answer>").score == 1.0
    with pytest.raises(ValueError, match="above 0"):
        score({"ground_truth": "4", "info": {"verifiers": "math:0"}}, "\\boxed{4}")


def test_what_one_of_several_verifiers_cannot_judge_is_not_judged():
    row = {"ground_truth": "4", "info": {"verifiers": "math+choice"}}
    assert (score(row, "\\boxed{4}").score, score(row, "\\boxed{4}").reason) == (None, "bad_gold")


def test_many_rows_keep_their_order():
    rows = [{"verifier": "math", "ground_truth": str(number % 3)} for number in range(50)]
    found = score_many(rows, ["\\boxed{1}"] * 50)
    assert [one.score for one in found] == [float(number % 3 == 1) for number in range(50)]
    assert [one.score for one in found] == [one.score for one in score_many(rows, ["\\boxed{1}"] * 50, threads=1)]


def test_verls_entry_gives_a_number_and_says_when_nobody_judged():
    found = compute_score("math__deepscaler_preview", "\\boxed{0.5}", "1/2", {"index": 3, "split": "train"})
    assert found == {"score": 1.0, "acc": 1.0, "status": "correct", "reason": "ok", "infra_error": 0.0}
    assert compute_score("choice", "\\boxed{A}", "B")["score"] == 0.0
    payload = {"index": 0, "payload": '{"options": ["x", "y"]}'}
    assert compute_score("stem__gpqa", "\\boxed{y}", '"B"', payload)["acc"] == 1.0
    assert compute_score("math", "\\boxed{1}", None)["infra_error"] == 1.0
    with pytest.raises(ValueError, match="no verifier judges"):
        compute_score("gsm8k", "\\boxed{1}", "1")


def test_a_part_that_weighs_next_to_nothing_still_keeps_a_full_score_away():
    """In floats 1e18 / (1e18 + 1) is 1."""
    row = {"ground_truth": "4", "info": {"verifiers": {"math": 1e18, "choice": 1}, "ground_truths": {"choice": "B"}}}
    found = score(row, "\\boxed{4} Answer: C")
    assert found.status == "wrong" and found.score == pytest.approx(1 - 1e-9, abs=1e-10)


def test_what_fails_in_infrastructure_is_tried_again_and_what_is_judged_is_not(monkeypatch):
    asked = []
    verdicts = iter([infra_error("judge_down"), infra_error("judge_down"), wrong("judge_no")])
    monkeypatch.setattr(registry, "score", lambda *_, **__: asked.append(1) or next(verdicts))
    assert registry.compute_score("math", "4", "4")["infra_error"] == 0 and len(asked) == 3
    asked.clear()
    verdicts = iter([wrong("judge_no"), wrong("judge_no")])
    registry.compute_score("math", "4", "4")
    assert len(asked) == 1
    asked.clear()
    verdicts = iter([infra_error("judge_down")] * 9)
    found = registry.compute_score("math", "4", "4")
    assert found == {"score": 0.0, "acc": 0.0, "status": "infra_error", "reason": "judge_down", "infra_error": 1.0}
    assert len(asked) == 3  # `retries` says 2
