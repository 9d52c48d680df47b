"""Cut a document into chunks that a model can rephrase, and join what comes back.

The original work cut blindly every 7,000 characters and joined with one space. Here a chunk ends where the text itself
pauses: at a blank line or the edge of a fenced code block, else at a line end, else after a sentence, else between
words; only an endless word is cut inside. Nothing is lost: `"".join(c.text + c.sep for c in chunk(text))` is the text.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

MAX_CHARS = 7_000
"""Budget of one chunk in characters (arXiv:2510.10681)."""

MIN_TAIL = 500
"""A last chunk shorter than this borrows from its neighbour: a model makes little of a stray sentence."""

CountTokens = Callable[[str], int]

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_SPACE = re.compile(r"\s+")


class Chunk(NamedTuple):
    """A piece of a document and the white space that follows it there."""

    text: str
    sep: str


class _Atom(NamedTuple):
    """What is never cut unless it alone is over the budget: text[start:end], then white space up to `after`."""

    start: int
    end: int
    after: int


def chunk(
    text: str,
    max_chars: int = MAX_CHARS,
    min_tail: int = MIN_TAIL,
    max_tokens: int | None = None,
    count_tokens: CountTokens | None = None,
    max_lines: int | None = None,
) -> list[Chunk]:
    r"""Cut `text` into chunks within the budget; carriage return + line feed counts as a line feed.

    Args:
        text: the document.
        max_chars: longest chunk, in characters.
        min_tail: a last chunk with fewer characters takes atoms from the one before it until it has as many, as long as
            it fits the budget and the one before keeps an atom.
        max_tokens: longest chunk, in tokens; no such budget if None.
        count_tokens: tokens of a string; needed with `max_tokens`.
        max_lines: most lines of a chunk that are not blank; no such budget if None.

    Returns:
        The chunks in order, none for a blank text. Each chunk's text fits all budgets, except that a single character
        is never cut. The first chunk's text is empty when the document opens with more white space than fits.

    Raises:
        ValueError: a budget below 1, or `max_tokens` without `count_tokens`.

    >>> chunk("One two. Three four. Five six.", max_chars=20, min_tail=0)
    [Chunk(text='One two. Three four.', sep=' '), Chunk(text='Five six.', sep='')]
    """
    if max_chars < 1 or (max_tokens is not None and max_tokens < 1):
        raise ValueError(f"a chunk needs room: max_chars={max_chars}, max_tokens={max_tokens}")
    if max_lines is not None and max_lines < 1:
        raise ValueError(f"a chunk has at least one line: max_lines={max_lines}")
    if max_tokens is not None and count_tokens is None:
        raise ValueError("max_tokens needs count_tokens")
    text = text.replace("\r\n", "\n")
    if not text.strip():
        return []

    def fits(start: int, end: int) -> bool:
        if end - start > max_chars:
            return False
        piece = text[start:end]
        if max_lines is not None and sum(not line.isspace() and line != "" for line in piece.split("\n")) > max_lines:
            return False
        if max_tokens is None or count_tokens is None:
            return True
        # No tokenizer in use makes more tokens than bytes, so short pieces need no counting.
        most = len(piece) if piece.isascii() else 4 * len(piece)
        return most < max_tokens or count_tokens(piece) <= max_tokens

    body = text.rstrip()
    # The usual page is one chunk. A fence at the end keeps the blanks on its line, and so goes the long way.
    if fits(0, len(body)) and not _FENCE.match(body, body.rfind("\n") + 1):
        return [Chunk(body, text[len(body) :])]
    atoms = _merge_empty(list(_atoms(text, fits)))
    groups = list(_pack(atoms, max_chars, fits))
    if len(groups) > 1:
        _lengthen_tail(groups, min_tail, fits)
    return [Chunk(text[g[0].start : g[-1].end], text[g[-1].end : g[-1].after]) for g in groups]


def blind_chunks(text: str, max_chars: int = MAX_CHARS) -> list[Chunk]:
    """The original's cut, for comparison: every `max_chars` characters, in the middle of a word if need be.

    >>> blind_chunks("abcdefghij", 4)
    [Chunk(text='abcd', sep=''), Chunk(text='efgh', sep=''), Chunk(text='ij', sep='')]
    """
    if not text.strip():
        return []
    return [Chunk(text[start : start + max_chars], "") for start in range(0, len(text), max_chars)]


def rejoin(texts: Sequence[str], seps: Sequence[str]) -> str:
    r"""Join rephrased chunks: a paragraph break stays one, a line break stays one, other white space is one space.

    Where a chunk gave nothing, the strongest of the separators around it joins its neighbours.

    >>> rejoin(["A.", "B.", "C."], ["\n\n\n", "\n", "  "])
    'A.\n\nB.\nC.'
    """
    joined = ""
    pending = ""
    for text, sep in zip(texts, seps, strict=True):
        if text:
            joined += (pending if joined else "") + text
            pending = ""
        pending = max(pending, _normal(sep), key=("", " ", "\n", "\n\n").index)
    return joined


def _normal(sep: str) -> str:
    newlines = sep.count("\n")
    return "\n\n" if newlines >= 2 else "\n" if newlines else " " if sep else ""


Fits = Callable[[int, int], bool]


def _atoms(text: str, fits: Fits) -> Iterator[_Atom]:
    """The document as atoms, each within the budget."""
    position = 0
    for start, end in _fences(text):
        yield from _split(text, position, start, fits, 0)
        following = _SPACE.match(text, end)
        after = end if following is None else _line_start(text, end, following.end())
        if fits(start, end):
            yield _Atom(start, end, after)
        else:
            yield from _split(text, start, after, fits, 1)
        position = after
    yield from _split(text, position, len(text), fits, 0)


def _line_start(text: str, start: int, end: int) -> int:
    """Where in a run of white space its last line begins: indentation belongs to what it indents."""
    if end == len(text):
        return end
    newline = text.rfind("\n", start, end)
    return start if newline < 0 else newline + 1


SHORT_LINE = 16
"""Characters: where lines are shorter than this, most runs of white space end one, and all runs are looked at."""

_LEVELS = 4  # blank lines, line ends, sentence ends, any white space; after that, the knife


def _split(text: str, start: int, end: int, fits: Fits, level: int) -> Iterator[_Atom]:
    """Atoms of text[start:end], splitting at `level` and below it only what does not fit."""
    if start >= end:
        return
    if level == _LEVELS:
        yield from _cut(text, start, end, fits)
        return
    for piece in _pieces(text, start, end, level):
        if fits(piece.start, piece.end):
            yield piece
        else:
            yield from _split(text, piece.start, piece.after, fits, level + 1)


def _pieces(text: str, start: int, end: int, level: int) -> Iterator[_Atom]:
    """Split once. Runs of white space are found first, then judged: one pattern for both would be quadratic."""
    begin = start
    by_line = level < 2 and text.count("\n", start, end) * SHORT_LINE < end - start
    for first, cut in _breaks(text, start, end) if by_line else _runs(text, start, end):
        if level < 2 and cut < end:
            if cut - first < 2 - level or text.count("\n", first, cut) < 2 - level:
                continue
            if cut - first > 1:
                cut = _line_start(text, first, cut)
        elif level == 2 and cut < end and (first == start or text[first - 1] not in ".!?"):
            continue
        yield _Atom(begin, first, cut)
        begin = cut
    if begin < end:
        yield _Atom(begin, begin + len(text[begin:end].rstrip()), end)


def _runs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Runs of white space."""
    return (run.span() for run in _SPACE.finditer(text, start, end))


def _breaks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Runs of white space with a line's end in them: most runs have none, and are not looked at."""
    newline = text.find("\n", start, end)
    while newline >= 0:
        first = start + len(text[start:newline].rstrip())
        run = _SPACE.match(text, newline, end)
        start = run.end() if run else newline + 1
        yield first, start
        newline = text.find("\n", start, end)


def _cut(text: str, start: int, end: int, fits: Fits) -> Iterator[_Atom]:
    """Hard cuts, each the longest that fits; the white space at the end goes with the last."""
    tail = end
    while tail > start and text[tail - 1].isspace():
        tail -= 1
    while start < tail:
        length = max(1, _largest(tail - start, partial(_fits_from, fits, start)))
        stop = start + length
        yield _Atom(start, stop, end if stop == tail else stop)
        start = stop


def _fits_from(fits: Fits, begin: int, size: int) -> bool:
    return fits(begin, begin + size)


def _fits_to(fits: Fits, begin: int, ends: Sequence[int], first: int, count: int) -> bool:
    return fits(begin, ends[first + count])


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest of 1..most that fits, 0 if none does; what fits is taken to be monotonic, and is always tested."""
    if most < 1 or fits(most):
        return max(most, 0)
    return bisect_left(range(1, most), True, key=lambda size: not fits(size))


def _merge_empty(atoms: list[_Atom]) -> list[_Atom]:
    """White space alone joins the atom before it, so that only the first atom may be empty."""
    merged: list[_Atom] = []
    for atom in atoms:
        if merged and atom.start == atom.end:
            merged[-1] = merged[-1]._replace(after=atom.after)
        else:
            merged.append(atom)
    return merged


def _pack(atoms: list[_Atom], max_chars: int, fits: Fits) -> Iterator[list[_Atom]]:
    """Greedy from the left: as many atoms as fit, at least one."""
    ends = [atom.end for atom in atoms]
    first = 0
    while first < len(atoms):
        start = atoms[first].start
        # The character budget alone bounds the search, so a chunk costs few token counts however long the document.
        most = bisect_right(ends, start + max_chars, first + 1) - first - 1
        extra = _largest(most, partial(_fits_to, fits, start, ends, first))
        yield atoms[first : first + 1 + extra]
        first += 1 + extra


def _lengthen_tail(groups: list[list[_Atom]], min_tail: int, fits: Fits) -> None:
    before, last = groups[-2], groups[-1]
    end = last[-1].end
    while len(before) > 1 and end - last[0].start < min_tail and fits(before[-1].start, end):
        last.insert(0, before.pop())


def _fences(text: str) -> Iterator[tuple[int, int]]:
    """Spans of closed fenced code blocks (CommonMark), from the opening line's start to the closing line's end."""
    lines = [(m.start(), m.end(), m[1][0], len(m[1]), m[2]) for m in _FENCE.finditer(text)]
    # For each line the longest fence that can close after it, so an unclosed fence is known without a search:
    # it is an ordinary line here, or a stray ``` would glue the rest of a page together.
    longest = {"`": 0, "~": 0}
    closable = [False] * len(lines)
    for index in range(len(lines) - 1, -1, -1):
        _, _, mark, length, rest = lines[index]
        closable[index] = longest[mark] >= length and not (mark == "`" and "`" in rest)
        if not rest.strip():
            longest[mark] = max(longest[mark], length)
    opened: tuple[int, str, int] | None = None
    for index, (start, end, mark, length, rest) in enumerate(lines):
        if opened is None:
            if closable[index]:
                opened = (start, mark, length)
        elif mark == opened[1] and length >= opened[2] and not rest.strip():
            yield opened[0], end
            opened = None
