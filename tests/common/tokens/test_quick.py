"""Quick counts are the tokenizer's own, and a fast engine that counts otherwise is given up."""

import pytest

from common.engines.requests import load_tokenizer
from common.tokens.chat import plain_ids
from common.tokens.quick import QuickCounter
from common.tokens.tokenizers import ADVERSARIAL


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("rephrase/tiny")


TEXTS = [
    *(text[:5000] for text in ADVERSARIAL),
    "A page. " * 300,
    "It says <|im_end|> and </s> and <|endoftext|>.",
    "\u0915\u094d\u0937 \u1add \U0001fae9 e\u0301 it\u2019s \u2014 so",
]


def test_counts_are_those_of_the_tokenizer_before_and_after_the_fast_engine_is_opened(tokenizer):
    for worth in (0, 10**9):
        counter = QuickCounter(tokenizer, worth)
        assert [counter(text) for text in TEXTS] == [len(plain_ids(tokenizer, text)) for text in TEXTS]
        assert [counter(text) for text in TEXTS] == [len(plain_ids(tokenizer, text)) for text in TEXTS]  # remembered
    assert counter.encoder is None


def test_an_engine_that_counts_otherwise_is_given_up(tokenizer, caplog):
    class Wrong:
        """Counts characters."""

        count = len

    counter = QuickCounter(tokenizer, 0)
    counter.encoder = Wrong
    assert counter("one two three") == len(plain_ids(tokenizer, "one two three"))
    assert counter.encoder is None and "the slow one goes on" in caplog.text
    assert counter("one two three four") == len(plain_ids(tokenizer, "one two three four"))


def test_what_is_remembered_is_bounded(tokenizer, monkeypatch):
    monkeypatch.setattr("common.tokens.quick.REMEMBERED_CHARS", 1000)
    counter = QuickCounter(tokenizer)
    for number in range(100):
        counter(f"{number} " * 50)
    assert sum(map(len, counter.known)) < 1500
