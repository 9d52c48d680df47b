"""Counts of tokens, exactly those of a model's tokenizer: by a fast engine once there are many texts to count."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from common.tokens.chat import controls, plain_ids

log = logging.getLogger("repro")

WORTH_CHARS = 8_000_000
"""Characters counted before a fast engine is opened: it takes seconds to see that it reads a tokenizer rightly."""

REMEMBERED_CHARS = 16_000_000
"""Characters of texts whose counts are remembered: a page is counted when it is cut, and again when it is done."""

CHECKED_TEXTS = 64
CHECKED_EVERY = 1000
"""The fast engine's first counts are compared with the tokenizer's own, and then one in so many."""


class QuickCounter:
    """Tokens of bare texts (`common.tokens.chat.plain_ids`).

    Args:
        tokenizer: of transformers; a slow one counts all by itself.
        worth_chars: characters after which a fast engine is opened.
    """

    def __init__(self, tokenizer: Any, worth_chars: int = WORTH_CHARS) -> None:
        self.tokenizer = tokenizer
        self.encoder: Any = None
        self.left_chars: float = worth_chars if getattr(tokenizer, "is_fast", False) else float("inf")
        self.texts = 0
        self.control = controls(tokenizer).whole
        self.known: dict[str, int] = {}
        self.known_chars = 0

    def __call__(self, text: str) -> int:
        """Tokens of a text, of which no part is a control token."""
        if self.encoder is None:
            self.left_chars -= len(text)
            if self.left_chars < 0:
                self._open()
        if text in self.known:
            return self.known[text]
        if self.known_chars > REMEMBERED_CHARS:
            self.known, self.known_chars = {}, 0
        self.known_chars += len(text)
        count = self.known[text] = self._count(text)
        return count

    def _count(self, text: str) -> int:
        if self.encoder is None or self.control.search(text):
            return len(plain_ids(self.tokenizer, text))
        count: int = self.encoder.count(text)
        self.texts += 1
        if self.texts <= CHECKED_TEXTS or self.texts % CHECKED_EVERY == 0:
            right = len(plain_ids(self.tokenizer, text))
            if count != right:
                log.warning(
                    "the fast tokenizer counts %d tokens where there are %d; the slow one goes on", count, right
                )
                self._give_up()
                return right
        return count

    def _open(self) -> None:
        """Open the engine, if it gives the same ids for texts made to break it."""
        from common.tokens.tokenizers import choose_engine, hard_mismatch, load_tokenizer, open_encoder

        self._give_up()
        with tempfile.TemporaryDirectory() as folder:  # as transformers loaded it, which the model's file need not say
            Path(folder, "tokenizer.json").write_text(self.tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
            try:
                file = load_tokenizer(folder, end_needed=False)
            except ValueError:
                return  # a kind of tokenizer that only transformers knows
            name = choose_engine("auto", file, "plain")
            if name != "tokenizers" and hard_mismatch(name, file, "plain") is None:
                self.encoder = open_encoder(name, file, "plain")

    def _give_up(self) -> None:
        self.encoder, self.left_chars = None, float("inf")
