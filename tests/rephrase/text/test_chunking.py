"""Chunking loses nothing, keeps to its budget and cuts where the text pauses."""

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import read_documents
from common.pools.shards import list_shards
from rephrase.text.chunking import chunk, rejoin

PARAGRAPHS = "Para one is here.\n\nPara two is here.\n\nEnd."
FENCED = "A b.\n\n```\nx\n\ny\n```\n\nC d."

# Text with the things chunking looks at: sentences, lines, paragraphs, indentation, fences, odd white space.
WORDS = ["word", "two words", "End.", "Really?", "    indented", "- item", "x" * 30, "é", "日本語", "🙂"]
SPACES = [" ", "  ", "\n", "\n\n", "\n \n", "\t", "\r\n", "\r", "\u2028", "\x85"]
FENCES = ["```", "```py\n", "~~~~", "\n```\n"]
PIECES = st.sampled_from([*WORDS, *SPACES, *FENCES])
TEXTS = st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=200))
BUDGETS = st.integers(1, 60)


def words(text):
    """A tokenizer of sorts: words and single other characters."""
    return len(re.findall(r"\w+|[^\w\s]", text))


# The vectors of the specification, section 4.
@pytest.mark.parametrize(
    ("text", "max_chars", "min_tail", "chunks"),
    [
        (
            "Alpha beta.\n\nGamma delta.\n\nEpsilon.",
            20,
            0,
            [("Alpha beta.", "\n\n"), ("Gamma delta.", "\n\n"), ("Epsilon.", "")],
        ),
        (
            "Alpha beta.\n\nGamma delta.\n\nEpsilon.",
            25,
            0,
            [("Alpha beta.\n\nGamma delta.", "\n\n"), ("Epsilon.", "")],
        ),
        ("One two. Three four. Five six.", 20, 0, [("One two. Three four.", " "), ("Five six.", "")]),
        ("line one\nline two\nline three", 18, 0, [("line one\nline two", "\n"), ("line three", "")]),
        ("aaaa bbbb cccc", 9, 0, [("aaaa bbbb", " "), ("cccc", "")]),
        ("abcdefghij", 4, 0, [("abcd", ""), ("efgh", ""), ("ij", "")]),
        (PARAGRAPHS, 40, 0, [("Para one is here.\n\nPara two is here.", "\n\n"), ("End.", "")]),
        (PARAGRAPHS, 40, 10, [("Para one is here.", "\n\n"), ("Para two is here.\n\nEnd.", "")]),
        (FENCED, 14, 0, [("A b.", "\n\n"), ("```\nx\n\ny\n```", "\n\n"), ("C d.", "")]),
        ("  \n ", 10, 0, []),
    ],
)
def test_published_vectors(text, max_chars, min_tail, chunks):
    assert chunk(text, max_chars, min_tail) == chunks


@given(TEXTS, BUDGETS, st.integers(0, 30))
def test_nothing_is_lost(text, max_chars, min_tail):
    chunks = chunk(text, max_chars, min_tail)
    whole = "".join(c.text + c.sep for c in chunks)
    assert whole == (text.replace("\r\n", "\n") if text.strip() else "")


@given(TEXTS, BUDGETS, st.integers(1, 12), st.integers(0, 30))
def test_every_chunk_fits_both_budgets(text, max_chars, max_tokens, min_tail):
    for c in chunk(text, max_chars, min_tail, max_tokens, words):
        assert len(c.text) <= max_chars
        assert words(c.text) <= max_tokens


@given(TEXTS, st.integers(1, 5), st.integers(0, 20))
def test_a_line_budget_holds_and_loses_nothing(text, max_lines, min_tail):
    chunks = chunk(text, 200, min_tail, max_lines=max_lines)
    assert all(sum(bool(line.strip()) for line in c.text.split("\n")) <= max_lines for c in chunks)
    if text.strip():
        assert "".join(c.text + c.sep for c in chunks) == text.replace("\r\n", "\n")


@given(TEXTS, BUDGETS, st.integers(0, 30))
def test_separators_are_white_space_and_only_the_first_chunk_may_be_empty(text, max_chars, min_tail):
    chunks = chunk(text, max_chars, min_tail)
    assert all(not c.sep.strip() for c in chunks)
    assert all(c.text.strip() for c in chunks[1:])


@given(TEXTS)
def test_a_text_that_fits_is_one_chunk(text):
    assert len(chunk(text, max_chars=10_000)) == (1 if text.strip() else 0)


@given(TEXTS, BUDGETS)
def test_chunking_twice_gives_the_same(text, max_chars):
    assert chunk(text, max_chars) == chunk(text, max_chars)


@given(st.lists(st.sampled_from(["one", "two\n\nthree", "    four", ""]), max_size=4), st.integers(0, 20))
def test_a_fence_that_fits_is_never_cut(lines, padding):
    fence = "\n".join(["```python", *lines, "```"])
    text = f"{'before ' * padding}\n{fence}\nafter. " + "more. " * padding
    chunks = chunk(text, max_chars=max(40, len(fence)), min_tail=0)
    assert sum(fence in c.text for c in chunks) == 1


@given(TEXTS, BUDGETS)
def test_rejoining_the_chunks_gives_the_text_up_to_white_space(text, max_chars):
    chunks = chunk(text, max_chars, min_tail=0)
    joined = rejoin([c.text for c in chunks], [c.sep for c in chunks])
    assert re.sub(r"\s+", "", joined) == re.sub(r"\s+", "", text)
    # Where the cut was at a blank line, a line end or a space, the join has the same kind of break.
    for before, after in itertools.pairwise(chunks):
        if before.text and "\n" not in before.sep and before.sep:
            assert before.text + " " + after.text in joined


def test_a_stray_opening_fence_does_not_glue_the_rest_together():
    text = "```\nnever closed\n\none\n\ntwo\n\nthree"
    assert [c.text for c in chunk(text, 17, 0)] == ["```\nnever closed", "one\n\ntwo\n\nthree"]


def test_indentation_stays_with_its_line():
    chunks = chunk("Text here.\n\n    code one\n    code two", 16, 0)
    assert [c.text for c in chunks] == ["Text here.", "    code one", "    code two"]


def test_the_tail_takes_no_more_than_it_needs():
    text = "\n\n".join(["a" * 10] * 6)  # 60 letters; 5 atoms of 10 fit 60 characters with their breaks
    assert [len(c.text) for c in chunk(text, 60, 15)] == [46, 22]


def test_a_dropped_chunk_leaves_the_stronger_break():
    assert rejoin(["A", "", "C"], [" ", "\n\n", ""]) == "A\n\nC"
    assert rejoin(["", "B", ""], ["\n\n", " ", "\n"]) == "B"


def test_budgets_below_one_are_refused():
    with pytest.raises(ValueError, match="max_chars=0"):
        chunk("text", 0)
    with pytest.raises(ValueError, match="count_tokens"):
        chunk("text", 10, max_tokens=5)


@pytest.mark.parametrize("bad", [" " * 200_000 + "x", "```a\n" * 40_000, "\n \n" * 60_000 + "x", "x" * 300_000])
def test_time_is_linear_in_hostile_text(bad):
    start = time.perf_counter()
    chunks = chunk(bad, 7_000)
    assert "".join(c.text + c.sep for c in chunks) == bad
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("max_chars", [300, 2_000, 7_000])
def test_real_pages_survive(shared_data, max_chars):
    shard = list_shards(str(shared_data / "web" / "pool"), 0, 0)[0]
    pages = [document["text"] for document in read_documents(shard.path)]
    for page in pages:
        chunks = chunk(page, max_chars)
        assert "".join(c.text + c.sep for c in chunks) == page.replace("\r\n", "\n")
        assert max(len(c.text) for c in chunks) <= max_chars
