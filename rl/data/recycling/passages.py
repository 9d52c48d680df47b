"""Clean passages out of real web pages: runs of prose, list items and headings, cut at sentence ends to a length.

Rules of thumb decide what is clean; they are strict, because every line they let through is taught as worth keeping.
"""

import hashlib
import itertools
import random
import re
from collections.abc import Callable, Iterator

Count = Callable[[str], int]
"""Tokens in a text."""

_BREAK = re.compile(r"(\n+)")
_SENTENCE_GAP = re.compile(r"(?<=[.!?])(?<![A-Z]\.)(?<!Mr\.)(?<!Dr\.)(?<!St\.)(?<!Mrs\.) +(?=[A-Z0-9\"“‘(])")
_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)]) +\S")
_PROSE_END = re.compile(r"[.!?:][\"”’')\]]*$")
_BOILERPLATE = re.compile(
    r"cookie|copyright|©|all rights|click (here|on)|log ?in|sign (in|up)|subscri|newsletter|https?:|www\.|\.com\b|"
    r"privacy policy|terms of|javascript|browser|read more|continue reading|posted (by|on|in)|comments?\b|"
    r"share this|follow us|facebook|twitter|advertis|free shipping|add to cart|website|web site|e-?mail|"
    r"password|username|\||»|«|→|\[\.*…?\]|\.\.\.$|…$|\bsite\b|\bpage\b|\blink\b|this (post|article|entry)",
    re.IGNORECASE,
)


def part_of(document_id: str, held_out_frac: float) -> str:
    """`held_out` or `train`, by hash of the document's id: no passage of one document is in both.

    >>> part_of("a", 0.0), part_of("a", 1.0)
    ('train', 'held_out')
    """
    fraction = int.from_bytes(hashlib.sha256(document_id.encode()).digest()[:8], "big") / 2**64
    return "held_out" if fraction < held_out_frac else "train"


def is_prose(line: str) -> bool:
    """Whether a line reads like sentences of running text in English letters.

    >>> is_prose("The cat sat on the mat and looked at the dog."), is_prose("Home | News | Click here to log in.")
    (True, False)
    """
    words = line.split()
    if len(words) < 8 or not _PROSE_END.search(line) or not re.match(r"[A-Z0-9\"“‘(]", line):
        return False
    lower = sum(character.islower() or character == " " for character in line)
    plain = sum(character.isascii() or character in "“”‘’–—é" for character in line)
    if lower < 0.82 * len(line) or plain < 0.99 * len(line) or max(map(len, words)) > 25:
        return False
    return not _BOILERPLATE.search(line)


def is_item(line: str) -> bool:
    """Whether a line is a list item of several plain words.

    >>> is_item("- 2 cups of flour, sifted twice"), is_item("- Home"), is_item("* * *")
    (True, False, False)
    """
    words = [word for word in line.split() if word.isalpha() and word.islower()]
    return bool(_BULLET.match(line)) and len(words) >= 3 and line.isascii() and not _BOILERPLATE.search(line)


def is_heading(line: str) -> bool:
    """Whether a line could head the prose below it: two to ten words, no closing mark, no boilerplate word.

    >>> is_heading("How the pump works"), is_heading("Posted by admin")
    (True, False)
    """
    words = line.split()
    plain = all(character.isalnum() or character in " '’,:-?" for character in line)
    return 2 <= len(words) <= 10 and plain and line.isascii() and line[0].isupper() and not _BOILERPLATE.search(line)


def is_scrap(line: str) -> bool:
    """Whether a line is the kind of short remnant that stands around articles: few words, no sentence.

    >>> is_scrap("Latest Videos"), is_scrap("It rained.")
    (True, False)
    """
    return 1 <= len(line.split()) <= 9 and len(line) <= 70 and not re.search(r"[.!?:,;]$", line) and not is_item(line)


def clean_runs(text: str) -> Iterator[str]:
    """Stretches of neighbouring clean lines, their line breaks kept.

    A heading counts only where prose follows it, a list only where prose stands before it.
    """
    pieces = _BREAK.split(text)
    lines = [line.strip() for line in pieces[0::2]]
    breaks = ["\n" if gap == "\n" else "\n\n" for gap in pieces[1::2]] + ["\n\n"]
    run: list[str] = []
    for at, line in enumerate(lines):
        following = lines[at + 1] if at + 1 < len(lines) else ""
        if is_prose(line) or (is_item(line) and run) or (is_heading(line) and is_prose(following)):
            run += [line, breaks[at]]
            continue
        if run:
            yield "".join(run[:-1])
        run = []
    if run:
        yield "".join(run[:-1])


def sentences(text: str) -> list[str]:
    """The text cut after sentence ends and line breaks; joined, the parts give it back.

    >>> sentences("One is here. Two.\\n\\nThree?")
    ['One is here. ', 'Two.\\n\\n', 'Three?']
    """
    cuts = {0, len(text), *(match.end() for match in _SENTENCE_GAP.finditer(text))}
    cuts |= {match.end() for match in re.finditer(r"\n+", text)}
    ends = sorted(cuts)
    return [text[start:end] for start, end in itertools.pairwise(ends)]


def passages(text: str, rng: random.Random, count: Count, min_tokens: int, max_tokens: int) -> Iterator[str]:
    """Passages of whole sentences from a page's clean runs, neither overlapping nor above `max_tokens`.

    Each aims at a length of its own between the bounds, so that all lengths occur.
    """
    for run in clean_runs(text):
        taken: list[str] = []
        size, aim = 0, rng.randint(min_tokens, max_tokens)
        for sentence in [*sentences(run), ""]:
            tokens = count(sentence) if sentence else 0
            if taken and (not sentence or size + tokens > aim):
                passage = "".join(taken).strip()
                if min_tokens <= size and count(passage) <= max_tokens and _starts_well(passage):
                    yield passage
                taken, size, aim = [], 0, rng.randint(min_tokens, max_tokens)
            if 0 < tokens <= max_tokens:
                taken.append(sentence)
                size += tokens
            elif tokens:
                taken, size = [], 0


def _starts_well(passage: str) -> bool:
    """A passage is no list torn from its sentence and no heading alone."""
    return not is_item(passage.split("\n")[0]) and bool(_PROSE_END.search(passage) or is_item(passage.split("\n")[-1]))
