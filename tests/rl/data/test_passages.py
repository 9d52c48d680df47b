"""Passages: clean lines only, whole sentences, bounds kept, documents on one side of the split."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.data.recycling.passages import clean_runs, is_heading, is_item, is_prose, part_of, passages, sentences

PAGE = """Home | News | Log in

How the old mill works

The wheel turns slowly when the river is high in the spring. It drives two stones of hard granite.

Before grinding, the miller checks these parts of the mill:

- the wooden teeth of the great wheel
- the belts that drive the sieve

Click here to read more about mills and other machines of that age.

Copyright 2012 Mill Society"""


def words(text):
    return len(text.split())


def test_a_page_gives_its_prose_heading_and_list_without_its_frame():
    assert list(clean_runs(PAGE)) == [PAGE[PAGE.index("How the") : PAGE.index("\n\nClick")]]


@pytest.mark.parametrize(
    "line",
    [
        "Home | About | Contact us today and save on everything you need now.",
        "click here to see what we have for you and your whole family today.",
        "Short one.",
        "WE SELL THE BEST SHOES IN THE WHOLE TOWN AND BEYOND IT TOO.",
        "The page ends in the middle of a sentence that nobody has",
        "See http://example.org for the full list of things we have done so far.",
    ],
)
def test_frames_shouts_and_torn_lines_are_no_prose(line):
    assert not is_prose(line)


def test_items_and_headings():
    assert is_item("3) stir the pot until it boils")
    assert not is_item("- Home")
    assert is_heading("What the miller knew")
    assert not is_heading("Leave a comment")


@given(st.text('aB. ?!\n1"', max_size=80))
def test_sentences_join_to_the_text(text):
    assert "".join(sentences(text)) == text


@given(st.integers(0, 200), st.integers(4, 20), st.integers(0, 30))
def test_passages_are_pieces_of_the_page_within_the_bounds(seed, low, more):
    for passage in passages(PAGE, random.Random(seed), words, low, low + more):
        assert passage in PAGE
        assert low <= words(passage) <= low + more


def test_documents_split_by_id_in_the_share_asked_for():
    held_out = [part_of(str(n), 0.1) for n in range(5000)].count("held_out")
    assert 400 < held_out < 600
    # growing the share moves documents one way only
    assert all(part_of(str(n), 0.2) == "held_out" for n in range(500) if part_of(str(n), 0.1) == "held_out")
