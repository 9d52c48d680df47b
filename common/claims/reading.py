"""A shard that is read on from claim to claim, and the parts of one claim while their documents are on their way."""

import math
import sys
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

from common.claims.leases import Claim
from common.pools.documents import Document, ShardReader, form_of
from common.pools.exactly_once import Part, Result
from common.pools.shards import Shard
from common.pools.stats import Stats, count_into


class ShardReading:
    """One shard as one worker reads it: forwards, range after range, without reading anything twice.

    Args:
        shard: which.
        part_docs: positions in a part.
    """

    def __init__(self, shard: Shard, part_docs: int) -> None:
        self.shard = shard
        self.part_docs = part_docs
        self.ended = False
        self.reader: ShardReader | None = None
        self._source: Iterator[tuple[int, Document]] = iter(())
        self._ahead: tuple[int, Document] | None = None
        self._position = 0
        self._notes: deque[tuple[int, str, bytes | None]] = deque()
        """Position and reason of what is no document, with its bytes; position and name of a repair, without."""

    def documents(self, claim_parts: "PartsInWork", first: int, stop: int) -> Iterator[tuple[int, Document]]:
        """The documents of the parts `first` to `stop` - 1 with their positions; what is none goes into the parts.

        Afterwards `ended` says whether the shard holds nothing behind them.
        """
        begin, end = first * self.part_docs, stop * self.part_docs
        self._go_to(begin)
        self._position = end
        while True:
            found = self._ahead or next(self._source, None)
            self._ahead = None
            self._hand_over(claim_parts, begin, end)
            if found is None or found[0] >= end:
                self._ahead = found
                self.ended = found is None and not self._notes
                return
            if found[0] >= begin:
                yield found

    def close(self) -> None:
        """Forget where the shard was read to; the next range is read from the shard's beginning."""
        self._position = sys.maxsize
        self._source, self._ahead = iter(()), None
        self._notes.clear()

    def expected(self) -> int | None:
        """How many parts the shard seems to have, by the share of it that was read; None where that is not known."""
        if form_of(self.shard.path) == ".parquet":
            from common.pools.parquet import count_rows

            return math.ceil(count_rows(self.shard.path) / self.part_docs)
        share = self.reader.share_read() if self.reader is not None else 0.0
        return math.ceil(self._position / self.part_docs / share) if share else None

    def _go_to(self, begin: int) -> None:
        reader = self.reader
        jumps = begin != self._position and form_of(self.shard.path) == ".parquet"
        if reader is None or begin < self._position or jumps:
            self.close()
            reader = ShardReader(self.shard.path, self.shard.index, self._reject, self._repair, begin)
            self.reader, self._source = reader, iter(reader)
        reader.start = max(begin, reader.start)

    def _reject(self, position: int, reason: str, raw: bytes) -> None:
        self._notes.append((position, reason, raw))

    def _repair(self, position: int, name: str) -> None:
        self._notes.append((position, name, None))

    def _hand_over(self, parts: "PartsInWork", begin: int, end: int) -> None:
        while self._notes and self._notes[0][0] < end:
            position, name, raw = self._notes.popleft()
            if position >= begin:
                parts.note(position, name, raw)


class PartsInWork:
    """The parts of one claim, from their first document to their commit.

    Args:
        claim: which holds them.
        reading: of their shard.
        exact: numbers are kept to the last digit, for Parquet.
    """

    def __init__(self, claim: Claim, reading: ShardReading, *, exact: bool) -> None:
        self.claim = claim
        self.reading = reading
        self.exact = exact
        self.wanted = set(claim.todo)
        self.fed = claim.first
        """All parts before this one were given out as a whole."""
        self.last: int | None = None
        """The last part of the shard that has something in it, once the shard has ended."""
        self._highest: int | None = None
        self._parts: dict[int, Part] = {}
        self._waiting: Counter[int] = Counter()

    def give(self, position: int) -> bool:
        """Count a document that goes on its way; False where its part is committed already."""
        number = self._see(position)
        if number not in self.wanted:
            return False
        self._part(position)
        self._waiting[number] += 1
        return True

    def note(self, position: int, name: str, raw: bytes | None) -> None:
        """Count what is no document, or a repair (without bytes)."""
        if self._see(position) not in self.wanted:
            return
        if raw is None:
            count_into(self._part(position).stats, {"repaired": {name: 1}})
        else:
            self._part(position).reject(position, name, raw)

    def add(self, position: int, result: Result) -> None:
        """Take in what became of a document."""
        self._part(position).add(position, result)
        self._waiting[position // self.reading.part_docs] -= 1

    def due(self) -> Iterator[tuple[Part, Stats]]:
        """Parts that can be committed now, in order."""
        while self.claim.todo and (number := self.claim.todo[0]) < self.fed and not self._waiting[number]:
            part = self._parts.pop(number, None) or Part(number)
            yield part, self._mark(part)

    def found_last(self) -> int | None:
        """The last part with something in it, of those read; of a shard without anything, the first."""
        return 0 if self._highest is None and self.claim.first == 0 else self._highest

    def _see(self, position: int) -> int:
        number = position // self.reading.part_docs
        self._highest = number if self._highest is None else max(self._highest, number)
        return number

    def _part(self, position: int) -> Part:
        number = position // self.reading.part_docs
        if number not in self._parts:
            self._parts[number] = Part(number, self.exact)
        return self._parts[number]

    def _mark(self, part: Part) -> dict[str, Any]:
        reader = self.reading.reader
        return {
            **part.stats,
            "rejects": len(part.rejects),
            "last": part.number == self.last,
            "files": {"input": reader.taken()} if reader is not None else {},
        }
