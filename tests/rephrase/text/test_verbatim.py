"""What passes a model by: nothing is lost, code stays whole, and few words are no request."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rephrase.text.chunking import chunk
from rephrase.text.verbatim import SHORT, cut_around

CODE = "```python\nx = 1\n\n    y = 2\n```"
PAGE = f"The pump has two valves and one long lever.\n\n{CODE}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nSo it works."
LINES = [
    "\n",
    "\n\n",
    "```\n",
    "    x = f(1)\n",
    "Some words of prose here.\n",
    "$$\n",
    "| a | b |\n",
    "|---|---|\n",
    "- [D](u)\n",
]


def test_blocks_by_their_kind_and_short_prose_pass_by():
    parts = cut_around(PAGE, {"code", "table"}, 4, lambda text: chunk(text, 60, 0))
    assert [part.kind for part in parts] == ["", "code", "table", SHORT]
    assert parts[1].text == CODE


def test_a_badge_alone_is_not_too_short_to_be_judged():
    assert [part.kind for part in cut_around("![ci](https://c.i/b.svg)", {"code"}, 4, chunk)] == [""]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(LINES), max_size=14).map("".join), st.integers(0, 6))
def test_texts_and_separators_give_the_document_back(text, min_words):
    parts = cut_around(text, {"code", "table", "math", "link"}, min_words, lambda one: chunk(one, 40, 0))
    if text.strip():
        assert "".join(part.text + part.sep for part in parts) == text
    else:
        assert parts == []
