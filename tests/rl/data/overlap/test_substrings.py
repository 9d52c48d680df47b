"""The index gives what comparing all pairs gives."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.data.overlap.substrings import contained, lost_to, near_copies

SHORT = st.lists(st.text("ab", max_size=12) | st.text("abc", min_size=1, max_size=70), max_size=14)


def all_pairs(texts, keep):
    """The rule as it is written, over all pairs."""
    answers = []
    for i, text in enumerate(texts):
        reasons = []
        for j, other in enumerate(texts):
            if i == j:
                continue
            if keep == "longer":
                if (text in other and text != other) or (text == other and j < i):
                    reasons.append(j)
            elif j < i and (text in other or other in text):
                reasons.append(j)
        answers.append(min(reasons, default=None))
    return answers


@given(SHORT, st.sampled_from(["longer", "earlier"]))
def test_the_index_gives_what_all_pairs_give(texts, keep):
    assert lost_to(texts, keep) == all_pairs(texts, keep)


@given(st.lists(st.text(max_size=40), max_size=6), st.data())
def test_cut_out_pieces_of_any_characters_are_found(texts, data):
    for text in list(texts):
        begin = data.draw(st.integers(0, len(text)))
        texts.append(text[begin : data.draw(st.integers(begin, len(text)))])
    for keep in ("longer", "earlier"):
        assert lost_to(texts, keep) == all_pairs(texts, keep)


def test_by_hand():
    texts = ["what is 2 + 2?", "what is 2 + 2? say why", "what is 2 + 2?", "who?"]
    assert lost_to(texts, "longer") == [1, None, 0, None]
    assert lost_to(texts, "earlier") == [None, 0, 0, None]
    assert list(contained(["abc", "b"])) == [(1, 0)]


def test_copies_with_other_numbers_are_grouped():
    texts = ["add 3 and 4", "add 5 and 6", "add 3 and 4", "take 3 from 4"]
    mask = lambda text: "".join("0" if one.isdigit() else one for one in text)  # noqa: E731
    assert near_copies(texts, mask) == [[0, 1]]


def questions(count, seed=0):
    """Questions of words, a tenth of them cut out of earlier ones."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randrange(2, 9))) for _ in range(5000)]
    found = []
    for number in range(count):
        if number % 10 == 9:
            text = draw.choice(found)
            begin = draw.randrange(len(text) // 2)
            found.append(text[begin : begin + len(text) // 2])
        else:
            found.append("find the value of " * (number % 3) + " ".join(draw.choices(words, k=draw.randrange(20, 90))))
    return found


def test_six_hundred_questions_give_what_all_pairs_give():
    texts = questions(600)
    for keep in ("longer", "earlier"):
        assert lost_to(texts, keep) == all_pairs(texts, keep)


@pytest.mark.slow
@pytest.mark.bench
def test_120000_questions_take_less_than_five_minutes():
    texts = questions(120_000)
    begin = time.process_time()
    lost = lost_to(texts)
    taken = time.process_time() - begin
    print(f"{sum(map(len, texts))} characters: {taken:.1f} s")  # noqa: T201
    assert taken < 300
    assert sum(found is not None for found in lost) >= 11_990
