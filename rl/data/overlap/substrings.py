"""Which texts are contained in which: the answer of comparing all pairs, from an index.

A text can only be contained in one that holds its rarest piece of k characters, and that piece is seldom anywhere else.
So all pieces are hashed at once, each text's rarest one is looked up, and only what shares it is compared, character by
character. k is the largest power of two that the text has room for, up to 32. Equal texts are compared once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Keep = Literal["longer", "earlier"]
Hashes = NDArray[np.uint64]

PIECES = (32, 16, 8, 4, 2, 1)
"""Lengths of pieces in characters, the longest that fits first."""

MOST_BUCKET_BITS = 24
"""Pieces are counted in at most 2**24 buckets; a shared bucket costs a comparison, never a wrong answer."""

_SEPARATOR = 0x110000  # above every character
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


def lost_to(texts: Sequence[str], keep: Keep = "longer") -> list[int | None]:
    """For each text the lowest number of a text that makes it superfluous, or None where it stays.

    With `longer` (arXiv:2506.14965) a text goes if another properly contains it, or an earlier one is equal. With
    `earlier` (the released code) it goes if an earlier one contains it or is contained in it, kept or not.

    Args:
        texts: as they are to be compared, e.g. lower case without blanks around them.
        keep: which of two texts stays.
    """
    first: dict[str, int] = {}
    for number, text in enumerate(texts):
        first.setdefault(text, number)
    distinct = list(first)
    container: dict[str, int] = {}
    inside: dict[str, int] = {}
    for small, large in contained(distinct):
        one, other = distinct[small], distinct[large]
        container[one] = min(container.get(one, len(texts)), first[other])
        inside[other] = min(inside.get(other, len(texts)), first[one])
    answers: list[int | None] = []
    for number, text in enumerate(texts):
        reasons = [first[text]] if first[text] < number else []
        if keep == "longer":
            reasons += [container[text]] if text in container else []
        else:
            reasons += [found[text] for found in (container, inside) if found.get(text, number) < number]
        answers.append(min(reasons, default=None))
    return answers


def contained(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """All pairs of numbers of different texts of which the first is contained in the second, each once.

    Args:
        texts: no two are equal.
    """
    empty = [number for number, text in enumerate(texts) if not text]
    for number in empty:
        yield from ((number, other) for other in range(len(texts)) if other != number)
    index = _Index(texts)
    for place, size in enumerate(PIECES):
        longest = PIECES[place - 1] if place else None
        members = [
            number for number, text in enumerate(texts) if len(text) >= size and (not longest or len(text) < longest)
        ]
        if members:
            yield from index.pairs(size, np.array(members))


class _Index:
    """All texts behind each other, and hashes of the pieces at each place."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        joined = chr(0).join(texts)  # one encoding for all; the places of the separators are known
        self.codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]]) if len(texts) else lengths
        self.lengths = lengths
        self.codes[self.starts[1:] - 1] = _SEPARATOR

    def hashes(self, size: int) -> Hashes:
        """By place, the hash of the `size` characters from there; of pieces twice as long from those of half."""
        found = (self.codes + np.uint64(1)) * _MIX
        factor, length = _BASE, 1
        while length < size:
            found = found[:-length] * factor + found[length:]
            factor, length = factor * factor, 2 * length
        found ^= found >> np.uint64(29)
        found *= _MIX
        return found

    def pairs(self, size: int, members: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """The pairs whose first text is one of these, all of which have room for a piece."""
        with np.errstate(over="ignore"):
            hashes = self.hashes(size)
        bits = min(MOST_BUCKET_BITS, len(hashes).bit_length())
        buckets = (hashes >> np.uint64(64 - bits)).astype(np.int32)
        counts = np.bincount(buckets, minlength=1 << bits).astype(np.int32)
        rarity = counts[buckets]
        starts = self.starts[members]
        anchors = np.array(
            [
                start + int(rarity[start : start + length - size + 1].argmin())
                for start, length in zip(starts.tolist(), self.lengths[members].tolist(), strict=True)
            ]
        )
        offsets = anchors - starts
        wanted = np.zeros(1 << bits, dtype=bool)
        wanted[buckets[anchors]] = True
        places = np.flatnonzero(wanted[buckets])
        places = places[np.argsort(hashes[places], kind="stable")]
        ordered = hashes[places]
        low = np.searchsorted(ordered, hashes[anchors], "left").tolist()
        high = np.searchsorted(ordered, hashes[anchors], "right").tolist()
        for member, offset, begin, end in zip(members.tolist(), offsets.tolist(), low, high, strict=True):
            if end - begin < 2:
                continue  # its rarest piece is nowhere else
            text = self.texts[member]
            at = places[begin:end] - offset
            owners = np.searchsorted(self.starts, places[begin:end], "right") - 1
            seen = {member}
            for owner, place in zip(owners.tolist(), (at - self.starts[owners]).tolist(), strict=True):
                if owner not in seen and place >= 0 and self.texts[owner].startswith(text, place):
                    seen.add(owner)
                    yield member, owner


def near_copies(texts: Sequence[str], mask: Callable[[str], str]) -> list[list[int]]:
    """Groups of two or more different texts that are equal once masked, by lowest number; each text's first number."""
    groups: dict[str, dict[str, int]] = {}
    for number, text in enumerate(texts):
        groups.setdefault(mask(text), {}).setdefault(text, number)
    return [list(group.values()) for group in groups.values() if len(group) > 1]
