"""Kinds of lines in pages of both markups, and in none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.faithfulness.line_kinds import line_kinds, lines_of

MARKDOWN = """# Fast

[![ci](https://ci.org/b.svg)](https://ci.org) ![x](y.png)
<p align="center"><img src="a.png"></p>

- [Usage](#usage)
- [Docs](https://d.org)
Documentation: https://d.org/x

It is [fast](https://d.org), see
https://d.org/why for the reason.

~~~
pip install fast
~~~

| a | b |
|---|---|
| 1 | 2 |

$$
x^2
$$

---

[1]: https://d.org/1"""
MARKDOWN_KINDS = (
    "prose blank badge badge blank contents link link blank prose prose blank code code code blank table table table "
    "blank math math math blank rule blank link"
)
RST = """Fast
====

.. image:: https://ci.org/b.svg
   :target: https://ci.org

.. contents::

Use it so::

    fast --all

    done

- `Docs <https://d.org>`_
- Plain words stay.

+---+---+
| 1 | 2 |
+---+---+

>>> fast()
3

.. _home: https://d.org"""
RST_KINDS = (
    "prose prose blank badge badge blank contents blank prose blank code code code blank link prose blank table table "
    "table blank code code blank link"
)


@pytest.mark.parametrize(("page", "kinds"), [(MARKDOWN, MARKDOWN_KINDS), (RST, RST_KINDS)])
def test_every_line_of_a_page(page, kinds):
    assert line_kinds(page) == kinds.split()


def test_indented_prose_is_no_code_and_an_open_fence_neither():
    assert set(line_kinds("object.x\n\n   Called after the instance was made and\n   before it is given back.")) == {
        "prose",
        "blank",
    }
    assert line_kinds("```\nNo end.") == ["prose", "prose"]


def test_lines_of_a_kind():
    assert lines_of(MARKDOWN, "math") == "$$\nx^2\n$$"


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(MARKDOWN.split("\n") + RST.split("\n")) | st.text(max_size=6), max_size=12))
def test_there_is_one_kind_a_line_and_blank_lines_are_never_prose(lines):
    text = "\n".join(lines)
    kinds = line_kinds(text)
    assert len(kinds) == len(text.split("\n"))
    assert all((kind == "prose") <= bool(line.strip()) for kind, line in zip(kinds, text.split("\n"), strict=True))
