"""Differences of two texts: what stands for what, in a time that does not explode."""

import html
import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.faithfulness.kept import known_facts
from eval.faithfulness.words import matched, word_changes
from eval.report.textdiff import changed_spans, marked_pair

WORDS = st.lists(st.sampled_from("abcde"), max_size=30)


@given(WORDS, WORDS)
def test_matched_words_are_equal_and_rise(left, right):
    pairs = matched(left, right)
    assert all(left[i] == right[j] for i, j in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in itertools.pairwise(pairs))


@given(WORDS)
def test_a_text_matches_itself_whole(words):
    assert matched(words, words) == [(n, n) for n in range(len(words))]


def test_what_was_put_in_and_left_out_is_found_among_words_that_repeat():
    left = ["the", "cat", "and", "the", "dog", "and", "the", "end"]
    right = ["the", "cat", "and", "the", "big", "dog", "and", "end"]
    assert {right[j] for j in set(range(len(right))) - {j for _, j in matched(left, right)}} == {"big"}
    assert [left[i] for i in range(len(left)) if i not in {i for i, _ in matched(left, right)}] == ["the"]


def test_a_full_stop_stays_with_its_sentence():
    gone, _ = changed_spans("Home\n\nIt rose in 1871.\n\nRead more.", "It rose in 1871.")
    assert gone == [(0, 4), (24, 34)]


def test_spans_leave_the_space_behind_them_out():
    assert changed_spans("The cat sat.", "The cat sat down .") == ([], [(12, 16)])
    assert changed_spans("Home | The cat", "The cat") == ([(0, 6)], [])


@given(st.text("ab \n", max_size=30), st.text("ab \n", max_size=30))
def test_passages_hold_both_texts_whole_and_take_turns(left, right):
    found = list(word_changes(left, right))
    assert "".join(one.organic for one in found) == left and "".join(one.rephrased for one in found) == right
    assert all(one.organic.split() == one.rephrased.split() for one in found if one.same)
    assert all(one.same != two.same or one.same for one, two in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a b " * 20_000, "a c " * 20_000),
        ("a " * 40_000, "b a " * 20_000),
        (" ".join(map(str, range(15_000))), " ".join(map(str, range(15_000, 0, -1)))),
        ("x y z " * 13_000, "z y x " * 13_000),
    ],
)
def test_no_text_takes_long(left, right):
    began = time.process_time()
    marked_pair(left, right, (known_facts(left), known_facts(right)))
    assert time.process_time() - began < 8


def plain(marked):
    return html.unescape(re.sub(r"</?(?:ins|del|mark)(?: [^>]*)?>", "", marked))


PIECES = st.lists(
    st.sampled_from(["1871", " ", "Rome", "in ", "<b>", "&amp;", "https://x.org/1", "\u202e", "\n", "und"])
)


@given(PIECES.map("".join), PIECES.map("".join))
def test_facts_and_differences_lose_no_character(organic, recycled):
    old, new = marked_pair(organic, recycled, (known_facts(organic), known_facts(recycled)))
    assert (plain(old), plain(new)) == (organic, recycled)


def test_facts_are_marked_by_what_became_of_them():
    organic, recycled = "It rose in Rome by 17 metres.", "It rose in Rome by 70 metres."
    old, new = marked_pair(organic, recycled, (known_facts(organic), known_facts(recycled)))
    assert '<mark class="kept" title="name kept">Rome</mark>' in old
    assert '<mark class="lost" title="number lost">17</mark>' in old
    assert '<mark class="invented" title="number invented">70</mark>' in new
    assert old.count("<del>") == old.count("</del>") == 1
