"""Choices as published: the box scorer's letters, its guess, and the answer-line scorer."""

import pytest

from eval.verifiers.registry import score


def verdict(text, **row):
    return score({"verifier": "choice", "ground_truth": "D", **row}, text, mode="guru")


@pytest.mark.parametrize(
    ("text", "value"),
    [("\\boxed{D) Benzene}", 0.0), ("\\boxed{(D)}", 1.0), ("\\boxed{A, D}", 0.0), ("The answer is:\n D", 1.0)],
)
def test_the_box_scorer_takes_the_first_letter_of_the_alphabet_that_the_box_contains(text, value):
    assert verdict(text).score == value


def test_where_nothing_is_found_it_guesses_the_same_for_the_same_row_and_sample():
    found = [verdict("nothing", id=f"row {number}") for number in range(400)]
    assert all(one.detail["guessed"] for one in found)
    assert 20 <= sum(one.score == 1.0 for one in found) <= 60  # about one in ten
    assert found[7].extracted == verdict("nothing", id="row 7").extracted
    assert verdict("\\boxed{d}").detail["guessed"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("**Answer:** D", 0.0),
        ("Answer: (D)", 0.0),
        ("Answer: A … Answer: D", 0.0),
        ("The Answer: Definitely", 1.0),
        ("Answer: $D$", 1.0),
    ],
)
def test_the_answer_line_scorer_takes_the_first_line(text, value):
    assert verdict(text, source="stem__gpqa_diamond").score == value
    assert (
        score({"verifier": "choice", "ground_truth": "D"}, text, "guru", options={"choice_format": "line"}).score
        == value
    )
