"""Content kept and noise removed, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.faithfulness.noise import cleaning_figures, content_kept, noise_removed, read_answer

CLEAN = "The cat sat on the mat."
NOISY = "Home | Shop\nThe cat sat on the mat.\n-----"


def test_a_perfect_cleaner_keeps_and_removes_all():
    assert content_kept(CLEAN, CLEAN) == 1
    assert noise_removed(NOISY, CLEAN, CLEAN) == 1


def test_a_copier_keeps_all_and_removes_nothing():
    assert content_kept(CLEAN, NOISY) == 1
    assert noise_removed(NOISY, CLEAN, NOISY) == 0


def test_silence_removes_all_and_keeps_nothing():
    assert content_kept(CLEAN, "") == 0
    assert noise_removed(NOISY, CLEAN, "") == 1


def test_words_that_the_clean_text_says_too_are_no_noise_left_over():
    # inserted: one more "cat"; the output says "cat" once, which the clean text accounts for
    assert noise_removed("Cat\nThe cat sat.", "The cat sat.", "The cat sat.") == 1
    assert noise_removed("Cat\nThe cat sat.", "The cat sat.", "Cat. The cat sat.") == 0


def test_what_cannot_be_measured_is_none():
    assert content_kept("the of", "x") is None
    assert noise_removed(CLEAN, CLEAN, CLEAN) is None


@given(st.text(), st.text(), st.text())
def test_shares_are_shares(noisy, clean, output):
    for share in (content_kept(clean, output), noise_removed(noisy, clean, output)):
        assert share is None or 0 <= share <= 1


@pytest.mark.parametrize(
    ("completion", "finish", "expected"),
    [
        ("Here:\n\nCats.", "stop", "Cats."),
        ("Here:\n\nCats.", "length", None),
        ("Sure! Here: Cats.", "stop", None),
        ("Here: Cats. Here: Dogs.", "stop", None),
    ],
)
def test_an_answer_in_form_opens_once_with_the_opening_and_ends(completion, finish, expected):
    assert read_answer("Here:", completion, finish) == expected


def test_figures_are_means_over_what_came_in_form():
    pages = [
        {"text": NOISY, "clean_text": CLEAN, "output": CLEAN},
        {"text": NOISY, "clean_text": CLEAN, "output": NOISY},
        {"text": NOISY, "clean_text": CLEAN, "output": None},
        {"text": CLEAN, "clean_text": CLEAN, "output": "The cat sat."},  # 2 of cat, sat, mat
    ]
    figures = cleaning_figures(pages)
    assert figures["pages"] == 4
    assert figures["form_right_frac"] == 0.75
    assert figures["content_kept_frac"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert figures["noise_removed_frac"] == 0.5
    assert figures["exact_frac"] == pytest.approx(1 / 3)
