"""Boilerplate that real pages carry: the stretches before their first and after their last prose, and notices.

Grammars make furniture of the kinds that someone thought of; a crawled pool holds what pages really have around their
articles, block for block. Put around the article of another page, such a block is boilerplate for certain.
"""

import re
from collections.abc import Iterator, Sequence

from rl.data.recycling.passages import is_item, is_prose

MOST_LINES = 40
"""Lines of one block that are taken, from the side of the article."""

MOST_WORDS = 9
"""Words of a block's lines on average; more reads like content."""

_NOTICE = re.compile(
    r"use[sd]? cookies|cookie policy|all rights reserved|copyright ©|copyright \d|log ?in to|newsletter|"
    r"sign (?:in|up) (?:to|for|here)|subscribe (?:to|now|here|today|via)|to subscribe|privacy (?:policy|statement)|"
    r"terms of (?:use|service)|follow (?:us|me) on|required fields|your e?-?mail address|email address will|"
    r"affiliate (?:links?|program)|unsubscribe|comments? (?:are|is) (?:closed|moderated)|comment policy|disclaimer|"
    r"awaiting moderation|without (?:prior |written |the )*permission|posted (?:by|in|on) |filed under|share this|"
    r"this entry was posted|powered by|leave a (?:reply|comment)|notify me of|click here (?:to|for)",
    re.IGNORECASE,
)
_KEPT_FOR_MEASURING = re.compile(
    r"skip to|jump to|javascript|browser|app store|google play|android app|iphone|add to (?:cart|basket|wish)|\bcart\b|"
    r"checkout|in stock|rating|★|votes?\b|helpful|°|weather|forecast|humidity|language|español|deutsch|français|"
    r"text size|contrast|toggle|qr code|loading",
    re.IGNORECASE,
)
"""Words of `rl.data.recycling.boilerplate_unseen`: blocks with them would teach what measures."""


def remnants(text: str) -> Iterator[list[str]]:
    """The blocks of boilerplate at both ends of a page, blank lines in them kept; none for a page with little prose.

    The first line of a page is left out, since it may be its title.
    """
    lines = text.split("\n")
    prose = [at for at, line in enumerate(lines) if is_prose(line.strip()) or _sentence(line)]
    if len(prose) < 3:
        return
    first = next((at for at, line in enumerate(lines) if line.strip()), 0) + 1
    for block in (lines[first : prose[0]][-MOST_LINES:], lines[prose[-1] + 1 :][:MOST_LINES]):
        kept = "\n".join(line.strip() for line in block).strip("\n").split("\n")
        if _is_furniture(kept):
            yield kept


def notices(text: str) -> Iterator[str]:
    """Lines of several words that their words give away as boilerplate."""
    for line in text.split("\n"):
        line = line.strip()
        if 6 <= len(line.split()) <= 60 and _NOTICE.search(line) and not _KEPT_FOR_MEASURING.search(line):
            yield line


def _sentence(line: str) -> bool:
    words = line.split()
    return len(words) >= 12 and line.rstrip().endswith((".", "!", "?")) and not _NOTICE.search(line)


def _is_furniture(block: Sequence[str]) -> bool:
    lines = [line for line in block if line]
    if len(lines) < 2 or sum(is_item(line) for line in lines) > 0.2 * len(lines):
        return False
    words = sum(len(line.split()) for line in lines)
    ends = sum(line.endswith((".", "?", "!")) for line in lines)
    plain = sum(len(line) for line in lines) < 90 * len(lines) and all(len(line) < 600 for line in lines)
    return (
        words <= MOST_WORDS * len(lines)
        and ends <= 0.3 * len(lines)
        and plain
        and not any(_KEPT_FOR_MEASURING.search(line) for line in lines)
    )
