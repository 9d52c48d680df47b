"""Boilerplate goes in, seeded, and comes out again to the character."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.data.recycling.boilerplate import INLINE, SEEN
from rl.data.recycling.boilerplate_unseen import UNSEEN
from rl.data.recycling.noise import add_noise

PASSAGE = "How pumps work\n\nA pump moves water uphill. It needs power to do so.\n\n- a wheel of iron\n- two belts"
PASSAGES = st.lists(
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).map(str.strip).filter(bool), min_size=1
).map("\n\n".join)


@given(PASSAGES, st.integers(0, 8), st.integers(0, 1000), st.booleans())
def test_taking_the_spans_out_gives_the_text_back(text, pieces, seed, unseen):
    noisy = add_noise(text, "page", seed=seed, pieces=pieces, unseen=unseen, harvest=["Latest Videos", "Shop all"])
    assert noisy.clean() == text
    assert sum(span.end - span.start for span in noisy.spans) + len(text) == len(noisy.text)


@given(st.integers(0, 1000))
def test_same_seed_and_id_give_the_same_page(seed):
    assert add_noise(PASSAGE, "a", seed=seed) == add_noise(PASSAGE, "a", seed=seed)


def test_another_id_or_seed_gives_another_page():
    texts = {add_noise(PASSAGE, key, seed=seed).text for key in "abcdefgh" for seed in range(8)}
    assert len(texts) > 60


def test_no_pieces_leave_the_text_as_it_is():
    assert add_noise(PASSAGE, "a", pieces=0).text == PASSAGE


def test_pieces_between_paragraphs_leave_them_apart():
    for seed in range(100):
        noisy = add_noise("First one here.\n\nSecond one here.", "a", seed=seed)
        assert "here.Second" not in noisy.text
        assert (
            noisy.text.index("First one here.")
            < noisy.text.index("\n", noisy.text.index("here."))
            < noisy.text.index("Second")
        )


def test_kinds_for_measuring_are_not_kinds_for_training():
    assert not set(UNSEEN) & (set(SEEN) | set(INLINE))
    seen = {piece["kind"] for seed in range(200) for piece in add_noise(PASSAGE, "a", seed=seed).pieces()}
    unseen = {
        piece["kind"] for seed in range(200) for piece in add_noise(PASSAGE, "a", seed=seed, unseen=True).pieces()
    }
    assert seen == set(SEEN) | set(INLINE)
    assert unseen == set(UNSEEN)


@pytest.mark.parametrize("kind", sorted(SEEN | UNSEEN))
def test_every_kind_has_many_outcomes(kind):
    maker = (SEEN | UNSEEN)[kind]
    outcomes = {maker(random.Random(seed)) for seed in range(300)}
    assert all(outcome.strip() for outcome in outcomes)
    assert len(outcomes) >= 6


def test_harvested_lines_are_used_for_training_only():
    harvest = ["Xyzzy corner"]
    seen = "".join(add_noise(PASSAGE, "a", seed=seed, harvest=harvest).text for seed in range(40))
    unseen = "".join(add_noise(PASSAGE, "a", seed=seed, harvest=harvest, unseen=True).text for seed in range(40))
    assert "Xyzzy" in seen
    assert "Xyzzy" not in unseen
