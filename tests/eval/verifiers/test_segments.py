"""Thinking, boxes, tags and fences: found where they stand, in time linear in the text."""

import gc
import time

import pytest

from eval.verifiers.segments import (
    answer_part,
    boxes,
    by_habit,
    fences,
    joint_boxes,
    last_answer_tag,
    last_box,
)


@pytest.mark.parametrize(
    ("text", "think_open", "expected"),
    [
        ("plain", False, "plain"),
        ("<think>a</think>b", False, "b"),
        ("a</think>b</think>c", True, "c"),
        ("<think>\\boxed{7}", False, None),
        ("no closing", True, None),
        ("<think>a</think>b<|im_end|>c</s>", False, "b"),
        ("<think>a</think>" + "x" * 60_000 + "y", False, "x" * 49_999 + "y"),
    ],
)
def test_the_answer_part_follows_the_last_thinking(text, think_open, expected):
    assert answer_part(text, think_open) == expected


def test_each_published_scorer_keeps_its_own_habit():
    text = "a</think>b</think>c"
    assert [by_habit(text, habit) for habit in ("whole", "after_last", "after_first", "between")] == [
        text,
        "c",
        "b</think>c",
        "b",
    ]
    assert by_habit("a", "between") == "a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\boxed{42", None),
        ("\\fbox{5}", "5"),
        ("\\boxed 5", "5"),
        ("\\boxed {5}", "5"),
        ("\\boxed{\\{1,2\\}}", "\\{1,2\\}"),
        ("\\boxed{\\boxed{3}}", "3"),
        ("\\boxed{\\boxed{3} or \\boxed{4}}", "\\boxed{3} or \\boxed{4}"),
        ("\\boxed{a} then \\boxed{b", "a"),
        ("\\boxedup{3}", None),
        ("\\boxed{}", ""),
    ],
)
def test_the_last_closed_box(text, expected):
    assert last_box(text) == expected


def test_boxes_with_only_punctuation_between_are_one_answer():
    assert joint_boxes("\\boxed{1} and \\boxed{2}") == ["1", "2"]
    assert joint_boxes("$\\boxed{1}$, $\\boxed{2}$") == ["1", "2"]
    assert joint_boxes("\\boxed{1} is wrong, so \\boxed{2}") == ["2"]
    assert joint_boxes("none") == []


def test_the_last_closed_answer_tag():
    assert last_answer_tag("<answer>1</answer><answer>\n2\n</answer> <answer>3") == "2"
    assert last_answer_tag("<answer>1") is None
    assert last_answer_tag("1</answer>") is None


def test_fences_of_any_kind():
    text = "```python\r\nA\r\n```\n  ~~~ json\nB\n  ~~~\n```python \nC```\nso\n```py\nD\n```\n```\nE```"
    assert [(fence.language, fence.body.strip()) for fence in fences(text)] == [
        ("python", "A"),
        ("json", "B"),
        ("python", "C"),
        ("py", "D"),
        ("", "E"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{" * 1_000_000,
        "\\boxed{" * 140_000,
        "\\boxed{" + "{" * 500_000 + "}" * 500_000,
        "<answer>" * 120_000,
        "```\n" * 250_000,
        "```a\n" * 200_000,
        "```a\nb```\n" * 100_000,
        "\\boxed{1} " * 100_000,
        "<think>" * 140_000 + "</think>",
        "\\" * 1_000_000,
    ],
)
def test_a_megabyte_of_brackets_takes_less_than_a_second(text):
    gc.disable()  # as timeit does: a collection goes through all that the tests before this one left behind
    try:
        start = time.process_time()
        boxes(text), joint_boxes(text), last_answer_tag(text), fences(text), answer_part(text)
        assert time.process_time() - start < 1
    finally:
        gc.enable()


def test_an_answer_without_thinking_is_an_answer_unless_the_prompt_opened_it():
    assert answer_part("four") == "four"
    assert answer_part("four", think_open=True) is None
    assert answer_part("<think>hm</think>four") == answer_part("hm</think>four", think_open=True) == "four"
    assert answer_part("<think>four") is None
