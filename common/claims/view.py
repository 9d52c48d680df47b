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

from collections.abc import Mapping

from common.pools.storage import StoredFile

CLAIM, JOIN, FREE, END, BEYOND = "claim", "join", "free", "end", "beyond"


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
    return f"{number:06d}.json"


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
        for name, about in files.items():
            kind, _, rest = name.partition(".")
            if rest == "json":
                self.committed[int(kind)] = about.modified
            elif kind == CLAIM:
                self._see(rest, about.modified)
            elif kind in (END, BEYOND):
                self._see_end(kind, int(rest))
        if end is not None:
            kind, _, rest = end.partition(".")
            self._see_end(kind, int(rest))

    def _see_end(self, kind: str, number: int) -> None:
        if kind == END:
            self.last = number
        else:
            self.beyond = number if self.beyond is None else min(self.beyond, number)

    def _see(self, rest: str, modified: float) -> None:
        if rest.endswith(FREE):
            self.free.add(f"{CLAIM}.{rest[: -len(FREE) - 1]}")
            return
        first, _, generation = rest.partition(".")
        number, seen = int(first), (int(generation), modified)
        self.claims[number] = max(self.claims.get(number, seen), seen)

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
