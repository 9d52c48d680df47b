"""The tokenizer: every text survives, phrases cost one token, the template marks the assistant's turns."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pretrain.tokenizer import TokenizerConfig, train_tokenizer

PHRASES = ["Rewrite this text.\n\nText:", "Begin."]


@pytest.fixture(scope="module")
def tokenizer():
    texts = ["The cat sat on the mat.", "The dog ran after the cat in the garden."] * 20
    return train_tokenizer(texts, TokenizerConfig(vocab_size=400, phrases=PHRASES))


@given(st.text())
def test_any_text_survives(text):
    tokenizer = _shared()
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


_CACHE = []


def _shared():  # hypothesis and fixtures of a wider scope do not mix under this profile
    if not _CACHE:
        _CACHE.append(
            train_tokenizer(["The cat sat on the mat."] * 5, TokenizerConfig(vocab_size=400, phrases=PHRASES))
        )
    return _CACHE[0]


def test_a_phrase_is_one_token_and_stays_text(tokenizer):
    [token] = tokenizer.encode(PHRASES[0], add_special_tokens=False)
    assert tokenizer.decode([token], skip_special_tokens=True) == PHRASES[0]


def test_the_template_wraps_turns_and_marks_the_assistants(tokenizer):
    turns = [{"role": "user", "content": "Begin."}, {"role": "assistant", "content": "The cat"}]
    assert tokenizer.apply_chat_template(turns, tokenize=False) == "<|user|>Begin.<|end|><|assistant|>The cat<|end|>"
    assert tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True).endswith(
        "<|assistant|>"
    )
    marked = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    spoken = [token for token, mark in zip(marked["input_ids"], marked["assistant_masks"], strict=True) if mark]
    assert tokenizer.decode(spoken) == "The cat<|end|>"


def test_it_ends_turns_and_pads_with_different_tokens(tokenizer):
    assert tokenizer.eos_token == "<|end|>"
    assert tokenizer.pad_token != tokenizer.eos_token
    assert len(tokenizer) <= 400


def test_the_tiny_tokenizers_phrases_are_those_of_the_prompts(root: Path):
    from rephrase.text.prompts import fixed_parts

    config = yaml.safe_load((root / "configs/pretrain/tokenizer_tiny.yaml").read_text(encoding="utf-8"))
    assert config["phrases"] == fixed_parts(("repro", "edit_lines"))
