"""Judges' replies as models write them, and what each of them decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.judges.equivalence import read_decision
from eval.judges.reading import CONTRADICTORY, NO_ANSWER, NO_VERDICT, read_choice, read_object
from eval.judges.structure import read_verdict

STATED = [
    ("B is better than A", "B"),
    ("b", "B"),
    ("(a).", "A"),
    ("**B**", "B"),
    ("Chapter B", "B"),
    ("Final answer: **B**", "B"),
    ("The answer is C.", "C"),
    ("My verdict: Chapter A", "A"),
    ("\\boxed{C}", "C"),
    ("[[A]]", "A"),
    ('{"answer": "B"}', "B"),
    ("<think>A, or rather B? A.</think>\n\nB", "B"),
    ("A\n\nBecause A shows more than B.", "A"),
    ("Chapter A is lively. Chapter B has depth.\n\nB", "B"),
    ("A: it is shorter than B", "A"),
    ("A good question. B wins.", "B"),
    ("I prefer chapter B because A is dull.", "B"),
    ("A is dull and B is better", "B"),
    ("If A is better, say A. Answer: B", "B"),
    ("Verdict: A. On reflection, my final verdict is B", "B"),
    ("Since neither is better, the answer is C.", "C"),
]
SILENT = [
    (None, NO_ANSWER),
    ("", NO_ANSWER),
    ("<think>B is better. B.", NO_ANSWER),
    ("<think>B</think>", NO_ANSWER),
    ("ABC", NO_VERDICT),
    ("A tie, I would say.", NO_VERDICT),
    ("A or B, who knows", NO_VERDICT),
    ("Answer with one letter: A, B, or C", NO_VERDICT),
    ("The answer is A or B", NO_VERDICT),
    ("Verdict: A/B", NO_VERDICT),
    ("The verdict is a hard one", NO_VERDICT),
    ("A is not better than B", NO_VERDICT),
    ("B is worse than A", NO_VERDICT),
    ("I do not think the answer is B", NO_VERDICT),
    ("A has the better plot, while B has better characters", CONTRADICTORY),
    ("A\nB", CONTRADICTORY),
    ("A is better. B is better.", CONTRADICTORY),
]


@pytest.mark.parametrize(("reply", "letter"), STATED)
def test_the_verdict_counts_and_not_the_last_letter(reply, letter):
    assert read_choice(reply, "ABC").value == letter


@pytest.mark.parametrize(("reply", "reason"), SILENT)
def test_what_states_nothing_says_why(reply, reason):
    found = read_choice(reply, "ABC")
    assert (found.value, found.reason) == (None, reason)


@given(st.text(alphabet="ABCabc \n.:,*isbeterhanworlv<>think/", max_size=60))
def test_any_reply_is_read_as_a_letter_or_a_reason(reply):
    found = read_choice(reply, "ABC")
    assert (found.value in ("A", "B", "C")) != bool(found.reason)


@given(st.sampled_from("ABC"), st.sampled_from("AB"))
def test_a_final_answer_outweighs_what_is_said_before(letter, before):
    assert read_choice(f"{before} is better in some ways.\nFinal answer: {letter}", "ABC").value == letter


@pytest.mark.parametrize(
    ("reply", "value"),
    [("1", 1.0), ("**0**", 0.0), ("Answer: 0", 0.0), ("Same form: 1", 1.0), ("1.", 1.0), ("Answer: 1\n", 1.0)]
    + [(reply, None) for reply in ("10", "0.1", "yes", "0 out of 1", "1/10", "Score: 0.5", "", None, "<think>1")],
)
def test_the_structure_judge_is_read_by_its_digit(reply, value):  # the last character of "10" would be a 0
    assert read_verdict(reply) == value


@pytest.mark.parametrize(
    ("reply", "equal"),
    [
        ("CORRECT", True),
        ("They differ.\nIncorrect", False),
        ("Verdict: correct", True),
        ("It is not CORRECT", False),
        ("It isn't CORRECT.", False),
        ("CORRECT, since both are 3", True),
        ("CORRECT or INCORRECT?", None),
        ("CORRECT at first sight; in fact INCORRECT", None),
        ("The candidate is correct in spirit", None),
        ("<think>CORRECT", None),
    ],
)
def test_a_denied_word_is_not_the_word(reply, equal):
    assert read_decision(reply, "correct_incorrect") is equal


@pytest.mark.parametrize(("reply", "equal"), [("A is better than B", True), ("b", False), ("A and C", None)])
def test_a_compass_reply_is_read_by_its_verdict(reply, equal):
    assert read_decision(reply, "compass") is equal


def test_an_object_is_found_in_a_code_block_and_in_a_sentence():
    assert read_object('```json\n{"labels": ["x"]}\n```') == {"labels": ["x"]}
    assert read_object('Here it is: {"labels": []}. Done.') == {"labels": []}
    assert read_object("no object") is read_object("[1]") is read_object(None) is read_object("{" * 10_000) is None


def test_of_a_long_reply_the_first_thousand_and_the_last_three_thousand_characters_are_read():
    """The choice stands alone on the last line of what is read of the beginning, or the first line of the end."""
    for behind, letter in ((2_998, "B"), (2_999, "B"), (3_000, None)):
        end = "\n" + "y " * (behind // 2) + "y" * (behind % 2)
        assert read_choice("x" * 1_500 + "\nB" + end[:behind], "ABC").value == letter, behind
    for before, letter in ((998, "B"), (999, "B"), (1_000, None)):
        assert read_choice("x" * (before - 1) + "\nB\n" + "y " * 2_000, "ABC").value == letter, before
