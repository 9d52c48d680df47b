"""Values are read as JSON or Python writes them, and nothing else is read."""

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.verifiers.literals import LONGEST, balanced, last_balanced, literal

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_a_value_comes_back_from_json_and_from_python(value):
    assert literal(json.dumps(value)) == value
    assert literal(f" {json.dumps(value, indent=2)}\n") == value
    try:
        written = ast.literal_eval(repr(value))
    except ValueError:
        return
    if "\\x" not in repr(value) and "\\U" not in repr(value):
        assert literal(repr(value)) == written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1, 'a')", (1, "a")),
        ("(1)", 1),
        ("(1,)", (1,)),
        ("[1, 2,]", [1, 2]),
        ("{'a': None, 2: True}", {"a": None, 2: True}),
    ],
)
def test_what_only_python_writes(text, value):
    assert literal(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "]",
        "[1 2]",
        "{1}",
        "{1:}",
        "{1: 2, 3}",
        "[,]",
        "a",
        "f()",
        "1 + 1",
        "__import__('os')",
        "NaN",
        "[1]]",
        "{'a': 1",
        "'a",
        "1.2.3",
        "{[1]: 2}",
        "[" * 1000 + "]" * 1000,
        "1" * 5000,
        "[1:2]",
        ":",
        "1,2",
        "1e",
    ],
)
def test_anything_else_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the message is for people, each fault has its own
        literal(text)


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="longer"):
        literal("[" + "1," * LONGEST + "1]")


def test_outermost_brackets_are_found_from_the_end():
    assert list(balanced("[1] (a [2, [3]] b) [", "[")) == ["[2, [3]]", "[1]"]
    assert last_balanced("{a} }", "{") == "{a}"
    assert last_balanced("(", "(") is None
