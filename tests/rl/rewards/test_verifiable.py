"""The plain outcome: where an answer stands, and what counts as the same."""

import pytest

from rl.rewards.kinds import open_rewards
from rl.rewards.verifiable import ExactAnswerConfig, final_answer


def values(completions, references, **fields):
    (reward,) = open_rewards([ExactAnswerConfig(**fields)])
    return reward(["?"] * len(completions), completions, reference=references)


@pytest.mark.parametrize(
    ("text", "where", "answer"),
    [
        ("a \\boxed{1} b \\boxed{2}", "any", "2"),
        ("<answer> 3 </answer> \\boxed{2}", "any", "2"),
        ("<answer> 3 </answer> \\boxed{2}", "tags", "3"),
        ("<answer> 3 </answer>", "boxed", None),
        ("\\boxed{\\frac{1}{2}} and \\boxed{open", "any", "\\frac{1}{2}"),
        ("<answer> 3", "any", None),
        ("3", "any", None),
        ("", "any", None),
    ],
)
def test_where_the_answer_stands(text, where, answer):
    assert final_answer(text, where) == answer


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("4", "4", 1),
        ("4", "5", 0),
        ("\\frac{1}{2}", "0.5", 1),
        ("1,000", "$1000$.", 1),
        ("The Mill", "the  mill", 1),
        ("\\boxed{7}", "7", 1),
        ("x + 1", "1 + x", 1),
        ("B", "C", 0),
        ("4", "", 0),
    ],
)
def test_what_counts_as_the_same(reference, answer, right):
    assert values([f"so \\boxed{{{answer}}}"], [reference]) == [right]


def test_one_of_several_references_is_enough_and_none_is_skipped():
    found = values(["\\boxed{4}", "\\boxed{4}", "no answer"], [["five", "4"], None, "4"])
    assert found == [1, None, 0]


def test_text_only_does_not_calculate():
    assert values(["\\boxed{0.5}"], ["\\frac{1}{2}"], mathematics=False) == [0]
