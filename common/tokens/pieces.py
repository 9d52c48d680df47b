"""Long texts in pieces whose ids, one after the other, are those of the whole: what bounds the reference's memory.

The reference keeps about 200 bytes for each byte of what it encodes in one go. Byte-level tokenizers cut a text into
words before anything else, so a text may be cut between `a` and ` b`, or behind a single line end between two words.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

PIECE_CHARS = 1 << 18
"""A longer text is cut, where it can be."""

GROUP_CHARS = 1 << 20
"""Characters that the reference encodes in one go."""

CUT = re.compile(r"(?<=[A-Za-z])(?= [A-Za-z])|(?<=\S\n)(?=[^\W\d_])")

PROBE = (
    "It isn't 12,345.67 words' worth. We'll see\nwhat (they) say: \u201cwell\u201d, they said.\n"
    "And \u6f22\u5b57\u3002\n\u30ab\u30ca kana,\r\ntwo  spaces a b\n\nnew part\tand tab x = y_1 + z;\n"
    "  def f(a): return a\nNa\u00efve e\u0301 caf\u00e9s\n\u0627\u0644\u0639\u0631 \u0e20\u0e32\u0e29\u0e32\n"
    "\u0939\u093f\u0928\u094d\u0926\u0940 I'M A B C'd e.g. U.S. 3 apples WORDSinCamelCase and\nmore"
)

Encode = Callable[[Sequence[str]], list[Any]]


def can_be_cut(content: Mapping[str, Any], encode: Encode) -> bool:
    """Whether a tokenizer gives a text's pieces the ids of the whole: by its file, and on a text with every cut made.

    Args:
        content: of its `tokenizer.json`.
        encode: its ids of texts.
    """
    before = content.get("pre_tokenizer") or {}
    steps = before.get("pretokenizers") or [before]
    byte_level = any(step.get("type") == "ByteLevel" for step in steps)
    kinds = all(step.get("type") in ("ByteLevel", "Split", "Digits") for step in steps)
    prefix = any(step.get("add_prefix_space") for step in steps)
    normal = (content.get("normalizer") or {"type": "NFC"}).get("type") in ("NFC", "NFD", "NFKC", "NFKD")
    added = content.get("added_tokens") or []
    greedy = any(one.get("lstrip") or one.get("rstrip") or CUT.search(one["content"]) for one in added)
    if not (byte_level and kinds and normal) or prefix or greedy:
        return False
    places = [0, *(found.start() for found in CUT.finditer(PROBE)), len(PROBE)]
    whole, *parts = encode([PROBE, *(PROBE[first:last] for first, last in pairwise(places))])
    return bool(np.array_equal(whole, np.concatenate(parts)))


def pieces_of(text: str) -> Iterator[str]:
    """A text in pieces of at least `PIECE_CHARS`, cut at the first place behind that."""
    start = 0
    while len(text) - start > PIECE_CHARS:
        found = CUT.search(text, start + PIECE_CHARS)
        if found is None:
            break
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]


def groups_of(texts: Sequence[str], cut: bool) -> Iterator[list[tuple[int, str]]]:
    """(number of its text, piece) in order, as many together as `GROUP_CHARS` takes."""
    group: list[tuple[int, str]] = []
    chars = 0
    for number, text in enumerate(texts):
        for piece in pieces_of(text) if cut else (text,):
            if group and chars + len(piece) > GROUP_CHARS:
                yield group
                group, chars = [], 0
            group.append((number, piece))
            chars += len(piece)
    if group:
        yield group
