"""Words, content words, stop words, n-grams: the one reading of a text as words."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def content_words(text: str) -> Counter[str]:
    """Multiset of lower-case words without the stop words.

    >>> sorted(content_words("The cat's on the mat, the mat.").elements())
    ["cat's", 'mat', 'mat']
    """
    return Counter(word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS)


STOP_WORDS = frozenset(
    re.split(
        " ",
        "a an and are as at be but by for from has have he her his i in is it its of on or our she that the their they"
        " this to was we were will with you your",
    )
)
"""The 39 words that say nothing about whether two texts share their content."""


WORD = re.compile(r"\w+(?:['’]\w+)*")


def words(text: str) -> list[str]:
    """Lower-case words; an apostrophe inside a word does not cut it.

    >>> words("Don't stop: 8,849 metres.")
    ["don't", 'stop', '8', '849', 'metres']
    """
    return WORD.findall(text.lower())


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    """Runs of n `words`, in order, repeats included."""
    tokens = words(text)
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))


def long_words(text: str) -> Counter[str]:
    """Multiset of lower-case words of four letters and more: what a page says, less the words every page has.

    >>> sorted(long_words("The river rises, the river falls: 1234.").elements())
    ['falls', 'rises', 'river', 'river']
    """
    return Counter(_LONG.findall(text.lower()))


_LONG = re.compile(r"[^\W\d_]{4,}")


def long_words_kept(organic: str, rephrased: str) -> float | None:
    """Share of the organic text's `long_words` that the rephrasing still has, as multisets; None if there are none.

    >>> long_words_kept("green green blue stones", "green stones")
    0.5
    """
    wanted = long_words(organic)
    return (wanted & long_words(rephrased)).total() / wanted.total() if wanted else None


GOPHERS_EIGHT = frozenset(["the", "be", "to", "of", "and", "that", "have", "with"])
"""Gopher's stop words (arXiv:2112.11446)."""


def stop_word_share(text: str) -> float:
    """Share of words that are common function words: prose has them, menus and lists have not.

    >>> stop_word_share("The end of the road")
    0.6
    """
    found = text.lower().split()
    return sum(word in GOPHERS_EIGHT for word in found) / len(found) if found else 0.0


PIECE = re.compile(r"^\s+|(?:\w+|[^\w\s])\s*")
MOST_PIECES = 4000
"""Longer texts are not compared word by word: comparing costs the product of their lengths."""


class Passages(NamedTuple):
    """What stands at one place of two texts, and whether it is the same but for white space; None: not compared."""

    same: bool | None
    organic: str
    rephrased: str


def word_changes(organic: str, rephrased: str) -> Iterator[Passages]:
    """Two texts as passages that they share and passages that they do not; nothing of either is lost.

    Texts of more than `MOST_PIECES` words and signs are not compared.

    >>> [tuple(one) for one in word_changes("The cat sat.", "The  cat ran.")]
    [(True, 'The cat ', 'The  cat '), (False, 'sat', 'ran'), (True, '.', '.')]
    """
    left, right = PIECE.findall(organic), PIECE.findall(rephrased)
    if max(len(left), len(right)) > MOST_PIECES:
        yield Passages(None, organic, rephrased)
        return
    keys = [[piece.strip() for piece in pieces] for pieces in (left, right)]
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        yield Passages(kind == "equal", "".join(left[i1:i2]), "".join(right[j1:j2]))
