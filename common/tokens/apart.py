"""The code points that a fast engine reads otherwise than the reference, worked out once for each tokenizer.

Engines carry their own Unicode tables: a letter assigned since, the place of a combining mark, or a composite of two
code points may be new to one of them. Every code point that this Python knows is tried beside letters, digits, signs
and other marks; what differs is kept, by the digest of the tokenizer's content, in a cache folder (`REPRO_CACHE`, else
`~/.cache/repro`). A text that holds such a code point, or one that is newer, goes to the reference.
"""

import importlib.metadata
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from common.pools.storage import atomic_write, cache_folder

Encode = Callable[[Sequence[str]], list[Any]]
"""Texts to the ids of each."""

COMPOSING = (range(0x105C0, 0x10600), range(0x11380, 0x11400), range(0x16100, 0x16140), range(0x16D40, 0x16D80))
"""Blocks of the composites that came after Unicode 14.0, whose tables every supported Python has."""

EMOJI = range(0x1F000, 0x1FB00)
"""New ones come every year, and none is a mark or a composite: all are tried."""

ALIKE = (range(0x3400, 0xA000), range(0xAC00, 0xD7A4), range(0x20000, 0x40000))
"""Ideographs and syllables: neither marks nor parts of contractions."""

LAST = 0x110000
GROUP = 64
BATCH_CHARS = 1 << 19
ASCII = bytes(range(128))
FORM = 1
"""Number of this way of trying; another one does not believe older files."""


class Apart:
    """A set of code points, looked for in UTF-8 at about a nanosecond a byte.

    >>> apart = Apart([[0x1add, 0x1add]])
    >>> apart.inside("plain caf\u00e9".encode()), apart.inside("a mark \u1add".encode())
    (False, True)
    """

    def __init__(self, ranges: Iterable[Sequence[int]]) -> None:
        self.table = np.zeros(LAST, np.bool_)
        for first, last in ranges:
            self.table[first : last + 1] = True

    def inside(self, raw: bytes) -> bool:
        """Whether a text in UTF-8 holds one of them."""
        high = raw.translate(None, ASCII)  # whole characters remain, since all of their bytes do
        return bool(high) and bool(self.table[np.frombuffer(high.decode().encode("utf-32-le"), np.uint32)].any())

    def each(self, raws: Sequence[bytes]) -> list[bool]:
        """The same for each of several texts; where none holds one, in one look."""
        if not self.inside(b"".join(raws)):
            return [False] * len(raws)
        return [self.inside(raw) for raw in raws]


def apart_of(engine: str, sha256: str, encode: Encode, reference: Encode) -> Apart:
    """The code points that an engine reads otherwise with a tokenizer: remembered, or worked out now.

    Args:
        engine: the engine's package.
        sha256: of the tokenizer's content.
        encode: the engine.
        reference: the ids that count.
    """
    packages = [f"{name} {importlib.metadata.version(name)}" for name in (engine, "tokenizers")]
    made_by = [FORM, unicodedata.unidata_version, *packages]
    path = cache_folder() / "code_points" / f"{engine}_{sha256[:32]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["made_by"] == made_by and kept["sha256"] == sha256:
            return Apart(kept["ranges"])
    untried = ~_tried()
    untried[differing(encode, reference)] = True
    ranges = _ranges(np.flatnonzero(untried).tolist())
    # a cache that cannot be written costs time, nothing else
    with suppress(OSError), atomic_write(str(path)) as target:
        target.write(json.dumps({"made_by": made_by, "sha256": sha256, "ranges": ranges}).encode())
    return Apart(ranges)


def differing(encode: Encode, reference: Encode) -> list[int]:
    """The code points, of those that this Python knows, which two encoders read differently, composites' halves too."""
    found: set[int] = set()
    points = np.flatnonzero(_tried()).tolist()
    per_batch = max(1, BATCH_CHARS // (GROUP * len(_trial("a"))))
    groups = [points[first : first + GROUP] for first in range(0, len(points), GROUP)]
    for first in range(0, len(groups), per_batch):
        batch = groups[first : first + per_batch]
        texts = ["".join(_trial(chr(point)) for point in group) for group in batch]
        for number in _unequal(texts, encode, reference):
            group = batch[number]
            found.update(group[one] for one in _unequal([_trial(chr(p)) for p in group], encode, reference))
    pairs = list(_composites())
    for number in _unequal(pairs, encode, reference):
        found.update(map(ord, pairs[number]))
    return sorted(point for point in found if point >= 128)


def _trial(character: str) -> str:
    """A code point at every place where its class shows: U+0345 and U+0334 have the last and the first place among
    combining marks, so that another mark's place shows by its order."""
    if any(ord(character) in part for part in ALIKE):
        return f"{character}a 1{character}\n"
    return f"{character}\na{character}b 1{character}2 '{character} {character}a\u0345{character} a{character}\u0334\n"


def _composites() -> Iterator[str]:
    """The two halves of every composite that this Python knows, after and before a letter."""
    for point in range(128, 0x30000):
        halves = unicodedata.decomposition(chr(point))
        if halves and "<" not in halves and " " in halves:
            yield "".join(chr(int(half, 16)) for half in halves.split())


def _unequal(texts: Sequence[str], encode: Encode, reference: Encode) -> list[int]:
    pairs = zip(encode(texts), reference(texts), strict=True)
    return [number for number, (one, other) in enumerate(pairs) if not np.array_equal(one, other)]


def _tried() -> npt.NDArray[np.bool_]:
    """[LAST] whether a code point is tried; not those that are unassigned here, private, or in a block of newer
    composites, and no surrogates."""
    tried = np.zeros(LAST, np.bool_)
    tried[EMOJI.start : EMOJI.stop] = True
    for point in (*range(0x40000), *range(0xE0000, 0xE1000)):
        if unicodedata.category(chr(point)) not in ("Cn", "Cs"):
            tried[point] = True
    for part in COMPOSING:
        tried[part.start : part.stop] = False
    return tried


def _ranges(points: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending code points as ranges, both ends included."""
    found: list[list[int]] = []
    for point in points:
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return [(first, last) for first, last in found]
