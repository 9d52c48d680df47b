"""Rouge-L and unseen trigrams against plain loops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.story.lexical import lcs_length, rouge_l, unseen_trigrams

WORDS = st.lists(st.sampled_from("abcd"), max_size=40)


def plain_lcs(a, b):
    rows = [0] * (len(b) + 1)
    for word in a:
        before = rows[:]
        for place, other in enumerate(b, 1):
            rows[place] = before[place - 1] + 1 if word == other else max(before[place], rows[place - 1])
    return rows[-1]


@given(WORDS, WORDS)
def test_the_bits_count_what_the_table_counts(a, b):
    assert lcs_length(a, b) == plain_lcs(a, b) == lcs_length(b, a)


def test_rouge_l_by_hand():
    found = rouge_l("The cat sat", "the dog sat on the mat")
    assert (found.precision, found.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 6))
    assert found.f1 == pytest.approx(2 * (2 / 3) * (1 / 3) / 1)
    assert rouge_l("", "a b").f1 == rouge_l("x", "a b").f1 == 0


@given(WORDS.filter(bool))
def test_a_copy_is_all_common_and_nothing_unseen(words):
    text = " ".join(words)
    assert rouge_l(text, text).f1 == 1
    assert unseen_trigrams(text, f"before {text} after") == (0 if len(words) >= 3 else None)


def test_unseen_trigrams_by_hand():
    assert unseen_trigrams("a b c d a b c", "A b c!") == pytest.approx(3 / 5)
    assert unseen_trigrams("a b", "a b") is None
