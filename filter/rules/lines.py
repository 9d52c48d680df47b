"""Rules that take lines out of a page: RefinedWeb's and C4's."""

import re
from typing import Literal

from common.config import RunConfig
from filter.rules.page import Page

# A number, or only its full stops and commas. Parts are taken once: no line costs the square of its length.
COUNTER = re.compile(
    r"(?:\W*+\d[\d.,]*+|\W*[.,])(?:\s*+[kmb])?\s++(?:likes?|shares?|comments?|retweets?|reposts?|quotes?|bookmarks?|"
    r"upvotes?|downvotes?|downloads?|views?|followers?)\W*+",
    re.IGNORECASE,
)
CART = re.compile(r"items in cart", re.IGNORECASE)
READ_MORE = re.compile(r"read more\.\.\.$", re.IGNORECASE)
SIGN_IN = re.compile(r"^sign-in", re.IGNORECASE)
BRACKETS = re.compile(r"\[(?:\d*|edit|citation needed)\]", re.IGNORECASE)
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


class RefinedWebLines(RunConfig):
    """RefinedWeb's line filters as in DCLM: shouting, bare numbers, counters, single words, shop and login scraps."""

    kind: Literal["refinedweb_lines"]

    max_uppercase_frac: float = 0.5
    """Upper-case characters of a line at most."""

    max_digit_frac: float = 0.999999
    """Digits among a line's characters other than spaces at most."""

    min_words: int = 2
    """Fewest words of a line; blank lines stay."""

    scraps_max_words: int = 10
    """Lines up to so many words lose "items in cart", a closing "Read more...", an opening "Sign-in"."""

    def apply(self, page: Page) -> str | None:
        """Edits; `nothing_left` where no text remains."""
        kept = [edited for line in page.text.split("\n") if (edited := self.edit(line)) is not None]
        page.text = "\n".join(kept)
        return None if page.text.strip() else "nothing_left"

    def edit(self, line: str) -> str | None:
        """The line without scraps, or None if it goes."""
        if not line.strip():
            return line
        solid = [character for character in line if not character.isspace()]
        if sum(map(str.isupper, line)) > self.max_uppercase_frac * len(line):
            return None
        if sum(map(str.isdigit, solid)) > self.max_digit_frac * len(solid) or COUNTER.fullmatch(line.strip()):
            return None
        words = len(line.split())
        if words < self.min_words:
            return None
        if words > self.scraps_max_words:
            return line
        edited = SIGN_IN.sub("", READ_MORE.sub("", CART.sub("", line.strip())))
        return (edited if edited != line.strip() else line) if edited.strip() else None


class BracketMarks(RunConfig):
    """Take out the marks of encyclopedias: [1], [edit], [citation needed] (C4)."""

    kind: Literal["bracket_marks"]

    def apply(self, page: Page) -> str | None:
        """Edits; drops nothing."""
        page.text = BRACKETS.sub("", page.text)
        return None


class C4Lines(RunConfig):
    """C4's line filters: sentences only, and none about scripts or policies."""

    kind: Literal["c4_lines"]

    max_word_characters: int = 1000
    """A line with a longer word goes."""

    min_words: int = 5
    """Fewest words of a line."""

    def apply(self, page: Page) -> str | None:
        """Edits; `nothing_left` where no line remains."""
        page.text = "\n".join(line for line in page.text.split("\n") if self.keeps(line.strip()))
        return None if page.text.strip() else "nothing_left"

    def keeps(self, line: str) -> bool:
        """Whether a stripped line stays."""
        words = line.split()
        if not line.endswith((".", "!", "?", '"')) or line.endswith("...") or len(words) < self.min_words:
            return False
        lower = line.lower()
        if "javascript" in lower or any(policy in lower for policy in POLICIES):
            return False
        return max(map(len, words)) <= self.max_word_characters
