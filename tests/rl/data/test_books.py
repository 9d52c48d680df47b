"""Novels fall into chapters at their headings, and nothing of a chapter is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.data.story.books import paragraphs, split_chapters

WORDS = "The harbour opens at six and the first boats come in before dawn while the bakers knead the dough twice. "
CHAPTER = "\n".join([WORDS + WORDS, WORDS + WORDS])


def book(*headings, front="A Novel\n\nby Nobody\n\n"):
    return front + "".join(f"{heading}\n\n\n{CHAPTER}\n\n\n" for heading in headings)


@pytest.mark.parametrize(
    "headings",
    [
        ("Chapter 1", "Chapter 2", "Chapter 3"),
        ("CHAPTER I. Down the Rabbit-Hole", "CHAPTER II. The Pool", "CHAPTER III."),
        ("Letter 1", "Chapter 1", "Chapter Two"),
        ("ADVENTURE V. THE FIVE ORANGE PIPS", "ADVENTURE VI. THE MAN", "VII. THE BLUE CARBUNCLE"),
        ("Prologue", "Chapter the First", "Epilogue"),
        ("Chapter Twenty-One", "Chapter Twenty-Two: A Title", "Chapter XXIII"),
    ],
)
def test_headings_of_many_forms(headings):
    chapters = split_chapters(book(*headings))
    assert tuple(chapter.header for chapter in chapters) == headings
    assert all(chapter.text.split() == CHAPTER.split() for chapter in chapters)


def test_a_bare_number_takes_the_title_below_it():
    chapters = split_chapters(book("1\n\nThe Sea-dog", "2\n\nBlack Dog", "3"))
    assert [chapter.header for chapter in chapters] == ["1\n\nThe Sea-dog", "2\n\nBlack Dog", "3"]


def test_contents_parts_and_notes_are_left_out():
    contents = "CONTENTS\n\nChapter 1\n\nChapter 2\n\nChapter 3\n\nPART ONE\n\n"
    chapters = split_chapters(
        f"Note\n\n*** START OF THIS BOOK ***\n\n{contents}"
        + book("Chapter 1", "Chapter 2\n\nPART TWO--The Sea", "Chapter 3", front="")
        + "THE END\n\n*** END OF THIS BOOK ***\n\nA licence."
    )
    assert len(chapters) == 3
    more = [len(chapter.text.split()) - len(CHAPTER.split()) for chapter in chapters]
    assert more == [0, 3, 0]


def test_a_part_title_does_not_end_the_chapter_before_it():
    text = book("Chapter 1", front="") + "PART TWO--The Sea\n\n" + book("Chapter 2", "Chapter 3", front="")
    assert split_chapters(text)[0].text.split() == CHAPTER.split()


def test_a_sentence_is_no_heading():
    said = "I. think that this is a sentence which somebody said.\n\nChapter, he said, and letter too.\n\n"
    text = book("Chapter 1", front="") + said + book("Chapter 2", "Chapter 3", front="")
    assert len(split_chapters(text)) == 3


@pytest.mark.parametrize("text", ["", "No headings here.\n\nNone.", book("Chapter 1", "Chapter 2")])
def test_a_book_without_chapters_has_none(text):
    assert split_chapters(text) == []


@given(st.lists(st.sampled_from(["one two", "  verse", "", "three"]), max_size=20))
def test_joining_lines_keeps_every_word(lines):
    assert paragraphs(lines).split() == " ".join(lines).split()


def test_prose_is_joined_and_verse_is_not():
    assert paragraphs(["He said", "so.", "", "  A rose", "  is red"]) == "He said so.\n\n  A rose\n  is red"


@pytest.mark.parametrize(
    ("name", "chapters", "first", "last"),
    [
        ("alice", 12, "CHAPTER I. Down the Rabbit-Hole", "CHAPTER XII. Alice’s Evidence"),
        ("frankenstein", 28, "Letter 1", "Chapter 24"),
        ("great_expectations", 59, "Chapter I", "Chapter LIX"),
        ("pride_and_prejudice", 61, "Chapter 1", "Chapter 61"),
        ("sherlock_holmes", 12, "ADVENTURE I. A SCANDAL IN BOHEMIA", "XII. THE ADVENTURE OF THE COPPER BEECHES"),
        ("treasure_island", 34, "1\n\nThe Old Sea-dog at the Admiral Benbow", "34\n\nAnd Last"),
    ],
)
def test_real_novels_have_all_their_chapters(shared_data, name, chapters, first, last):
    text = (shared_data / "books" / f"{name}.txt").read_text(encoding="utf-8")
    found = split_chapters(text)
    assert (len(found), found[0].header, found[-1].header) == (chapters, first, last)
    told = sum(len(chapter.text.split()) for chapter in found)
    assert told > 0.985 * len(text.split())  # the rest: title pages, contents, headings
