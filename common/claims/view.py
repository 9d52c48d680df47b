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
from collections.abc import Mapping

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


class ShardView:
    """A shard's folder of parts as it was listed.

    Args:
        files: its listing.
        end: the name of one more file that says where the shard ends.
    """

    def __init__(self, files: Mapping[str, StoredFile], end: str | None = None) -> None:
        self.committed: dict[int, float] = {}
        """Part → when it was committed."""
        self.claims: dict[int, tuple[int, float]] = {}
        """First part → generation of the newest claim, and when its file was last written."""
        self.free: set[str] = set()
        self.last: int | None = None
        self.beyond: int | None = None
        mark = _MARKS.get
        for name, about in files.items():
            part = mark(name)
            if part is not None:
                self.committed[part] = about.modified
            elif name[-1] != "l":  # `.jsonl`: what a part holds
                self._see(name, about.modified)
        if end is not None:
            kind, number, _ = _read_name(end)
            self._see_end(kind, number)

    def _see(self, name: str, modified: float) -> None:
        kind, number, generation = _read_name(name)
        if kind == CLAIM:
            if generation >= self.claims.get(number, NO_CLAIM)[0]:
                self.claims[number] = (generation, modified)
        elif kind == FREE:
            self.free.add(claim_name(number, generation))
        elif kind == COMMITTED:
            self.committed[number] = modified
        elif kind in (END, BEYOND):
            self._see_end(kind, number)

    def _see_end(self, kind: str, number: int) -> None:
        if kind == END:
            self.last = number
        else:
            self.beyond = number if self.beyond is None else min(self.beyond, number)

    @property
    def complete(self) -> bool:
        """Whether every part is committed."""
        return self.last is not None and all(number in self.committed for number in range(self.last + 1))

    def begun(self) -> int:
        """How many parts from the first on are committed: where claims begin, if an earlier version left parts."""
        number = 0
        while number in self.committed:
            number += 1
        return number

    def todo(self, first: int, stop: int) -> list[int]:
        """The parts of a claim that are not committed."""
        if self.last is not None:
            stop = min(stop, self.last + 1)
        if self.beyond is not None:
            stop = min(stop, self.beyond)
        return [number for number in range(first, stop) if number not in self.committed]

    def ranges(self, stop: int) -> list[tuple[int, int]]:
        """The claims as ranges of parts: each ends where the next one begins, the last one at `stop`."""
        firsts = sorted(self.claims)
        return list(zip(firsts, [*firsts[1:], stop], strict=True)) if firsts else []

    def newest(self, first: int, stop: int, modified: float) -> float:
        """When the holder of a claim last showed life: its file, or a part of it, whatever came later."""
        committed = self.committed
        return max([modified, *(committed[number] for number in range(first, stop) if number in committed)])


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
