"""Gopher's rules (arXiv:2112.11446): length, word length, symbols, line marks, letters, stop words."""

import re
from typing import Literal

from common.config import RunConfig
from filter.rules.page import Page

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))


SYMBOL = re.compile(r"#|\.\.\.|\. \. \.|…")


BULLETS = ("●", "•", "*", "-")


ELLIPSES = ("...", ". . .", "…")


class Length(RunConfig):
    """Pages of a usual number of words."""

    kind: Literal["length"]

    min_words: int = 50
    """Fewest words (Gopher, RefinedWeb: 50)."""

    max_words: int = 100_000
    """Most words (Gopher, RefinedWeb: 100,000)."""

    ignore_punctuation: bool = True
    """Whether words without a letter or digit count for nothing (DCLM)."""

    def apply(self, page: Page) -> str | None:
        """`too_short` or `too_long`."""
        number = len(page.words)
        if self.ignore_punctuation:
            number = sum(any(map(str.isalnum, word)) for word in page.words)
        return "too_short" if number < self.min_words else "too_long" if number > self.max_words else None


class WordLength(RunConfig):
    """Pages whose words are of a usual mean length, in characters."""

    kind: Literal["word_length"]

    low: float = 3
    """Least mean length of a word, in characters (Gopher: 3)."""

    high: float = 10
    """Greatest mean length of a word, in characters (Gopher: 10)."""

    def apply(self, page: Page) -> str | None:
        """`word_length`."""
        mean = sum(map(len, page.words)) / len(page.words) if page.words else 0
        return None if self.low <= mean <= self.high else "word_length"


class Symbols(RunConfig):
    """Few hash signs and ellipses per word."""

    kind: Literal["symbols"]

    max_ratio: float = 0.1
    """`#`, `...`, `. . .` and `…` together, per word (Gopher: 0.1)."""

    def apply(self, page: Page) -> str | None:
        """`symbols`."""
        return "symbols" if len(SYMBOL.findall(page.text)) > self.max_ratio * len(page.words) else None


class LineMarks(RunConfig):
    """Not too many lines that begin with a bullet or end with an ellipsis; blank lines do not count."""

    kind: Literal["line_marks"]

    max_bullet_frac: float = 0.9
    """Lines that begin with ● • * - (Gopher: 0.9)."""

    max_ellipsis_frac: float = 0.3
    """Lines that end with an ellipsis (Gopher: 0.3)."""

    def apply(self, page: Page) -> str | None:
        """`bullet_lines` or `ellipsis_lines`."""
        lines = [line.strip() for line in page.text.split("\n") if line.strip()]
        if sum(line.startswith(BULLETS) for line in lines) > self.max_bullet_frac * len(lines):
            return "bullet_lines"
        ended = sum(line.endswith(ELLIPSES) for line in lines)
        return "ellipsis_lines" if ended > self.max_ellipsis_frac * len(lines) else None


class Letters(RunConfig):
    """Most words hold a letter."""

    kind: Literal["letters"]

    max_without_frac: float = 0.2
    """Words with none (Gopher: 0.2)."""

    def apply(self, page: Page) -> str | None:
        """`letterless_words`."""
        without = sum(not any(map(str.isalpha, word)) for word in page.words)
        return "letterless_words" if without > self.max_without_frac * len(page.words) else None


class StopWords(RunConfig):
    """Running English text holds common words."""

    kind: Literal["stop_words"]

    minimum: int = 2
    """Occurrences of the, be, to, of, and, that, have, with; one word twice counts two (Gopher: 2)."""

    def apply(self, page: Page) -> str | None:
        """`stop_words`."""
        found = 0
        for word in page.words:
            found += word.casefold() in STOP_WORDS
            if found >= self.minimum:
                return None
        return "stop_words"
