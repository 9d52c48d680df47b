"""Tokens per document, as the training run will count them: the tokenizer's ids plus one end of text."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from common.config import RunConfig

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("repro.filter.tokens")

Counter = Callable[[Sequence[str]], list[int]]

CHECKED_TEXTS = 64
"""The fast engine's counts are compared with the reference's on the first so many texts of a process."""


class TokenCountConfig(RunConfig):
    """How tokens are counted; give one of the two where a token budget or token figures are wanted."""

    tokenizer: str | None = None
    """Folder (or file) with the training run's `tokenizer.json`."""

    bytes_per_token: float | None = None
    """Estimate instead of count: UTF-8 bytes over this (4.3 for GPT-NeoX on web text). `dataset.json` says so."""


@lru_cache(maxsize=4)
def open_counter(config: TokenCountConfig) -> Counter | None:
    """The function that counts tokens of texts, or None where none is asked for.

    Raises:
        ValueError: both ways are given, or there is no tokenizer at the path.
    """
    if config.tokenizer and config.bytes_per_token:
        raise ValueError("give tokenizer or bytes_per_token, not both")
    if config.bytes_per_token is not None:
        if config.bytes_per_token <= 0:
            raise ValueError(f"bytes_per_token should be above 0, not {config.bytes_per_token}")
        rate = config.bytes_per_token
        return lambda texts: [round(len(text.encode("utf-8", "surrogatepass")) / rate) + 1 for text in texts]
    if config.tokenizer:
        return _TokenizerCounter(config.tokenizer)
    return None


class _TokenizerCounter:
    """Counts with gigatoken where it is installed and agrees with `tokenizers`, else with `tokenizers`."""

    def __init__(self, path: str) -> None:
        from common.tokens.tokenizers import FastEncoder, choose_engine, load_tokenizer, open_encoder

        # A control token that a page spells out is text, as `pretrain.tokenize` treats it by default.
        tokenizer = load_tokenizer(path, end_needed=False)
        self.encoder: Any = open_encoder(choose_engine("auto", tokenizer, "plain"), tokenizer, "plain")
        self.unchecked = CHECKED_TEXTS if isinstance(self.encoder, FastEncoder) else 0

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """Ids of each text plus 1."""
        found = self._count(texts)
        if self.unchecked > 0:
            sample = list(texts[: self.unchecked])
            self.unchecked -= len(sample)
            if found[: len(sample)] != [len(ids) + 1 for ids in self.encoder.reference.encode(sample)]:
                log.warning("gigatoken and tokenizers count differently; counting with tokenizers")
                self.encoder, self.unchecked = self.encoder.reference, 0
                return self._count(texts)
        return found

    def _count(self, texts: Sequence[str]) -> list[int]:
        return [len(ids) + 1 for ids in self.encoder.encode(texts)]


def token_bytes(tokenizer: Any) -> np.ndarray | None:
    """[V] bytes of text behind each token, or None where the vocabulary is not byte-level.

    In a byte-level vocabulary every character of an entry stands for one byte; added entries are plain text, and
    special ones stand for none.
    """
    import numpy as np

    if not getattr(tokenizer, "is_fast", False):
        return None
    spec: Mapping[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    if "ByteLevel" not in json.dumps(spec.get("decoder")):
        return None
    sizes = {number: len(entry) for entry, number in spec["model"]["vocab"].items()}
    for added in spec.get("added_tokens", []):
        sizes[added["id"]] = 0 if added["special"] else len(added["content"].encode())
    table = np.zeros(max(sizes) + 1, np.int64)
    table[list(sizes)] = list(sizes.values())
    return table


def token_counter(tokenizer: str) -> Callable[[str], int]:
    """Counts tokens with a Hugging Face folder's tokenizer, without loading a deep-learning library.

    Raises:
        ValueError: the folder has no `tokenizer.json`.
    """
    from common.tokens.tokenizers import ReferenceEncoder, load_tokenizer

    encoder = ReferenceEncoder(load_tokenizer(tokenizer, end_needed=False), "match")
    return lambda text: len(encoder.encode([text])[0])
