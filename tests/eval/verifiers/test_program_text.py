"""Programs as text: what a program printed, assertions one by one, blocks that define what a test needs."""

import pytest

from eval.verifiers.program_text import (
    blocks,
    defining_block,
    entries,
    joined,
    same_output,
    same_output_as_published,
    script_block,
    separate,
    text_of,
)


@pytest.mark.parametrize(
    ("mine", "expected", "same"),
    [
        ("7", "7", True),
        ("+007", "7", True),
        ("-0", "0", True),
        ("-7", "7", False),
        ("7", "8", False),
        ("70", "7", False),
        ("100000000000000000001", "100000000000000000002", False),
        ("1.0000005", "1", True),
        ("1.000002", "1.0", False),
        ("2000000.5", "2000000.6", True),  # relative, for large numbers
        ("1e3", "1000.0", True),
        ("yes", "YES", True),
        ("maybe", "MAYBE", False),
        ("a b\nc", "a  b \nc\n\n", True),
        ("a b", "a\nb", False),
        ("a", "a b", False),
    ],
)
def test_output_is_compared_word_by_word(mine, expected, same):
    assert same_output(mine, expected) is same
    assert same_output(expected, mine) is same


@pytest.mark.parametrize(
    ("test", "parts"),
    [
        ("assert f(1) == 2\nassert f(2) == 3", ["assert f(1) == 2", "assert f(2) == 3"]),
        ("assert f(1) == 2", ["assert f(1) == 2"]),
        ("x = 1\nassert f(x) == 2", ["x = 1\nassert f(x) == 2"]),
        ("assert f(1) ==\nassert f(2)", ["assert f(1) ==\nassert f(2)"]),
    ],
)
def test_assertions_are_tests_of_their_own_where_nothing_else_stands_between(test, parts):
    assert separate(test) == parts


def test_the_last_block_that_defines_all_names_is_taken():
    one, two, odd = "def f():\n    return 1", "def f():\n    return 2", "def g(:"
    answer = "\n".join(f"```python\n{body}\n```" for body in (one, two, "f()"))
    assert [body.strip() for _, body in blocks(answer)] == [one, two, "f()"]
    assert defining_block(answer, ["f"])[0].strip() == two
    assert defining_block(answer, ["f", "h"]) == (None, "entry_missing")
    assert defining_block(f"```\n{odd}\n```", ["g"]) == (None, "syntax")
    assert defining_block("no block", ["g"]) == (None, "no_fence")


def test_a_script_is_the_last_block_that_says_python():
    answer = "```python\na = 1\n```\n```\nb = 2\n```\n```text\nc\n```"
    assert script_block(answer)[0].strip() == "a = 1"
    assert script_block("```\nb = 2\n```\n```json\n{}\n```")[0].strip() == "b = 2"
    assert script_block("```python\na =\n```") == (None, "syntax")
    assert script_block("```json\n{}\n```") == (None, "no_fence")


def test_future_imports_come_before_what_is_put_in_front():
    assert joined("import math", "from __future__ import annotations\nx = 1") == (
        "from __future__ import annotations\nimport math\n\nx = 1"
    )
    assert joined(" \n", "x = 1") == "x = 1"


@pytest.mark.parametrize(
    ("tests", "names"),
    [
        (["import math\nassert area(math.pi) > 3"], ["area"]),
        (["import os.path as p\nfrom json import dumps as d, loads\nassert d(f(p.sep)) == loads('1')"], ["f"]),
        (["assert math.isclose(half(3), 1.5)"], ["half"]),  # a module that the tests forgot to import
        (["assert collections(2) == 3"], ["collections"]),  # called, so it is no module
        (["def near(a, b):\n    return abs(a - b) < 1\nassert near(f(1), 2)"], ["f"]),
        (["assert sorted(map(lambda x: g(x), [1]))"], ["g"]),
        (["for n in range(3):\n    assert f(n) == h(n)", "assert f(0) == 0"], ["f", "h"]),
        (["assert abs(-1) == 1"], ["abs"]),  # it is all that is asked for
        (["def check(candidate):\n    assert candidate(1) == 2\ncheck(add_one)"], ["add_one"]),
        (["def check(candidate):\n    assert candidate([1]) == 1\ncheck(sum)"], ["sum"]),
        (["assert f(1) =="], None),
        ([], None),
    ],
)
def test_a_program_must_define_what_its_tests_use_and_nobody_else_gives(tests, names):
    assert entries(tests) == names


def test_the_rows_own_word_comes_first_and_what_is_put_in_front_is_given():
    assert entries(["assert f(1) == 2"], entry_point=" Solution().f") == ["Solution"]
    assert entries(["assert f(g(1)) == 2"], prefix="from mine import g") == ["f"]


@pytest.mark.parametrize(
    ("mine", "expected", "same"),
    [
        ("abc 3\nYES", "abc 3\nyes", True),
        ("Abc", "abc", False),  # only yes and no may be in either case
        ("1.0000001", "1", True),
        ("1.1", "1", False),
        ("1e3", "1000.0", True),
        ("1\n2", "1\n3", False),  # one line of two
        ("1 2", "1 3", False),
        ("a b", "a\nb", False),
        ("a", "a b", False),
    ],
)
def test_as_published_numbers_are_floats_and_other_words_are_themselves(mine, expected, same):
    assert same_output_as_published(mine, expected) is same


def test_a_tests_input_is_lines_with_one_kind_of_line_end():
    assert text_of(["1 2", 3, ""]) == "1 2\n3\n" and text_of(("a", "b")) == "a\nb"
    assert text_of("a\r\nb\n") == "a\nb\n" and text_of(7) == "7"
