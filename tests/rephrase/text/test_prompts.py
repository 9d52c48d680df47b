"""Prompts: instruction first, then the text as it is, then the request."""

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rephrase.text.lines import EDITS, number_lines
from rephrase.text.prompts import (
    PROMPTS,
    SENTINEL,
    SYSTEMS,
    Prompt,
    PromptName,
    SystemName,
    answer,
    answer_form,
    fixed_parts,
    messages,
    read_prompt_file,
)


def test_names_of_the_types_are_the_names_of_the_tables():
    assert set(typing.get_args(PromptName)) == set(PROMPTS)
    assert set(typing.get_args(SystemName)) == set(SYSTEMS)


@given(st.text(), st.sampled_from(sorted(name for name in PROMPTS if answer_form(name) == "text")))
def test_any_text_stands_unchanged_after_the_instruction_and_before_the_sentinel(text, name):
    turn = messages(text, name)[-1]["content"]
    prompt = PROMPTS[name]
    assert turn == prompt.head + text + prompt.tail
    assert turn.endswith(SENTINEL)


@given(st.text())
def test_a_request_for_edits_shows_every_line_with_its_number(text):
    turn = messages(text, "edit_lines")[-1]["content"]
    prompt = PROMPTS["edit_lines"]
    assert turn.startswith(prompt.head)
    assert turn.endswith(prompt.tail)
    assert turn.endswith(EDITS)
    for number, unit in enumerate(number_lines(text).units, 1):
        assert f"\n[{number}] {unit}" in turn


def test_a_prompt_of_ones_own_asks_for_a_text():
    assert answer_form("edit_lines") == "edits"
    assert answer_form("edit_lines", "my_prompt.txt") == "text"


def test_all_requests_share_the_instruction_as_prefix():
    one, two = (messages(text)[-1]["content"] for text in ("alpha", "omega"))
    shared = len(PROMPTS["repro"].head)
    assert one[:shared] == two[:shared]
    assert shared > 0.8 * (len(one) - len("alpha"))


def test_the_switch_follows_the_system_line():
    assert messages("x", no_think=True)[0] == {"role": "system", "content": SYSTEMS["assistant"] + " /no_think"}
    assert messages("x")[0]["content"] == SYSTEMS["assistant"]


def test_without_a_system_line_there_is_one_turn():
    assert [turn["role"] for turn in messages("x", system="none")] == ["user"]


def test_the_answer_begins_with_the_sentinel():
    assert answer("Hello.") == {"role": "assistant", "content": "Here is a paraphrased version:\n\nHello."}


def test_a_prompt_file_replaces_the_wording(tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text("Say it again: {text} Go.")
    assert messages("a {text} b", prompt=read_prompt_file(path))[-1]["content"] == "Say it again: a {text} b Go."


@pytest.mark.parametrize("template", ["no slot", "{text} and {text}"])
def test_a_prompt_file_needs_one_slot(template):
    with pytest.raises(ValueError, match="exactly once"):
        Prompt.parse(template)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no prompt 'rerpo'; there are repro, wrap_wikipedia"):
        messages("x", "rerpo")
    with pytest.raises(ValueError, match=r"no system line 'helper'"):
        messages("x", system="helper")


def test_fixed_parts_cover_a_request_up_to_white_space():
    [system, user] = messages("TEXT", no_think=True)
    left = system["content"] + user["content"] + answer("")["content"]
    for part in sorted(fixed_parts(), key=len, reverse=True):
        left = left.replace(part, "")
    assert left.split() == ["TEXT"]
