"""The gate: each check finds its planted fault, and at the strictest nothing is said that the source does not say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from eval.faithfulness.words import words
from rephrase.gate.checks import ChunkGate
from rephrase.gate.config import CHECKS, GateConfig
from rephrase.text.postprocess import STATUSES

PAGE = (
    "The bridge over the Severn opened in 1779 and spans 30.6 metres. It was cast by Abraham Darby at Coalbrookdale. "
    "See https://bridge.example.org/history for drawings. Tolls were taken until 1950."
)
STRICT = {
    "numbers": 1.0,
    "urls": 1.0,
    "names": 1.0,
    "content": 0.9,
    "length": 0.8,
    "invented_words": 0.0,
    "novel_5grams": 0.1,
}


def planted(old, new):
    assert old in PAGE
    return PAGE.replace(old, new)


FAULTS = {
    "numbers": planted("1779", "1879"),
    "urls": planted("https://bridge.example.org/history", "https://bridge.example.org/shop"),
    "names": planted("Abraham Darby", "Abraham Wilkinson"),
    "content": planted("It was cast by Abraham Darby at Coalbrookdale. ", ""),
    "length": "The bridge opened in 1779.",
    "invented_words": planted("opened", "unbridged"),
    "novel_5grams": " ".join(reversed(PAGE.split())),
}


@pytest.mark.parametrize("check", sorted(FAULTS))
def test_a_planted_fault_fails_its_check_and_a_copy_passes(check):
    gate = ChunkGate(GateConfig.model_validate({check: STRICT[check]}))
    assert gate.judge(PAGE, PAGE)[1] is None
    scores, found = gate.judge(PAGE, FAULTS[check])
    assert found == check
    assert set(scores) == {check}


def test_every_check_has_a_status_and_all_are_off_by_default():
    assert {f"unfaithful/{name}" for name in CHECKS} <= set(STATUSES)
    assert GateConfig().on() == {}
    assert ChunkGate(GateConfig()).judge(PAGE, "Something else.") == ({}, None)


def test_what_is_to_go_need_not_be_kept():
    page = f"[![build 3.12](https://ci.example.org/b.svg)](https://ci.example.org)\n- [Docs](https://d.org/2)\n\n{PAGE}"
    gate = ChunkGate(GateConfig(numbers=1.0, urls=1.0, content=1.0))
    assert gate.judge(page, PAGE)[1] is None


def test_an_answer_that_drops_all_lines_passes_unless_it_is_not_to():
    assert ChunkGate(GateConfig(content=1.0)).judge(PAGE, "")[1] is None
    assert ChunkGate(GateConfig(content=1.0, empty_passes=False)).judge(PAGE, "")[1] == "content"


def test_the_semantic_check_needs_an_encoder():
    with pytest.raises(ValidationError, match="semantic_model"):
        GateConfig(semantic=0.65)


TEXTS = st.lists(st.sampled_from(["river", "Rises", "1915", "the", "hill,", "a.b", "mill's", "Über"]), max_size=12).map(
    " ".join
)


@settings(deadline=None, derandomize=True)
@given(TEXTS, TEXTS)
def test_at_the_strictest_every_word_that_passes_stands_in_the_source(organic, text):
    _, found = ChunkGate(GateConfig(invented_words=0.0, novel_5grams=0.0)).judge(organic, text)
    if found is None:
        assert set(words(text)) <= set(words(organic))
