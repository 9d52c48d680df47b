"""Words, content words, stop words, n-grams: the one reading of a text as words."""

import difflib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
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
MOST_PIECES = 100_000
"""Longer texts are not compared word by word."""

MOST_STEPS = 2_000_000
"""What matching stretches without a word that each text has once may cost for a pair; the rest counts as replaced."""

DEEPEST = 8
"""How often a stretch between two anchors is looked through for anchors of its own."""

Stretch = tuple[int, int, int, int]
"""Words i1 up to i2 of the one text, j1 up to j2 of the other."""


class Passages(NamedTuple):
    """What stands at one place of two texts, and whether it is the same but for white space; None: not compared."""

    same: bool | None
    organic: str
    rephrased: str


def word_changes(organic: str, rephrased: str) -> Iterator[Passages]:
    """Two texts as passages that they share and passages that they do not; nothing of either is lost.

    Texts of more than `MOST_PIECES` words and signs are not compared. The time grows with the length of the texts, not
    with its square.

    >>> [tuple(one) for one in word_changes("The cat sat.", "The  cat ran.")]
    [(True, 'The cat ', 'The  cat '), (False, 'sat', 'ran'), (True, '.', '.')]
    """
    left, right = PIECE.findall(organic), PIECE.findall(rephrased)
    if max(len(left), len(right)) > MOST_PIECES:
        yield Passages(None, organic, rephrased)
        return
    keys = [[piece.strip() for piece in pieces] for pieces in (left, right)]
    place, other = 0, 0
    for i, j, size in [*_runs(matched(*keys)), (len(left), len(right), 0)]:
        if i > place or j > other:
            yield Passages(False, "".join(left[place:i]), "".join(right[other:j]))
        place, other = i + size, j + size
        if size:
            yield Passages(True, "".join(left[i:place]), "".join(right[j:other]))


def _runs(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Pairs that follow each other on both sides as (first on the left, first on the right, how many)."""
    runs: list[tuple[int, int, int]] = []
    for i, j in pairs:
        a, b, size = runs[-1] if runs else (0, 0, 0)
        if size and (a + size, b + size) == (i, j):
            runs[-1] = (a, b, size + 1)
        else:
            runs.append((i, j, 1))
    return runs


def matched(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Numbers of words that stand for each other, both rising.

    Stretches are cut at words that each side holds once, as patience diff does; what has none is left to difflib
    within a budget, for its time is the product of the lengths and worse.

    >>> matched("a b c d".split(), "a c x d".split())
    [(0, 0), (2, 1), (3, 3)]
    """
    pairs: list[tuple[int, int]] = []
    steps = MOST_STEPS
    waiting: list[tuple[Stretch, int]] = [((0, len(left), 0, len(right)), 0)]
    while waiting:
        (i1, i2, j1, j2), depth = waiting.pop()
        size = _alike(left, right, (i1, i2, j1, j2), forward=True)
        pairs += [(i1 + n, j1 + n) for n in range(size)]
        i1, j1 = i1 + size, j1 + size
        size = _alike(left, right, (i1, i2, j1, j2), forward=False)
        i2, j2 = i2 - size, j2 - size
        pairs += [(i2 + n, j2 + n) for n in range(size)]
        if i1 == i2 or j1 == j2:
            continue
        anchors = _anchors(left, right, (i1, i2, j1, j2)) if depth < DEEPEST else []
        if anchors:
            pairs += anchors
            starts = [(i1, j1), *((i + 1, j + 1) for i, j in anchors)]
            waiting += [((a, c, b, d), depth + 1) for (a, b), (c, d) in zip(starts, [*anchors, (i2, j2)], strict=True)]
            continue
        ours, theirs = Counter(left[i1:i2]), Counter(right[j1:j2])
        cost = sum(count * theirs[word] for word, count in ours.items()) * min(i2 - i1, j2 - j1)
        if cost <= steps:
            steps -= cost
            matcher = difflib.SequenceMatcher(a=left[i1:i2], b=right[j1:j2], autojunk=False)
            pairs += [(i1 + a + n, j1 + b + n) for a, b, size in matcher.get_matching_blocks() for n in range(size)]
    return sorted(pairs)


def _alike(left: Sequence[str], right: Sequence[str], stretch: Stretch, *, forward: bool) -> int:
    """How many words a stretch begins or ends with on both sides; signs alone do not count: every sentence has them."""
    i1, i2, j1, j2 = stretch
    most, size, words_seen = min(i2 - i1, j2 - j1), 0, False
    while size < most:
        word, other = (left[i1 + size], right[j1 + size]) if forward else (left[i2 - 1 - size], right[j2 - 1 - size])
        if word != other:
            break
        words_seen = words_seen or word[:1].isalnum()
        size += 1
    return size if words_seen or size == most else 0


def _anchors(left: Sequence[str], right: Sequence[str], stretch: Stretch) -> list[tuple[int, int]]:
    """Places of words that each side of a stretch holds once, as many as keep their order."""
    i1, i2, j1, j2 = stretch
    ours, theirs = Counter(left[i1:i2]), Counter(right[j1:j2])
    where = {right[j]: j for j in range(j1, j2) if theirs[right[j]] == 1}
    common = [(i, where[left[i]]) for i in range(i1, i2) if ours[left[i]] == 1 and left[i] in where]
    ends: list[int] = []  # of the best run of each length, where it ends on the right
    last: list[int] = []  # its last pair
    before = [-1] * len(common)
    for number, (_, j) in enumerate(common):
        length = bisect_left(ends, j)
        before[number] = last[length - 1] if length else -1
        ends[length : length + 1] = [j]
        last[length : length + 1] = [number]
    run = []
    number = last[-1] if last else -1
    while number >= 0:
        run.append(common[number])
        number = before[number]
    return run[::-1]
