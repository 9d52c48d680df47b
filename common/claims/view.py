"""What lies in a shard's folder of parts: which are committed, who claimed which, where the shard ends.

| name | says |
|---|---|
| `000004.json` | part 4 is committed; it names the files that hold it |
| `claim.000004.00` | the parts from 4 on are claimed; the file says how many, its time when its holder last lived |
| `claim.000004.01` | the same parts, taken over |
| `claim.000004.00.free` | its holder let go |
| `end.000119` | part 119 is the last one |
| `beyond.000124` | nothing stands at part 124 or behind it |
"""

import functools
import itertools
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import cast

from common.pools.storage import StoredFile

CLAIM, JOIN, FREE, END, BEYOND = "claim", "join", "free", "end", "beyond"
COMMITTED = "json"
NO_CLAIM = (-1, 0.0)


def claim_name(first: int, generation: int) -> str:
    """The name of a claim's file.

    >>> claim_name(4, 1)
    'claim.000004.01'
    """
    return f"{CLAIM}.{first:06d}.{generation:02d}"


def number_name(kind: str, number: int) -> str:
    """The name of a file that says where a shard ends."""
    return f"{kind}.{number:06d}"


def mark_name(number: int) -> str:
    """The name of the file that makes a part count."""
    return f"{number:06d}.{COMMITTED}"


_MARKS = {mark_name(number): number for number in range(1000)}
"""Most names there are, so that a listing is read fast: workers look again and again."""

_NUMBER_OF: Callable[[str], int | None] = _MARKS.get

_BEHIND_MARKS = f"{len(_MARKS):06d}"[:3]
"""Names of claims and of later parts are greater; those of these marks, and of what belongs to them, are not."""


class ShardView:
    """A shard's folder of parts as it was listed.

    Args:
        files: its listing.
        end: the name of one more file that says where the shard ends.
    """

    def __init__(self, files: Mapping[str, StoredFile], end: str | None = None) -> None:
        self.files = files
        committed = set(map(_NUMBER_OF, files))
        committed.discard(None)
        self.committed = cast(set[int], committed)
        self.claims: dict[int, tuple[int, float]] = {}
        """First part → generation of the newest claim, and when its file was last written."""
        self.free: set[str] = set()
        self.last: int | None = None
        self.beyond: int | None = None
        claims = self.claims
        for name in [name for name in files if name > _BEHIND_MARKS]:
            kind, number, generation = _read_name(name)
            if kind != CLAIM:
                self._see(kind, number, generation)
            elif generation >= claims.get(number, NO_CLAIM)[0]:
                claims[number] = (generation, files[name].modified)
        if end is not None:
            self._see(*_read_name(end))
        if self.last is None and self.beyond and self._all_before(self.beyond):
            self.last = self.beyond - 1  # whoever knew it could not say so: the power went

    def _see(self, kind: str, number: int, generation: int) -> None:
        if kind == FREE:
            self.free.add(claim_name(number, generation))
        elif kind == COMMITTED:
            self.committed.add(number)
        elif kind == END:
            self.last = number
        elif kind == BEYOND:
            self.beyond = number if self.beyond is None else min(self.beyond, number)

    def _all_before(self, stop: int) -> bool:
        return len(self.committed) >= stop and self.committed.issuperset(range(stop))

    @property
    def complete(self) -> bool:
        """Whether every part is committed."""
        return self.last is not None and self._all_before(self.last + 1)

    def begun(self) -> int:
        """How many parts from the first on are committed: where claims begin, if an earlier version left parts."""
        return next(number for number in itertools.count() if number not in self.committed)

    def left(self, stop: int) -> list[tuple[int, int, list[int]]]:
        """The claims of which parts are not committed: each from its first part to the next claim's first, the last one
        to `stop`, with these parts."""
        firsts = sorted(self.claims)
        if not firsts:
            return []
        ends = [*firsts[1:], stop]
        most = min(one for one in (stop, self.beyond, None if self.last is None else self.last + 1) if one is not None)
        found: list[tuple[int, int, list[int]]] = []
        for number in sorted(set(range(firsts[0], most)).difference(self.committed)):
            if not found or number >= found[-1][1]:
                place = bisect_right(firsts, number) - 1
                found.append((firsts[place], ends[place], []))
            found[-1][2].append(number)
        return found

    def newest(self, first: int, stop: int, modified: float) -> float:
        """When the holder of a claim last showed life: its file, or a part of it, whatever came later."""
        files, committed = self.files, self.committed
        return max(
            [modified, *(files[mark_name(number)].modified for number in range(first, stop) if number in committed)]
        )


@functools.lru_cache(maxsize=1 << 16)
def _read_name(name: str) -> tuple[str, int, int]:
    """What kind of file a name is, of which part, of which generation; the shards of a pool share most names."""
    kind, _, rest = name.partition(".")
    if rest == COMMITTED:
        return COMMITTED, int(kind), 0
    if kind == CLAIM:
        first, generation, *free = rest.split(".")
        return (FREE if free else CLAIM), int(first), int(generation)
    return (kind, int(rest), 0) if kind in (END, BEYOND) else ("", 0, 0)
