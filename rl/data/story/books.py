"""Plain-text novels to chapters: headings found, tables of contents and part titles passed over, lines joined."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

NUMBER = (
    r"(?:[0-9]{1,3}|[ivxlcIVXLC]{1,8}|(?:the\s+)?(?:first|last)|"
    r"(?:(?:twenty|thirty|forty|fifty)[-\s]?)?(?:one|two|three|four|five|six|seven|eight|nine)|"
    r"ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|forty|fifty)"
)
NAMED = re.compile(
    rf"(?:(?:chapter|letter|adventure|stave|canto|episode|scene)\s+{NUMBER}\b[^a-z]*(?:\s.*)?"
    r"|(?:prologue|epilogue|preface|introduction|conclusion)\b.{0,60})",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"[0-9IVXL]{1,6}\.\s+(?P<title>\S.*)")
BARE = re.compile(r"[0-9]{1,3}\.?|[IVXL]{1,7}\.?")
PART = re.compile(rf"(?:part|book|volume)\s+(?:the\s+)?{NUMBER}\b.*", re.IGNORECASE)
START = re.compile(r"\*\*\* ?START OF .*\*\*\*")
END = re.compile(r"\*\*\* ?END OF .*")
LAST_LINE = re.compile(r"THE END\.?|FINIS\.?|")

LONGEST_HEADING = 80
"""Characters of a line that may be a heading."""

SHORTEST_CHAPTER = 50
"""Words; what is shorter between two headings is a table of contents or the title of a part."""

FEWEST_CHAPTERS = 3
"""Fewer headings of a kind do not divide a book."""


@dataclass(frozen=True)
class Chapter:
    """One chapter of a book."""

    header: str
    """Its heading as the book has it, with the title line below a bare number."""

    text: str
    """What stands under it, paragraphs apart by blank lines."""


def split_chapters(book: str) -> list[Chapter]:
    """The chapters of a plain-text book in their order; none if it has no headings of one kind.

    A heading stands alone between blank lines: `Chapter 3`, `CHAPTER IV. Title`, `VII. THE TITLE`; or, in a book
    without such ones, a bare number with its title below. Front matter, contents and part titles are left out.
    """
    lines = _body(book.replace("\r\n", "\n").split("\n"))
    for kind in (_is_named, _is_bare):
        starts = [number for number in range(len(lines)) if _stands_alone(lines, number) and kind(lines[number])]
        chapters = [_chapter(lines[start:end]) for start, end in pairwise([*starts, len(lines)])]
        found = [chapter for chapter in chapters if len(chapter.text.split()) >= SHORTEST_CHAPTER]
        if len(found) >= FEWEST_CHAPTERS:
            return found
    return []


def paragraphs(lines: Sequence[str]) -> str:
    """Hard-wrapped lines as paragraphs; verse and letters, which are indented, keep their lines."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            blocks[-1].append(line.rstrip())
        elif blocks[-1]:
            blocks.append([])
    joined = []
    for block in filter(None, blocks):
        wrapped = not any(line.startswith((" ", "\t")) for line in block)
        joined.append(" ".join(block) if wrapped else "\n".join(block))
    return "\n\n".join(joined)


def _body(lines: list[str]) -> list[str]:
    """Without a library's notes before and after the book, and without `THE END`."""
    first = next((number + 1 for number, line in enumerate(lines) if START.fullmatch(line.strip())), 0)
    last = next((number for number, line in enumerate(lines) if number > first and END.match(line)), len(lines))
    while last > first and LAST_LINE.fullmatch(lines[last - 1].strip()):
        last -= 1
    return lines[first:last]


def _stands_alone(lines: Sequence[str], number: int) -> bool:
    line = lines[number]
    before = number == 0 or not lines[number - 1].strip()
    after = number + 1 == len(lines) or not lines[number + 1].strip()
    return bool(before and after and line.strip()) and len(line.strip()) <= LONGEST_HEADING


def _is_named(line: str) -> bool:
    text = line.strip()
    if NAMED.fullmatch(text):
        return True
    numbered = NUMBERED.fullmatch(text)
    # A title has its long words in capitals, a sentence has not.
    return numbered is not None and all(word[0].isupper() for word in re.findall(r"[^\W\d_]{5,}", numbered["title"]))


def _is_bare(line: str) -> bool:
    return bool(BARE.fullmatch(line.strip()))


def _chapter(lines: Sequence[str]) -> Chapter:
    header, rest = lines[0].strip(), list(lines[1:])
    while rest and (not rest[-1].strip() or (PART.fullmatch(rest[-1].strip()) and _stands_alone(rest, len(rest) - 1))):
        rest.pop()  # blank lines, and the title of the part that the next chapter opens
    first = next((number for number, line in enumerate(rest) if line.strip()), 0)
    if _is_bare(header) and rest and _is_title(rest, first):
        header, rest = f"{header}\n\n{rest[first].strip()}", rest[first + 1 :]
    return Chapter(header, paragraphs(rest))


def _is_title(lines: Sequence[str], number: int) -> bool:
    text = lines[number].strip()
    return _stands_alone(lines, number) and text[0].isupper() and text[-1].isalnum()
