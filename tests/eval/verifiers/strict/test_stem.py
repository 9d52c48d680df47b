"""Choice, strict: the specification's vectors, real responses, and phrases that only look like a choice."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.verifiers.registry import score
from eval.verifiers.strict.stem import chosen

OPTIONS = ["Toluene", "Water", "5 cm", "Benzene"]


def verdict(text, gold="D", options=OPTIONS):
    return score({"verifier": "choice", "ground_truth": gold, "info": {"options": options}}, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\boxed{D) Benzene}", "correct"),
        ("\\boxed{(D)}", "correct"),
        ("\\boxed{d}", "correct"),
        ("\\boxed{A, D}", "hedged"),
        ("nothing", "unparseable"),
        ("**Answer:** D", "correct"),
        ("Answer: (D)", "correct"),
        ("Answer: A … Answer: D", "correct"),
        ("The Answer: Definitely", "unparseable"),
        ("\\boxed{\\text{D}}", "correct"),
        ("\\boxed{\\text{(D) Benzene}}", "correct"),
        ("\\boxed{D. Benzene}", "correct"),
        ("\\boxed{D: Benzene}", "correct"),
        ("\\boxed{Benzene}", "correct"),
        ("\\boxed{\\text{benzene}}", "correct"),
        ("\\boxed{5 \\text{ cm}}", "wrong"),
        ("\\boxed{\\mathbf{D}}", "correct"),
        ("\\boxed{A} or \\boxed{D}", "hedged"),
        ("\\boxed{D or A}", "hedged"),
        ("\\boxed{C}", "wrong"),
        ("Answer: $\\boxed{D}$", "correct"),
        ("Answer: C. So \\boxed{D}", "correct"),
        ("The answer is (D).", "correct"),
        ("The correct answer is **(D) Benzene**.", "correct"),
        ("the answer is option D", "correct"),
        ("Final Answer: D", "correct"),
        ("### Answer: $D$", "correct"),
        ("Answer: $\\text{D}$", "correct"),
        ("Answer: D, because A is water", "correct"),
        ("Answer: A and D", "hedged"),
        ("Answer: (A), (D)", "hedged"),
        ("Answer: d", "correct"),
        ("The answer is a matter of taste.", "unparseable"),
        ("Answer: I think so", "unparseable"),
        ("The answer is Delightful", "unparseable"),
        ("Answer: K", "unparseable"),
        ("I choose nothing. A B C D", "unparseable"),
        ("<think>Answer: A</think>Answer: D", "correct"),
        ("<think>Answer: D", "truncated"),
    ],
)
def test_vectors(text, expected):
    found = verdict(text)
    assert expected in (found.status, found.reason), found


def test_the_letter_g_is_read_as_g():
    assert chosen("The answer is (G).") == ["G"]
    assert chosen("The answer is (I).") == ["I"]
    assert chosen("The answer is I.") == ["I"]


def test_a_reference_may_be_a_letter_in_brackets_or_an_options_text():
    assert verdict("\\boxed{D}", "(D)").score == 1.0
    assert verdict("\\boxed{D}", "Benzene").score == 1.0
    assert verdict("\\boxed{D}", '"d"').score == 1.0
    for bad in ("", "gasoline", None, 3, []):
        assert verdict("\\boxed{D}", bad).reason == "bad_gold"
    assert verdict("\\boxed{J}", "J", None).score == 1.0
    assert verdict("\\boxed{D}", "D", {"A": "x", "B": "y", "C": "z", "D": "w"}).score == 1.0


def test_every_letter_in_every_form_is_read_as_itself():
    for letter in "ABCDEFGHIJ":
        for form in (
            "\\boxed{%s}",
            "\\boxed{(%s)}",
            "Answer: %s",
            "**Answer: (%s)**",
            "The answer is (%s).",
            "Answer: %s.",
        ):
            assert chosen(form % letter) == [letter], form


def test_extraction_agrees_with_the_benchmarks_own(shared_data):
    lines = (shared_data / "verifiable/mmlu_pro_responses.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["official_pred"] is not None]
    read = [chosen(row["response"], row["options"], len(row["options"])) for row in rows]
    agreeing = [row for row, found in zip(rows, read, strict=True) if found == [row["official_pred"]]]
    assert len(agreeing) >= 0.995 * len(rows)
    for row in agreeing:
        right = row["official_pred"] == row["answer"]
        assert verdict(row["response"], row["answer"], row["options"]).score == float(right)


@given(st.text(max_size=200))
def test_any_text_gets_a_verdict(text):
    for found in (
        verdict(text),
        verdict(f"\\boxed{{{text}}}"),
        verdict("Answer: " + text),
        verdict("\\boxed{A}", text),
    ):
        assert found.status in ("correct", "wrong", "unparseable", "truncated", "skipped")


@pytest.mark.parametrize(
    "text", ["Answer: " * 120_000, "\\boxed{A} " * 100_000, "answer is a " * 80_000, "*" * 1_000_000]
)
def test_a_megabyte_costs_less_than_a_second(text):
    start = time.process_time()
    verdict(text)
    assert time.process_time() - start < 1
