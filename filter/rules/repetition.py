"""Gopher's repetition rule (arXiv:2112.11446): pages made of the same lines, paragraphs or phrases over and over."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from common.config import RunConfig
from filter.rules.page import Page


class Repetition(RunConfig):
    """Drop pages that repeat themselves; shares are of all units or of all characters in them. A single unit passes."""

    kind: Literal["repetition"]

    lines: float = 0.3
    """Lines that occur more than once, every copy counted, of all lines."""

    paragraphs: float = 0.3
    """The same for paragraphs (between blank lines)."""

    line_characters: float = 0.2
    """Characters in such lines, of those in all lines."""

    paragraph_characters: float = 0.2
    """Characters in such paragraphs."""

    top_ngrams: dict[int, float] = {2: 0.20, 3: 0.18, 4: 0.16}
    """n → most of the characters that the most common n-gram may make up; of several as common, the longest counts."""

    repeated_ngrams: dict[int, float] = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
    """n → most of the characters that words inside any repeated n-gram may make up."""

    def apply(self, page: Page) -> str | None:
        """`repeated_<unit>`."""
        lines = [line.strip() for line in page.text.split("\n") if line.strip()]
        paragraphs = [one.strip() for one in page.text.split("\n\n") if one.strip()]
        for name, units, by_count, by_characters in (
            ("lines", lines, self.lines, self.line_characters),
            ("paragraphs", paragraphs, self.paragraphs, self.paragraph_characters),
        ):
            units_frac, characters_frac = duplicate_fractions(units)
            if units_frac > by_count:
                return f"repeated_{name}"
            if characters_frac > by_characters:
                return f"repeated_{name[:-1]}_characters"
        words = page.words
        for size, most in self.top_ngrams.items():
            if top_ngram_fraction(words, size) > most:
                return f"repeated_top_{size}gram"
        for size, most in self.repeated_ngrams.items():
            if repeated_ngram_fraction(words, size) > most:
                return f"repeated_{size}grams"
        return None


def duplicate_fractions(units: Sequence[str]) -> tuple[float, float]:
    """Share of the units that occur more than once, and of the characters in them.

    >>> duplicate_fractions(["ab", "c", "ab", "d"])
    (0.5, 0.6666666666666666)
    """
    if len(units) < 2:
        return 0.0, 0.0
    repeated = [unit for unit, number in Counter(units).items() for _ in range(number) if number > 1]
    characters = sum(map(len, units))
    return len(repeated) / len(units), sum(map(len, repeated)) / characters if characters else 0.0


def top_ngram_fraction(words: Sequence[str], size: int) -> float:
    """Characters that the most common n-gram's copies make up, of those in all words; 0 where none repeats.

    >>> top_ngram_fraction("a b c a b".split(), 2)
    0.8
    """
    counts = Counter(zip(*(words[place:] for place in range(size)), strict=False))
    most = max(counts.values(), default=1)
    if most < 2:
        return 0.0
    longest = max(sum(map(len, gram)) for gram, number in counts.items() if number == most)
    return longest * most / sum(map(len, words))


def repeated_ngram_fraction(words: Sequence[str], size: int) -> float:
    """Characters of the words that lie inside any n-gram that occurs more than once, of those in all words.

    >>> repeated_ngram_fraction("a b c a b".split(), 2)
    0.8
    """
    grams = list(zip(*(words[place:] for place in range(size)), strict=False))
    counts = Counter(grams)
    if len(counts) == len(grams):
        return 0.0
    inside = [False] * len(words)
    for start, gram in enumerate(grams):
        if counts[gram] > 1:
            inside[start : start + size] = [True] * size
    return sum(len(word) for word, covered in zip(words, inside, strict=True) if covered) / sum(map(len, words))
