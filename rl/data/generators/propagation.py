"""Which positions things may still take: candidate sets narrowed by clues until nothing changes.

Every thing has a set of positions, an integer with a bit for each. A clue removes the positions that no choice for its
other things supports (generalised arc consistency, from the tables of `relations`), and things of one group stand at
different positions: a position that is some thing's only one leaves the others, and a position that only one thing
can take is its own. Narrowing never depends on the order of the clues, so a state can be extended clue by clue.

Work is counted in steps, one per clue or group looked at: the same on every machine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rl.data.generators.relations import Relation, allowed, pairs, triples

State = list[int]
"""By thing, the set of positions it may still take."""


class OutOfSteps(Exception):
    """The budget of steps is spent."""


@dataclass(frozen=True)
class Clue:
    """A relation that holds of these things (numbers of things, in the order of the relation's sentence)."""

    relation: Relation
    things: tuple[int, ...]


class Puzzle:
    """Things in groups, clues about their positions, and which of the clues are in force."""

    def __init__(self, groups: int, size: int) -> None:
        """No clue yet: each of `groups` groups has `size` things, thing t being of group `t // size`."""
        self.size = size
        self.groups = groups
        self.clues: list[Clue] = []
        self.steps = 0
        self.budget = 0
        """Steps after which `OutOfSteps` is raised; 0: no limit."""
        self._tables: dict[str, tuple[Any, ...]] = {}
        self._compiled: list[tuple[Any, ...]] = []
        self._watching: list[list[int]] = [[] for _ in range(groups * size)]
        self._idle = bytearray()
        """By clue: 1 if it is in force and not waiting to be looked at."""
        self._busy_groups = bytearray(groups)

    def blank(self) -> State:
        """The state in which everything may be everywhere."""
        return [(1 << self.size) - 1] * (self.groups * self.size)

    def add(self, clue: Clue) -> int:
        """Take a clue in, not yet in force; returns its number."""
        number = len(self.clues)
        self.clues.append(clue)
        self._compiled.append(self._compile(clue))
        self._idle.append(0)
        for thing in clue.things:
            self._watching[thing].append(number)
        return number

    def _compile(self, clue: Clue) -> tuple[Any, ...]:
        relation = clue.relation
        tables = self._tables.get(relation.name)
        if tables is None:
            found: Any = (allowed, pairs, triples)[relation.arity - 1](relation, self.size)
            tables = self._tables[relation.name] = (found,) if relation.arity == 1 else found
        if relation.arity == 2:
            return (2, *clue.things, *tables)
        return (relation.arity, clue.things, *tables)

    def removed_by(self, clue: Clue, state: State) -> int:
        """How many positions a clue would remove from the state by itself."""
        self.steps += 1
        narrowed = _narrow(self._compile(clue), state)
        return sum(
            (state[thing] ^ positions).bit_count() for thing, positions in zip(clue.things, narrowed, strict=True)
        )

    def enforce(self, numbers: Iterable[int], state: State) -> bool:
        """Put clues in force and narrow the state in place; False if no arrangement is left."""
        queue = list(numbers)
        for number in queue:
            self._idle[number] = 1
        return self.settle(state, queue)

    def suspend(self, numbers: Iterable[int]) -> None:
        """Take clues out of force; states narrowed with them no longer fit."""
        for number in numbers:
            self._idle[number] = 0

    def forget(self, start: int) -> None:
        """Take out the clues from this number on; none of them may be in force."""
        del self.clues[start:], self._compiled[start:], self._idle[start:]
        for watching in self._watching:
            watching[:] = [number for number in watching if number < start]

    def in_force(self) -> list[int]:
        """Numbers of the clues in force, when nothing is waiting to be looked at."""
        return [number for number, idle in enumerate(self._idle) if idle]

    def assign(self, thing: int, positions: int, state: State) -> bool:
        """Give a thing fewer positions and narrow the state in place; False if no arrangement is left."""
        state[thing] = positions
        return self.settle(state, [c for c in self._watching[thing] if self._idle[c]], [thing // self.size])

    def settle(self, state: State, queue: list[int], groups: Sequence[int] = ()) -> bool:
        """Look at clues and groups until nothing changes; False, at once, when a thing has no position left."""
        size, idle, compiled, watching, busy = self.size, self._idle, self._compiled, self._watching, self._busy_groups
        waiting = list(groups)
        for group in waiting:
            busy[group] = 1
        for number in queue:
            idle[number] = 0
        fine, steps = True, 0
        while fine and (queue or waiting):
            steps += 1
            if queue:
                number = queue.pop()
                idle[number] = 1
                clue = compiled[number]
                if clue[0] == 2:  # spelled out: most of the time is spent here
                    _, first, second, forth, back = clue
                    before, old = state[first], state[second]
                    new = old & forth[before]
                    now = before & back[new]
                    if new == old and now == before:
                        continue
                    changes = [(first, now)] if new == old else [(second, new)]
                    if now != before and new != old:
                        changes.append((first, now))
                else:
                    things = clue[1]
                    if clue[0] == 3:
                        one, two, three = things
                        key: tuple[Any, ...] = (state[one], state[two], state[three])
                        found = clue[2].get(key) or _narrow(clue, state)
                    else:
                        key, found = (state[things[0]],), _narrow(clue, state)
                    if found == key:
                        continue
                    changes = [(thing, new) for thing, new, old in zip(things, found, key, strict=True) if new != old]
            else:
                group = waiting.pop()
                busy[group] = 0
                changes = _all_different(state, group * size, size)
            for thing, positions in changes:
                state[thing] = positions
                if not positions:
                    fine = False
                group = thing // size
                if not busy[group]:
                    busy[group] = 1
                    waiting.append(group)
                for other in watching[thing]:
                    if idle[other]:
                        idle[other] = 0
                        queue.append(other)
        for number in queue:
            idle[number] = 1
        for group in waiting:
            busy[group] = 0
        self.steps += steps
        if self.budget and self.steps > self.budget:
            raise OutOfSteps
        return fine


def solved(state: State) -> bool:
    """Whether every thing has one position."""
    return not any(positions & (positions - 1) for positions in state)


def _narrow(clue: tuple[Any, ...], state: State) -> tuple[int, ...]:
    """What a clue leaves to its things: the positions that some choice for the others supports."""
    arity = clue[0]
    if arity == 1:
        return (state[clue[1][0]] & clue[2],)
    if arity == 2:
        _, first, second, forth, back = clue
        new = state[second] & forth[state[first]]
        return state[first] & back[new], new
    _, (first, second, third), seen, to_first, to_second, to_third = clue
    key = (state[first], state[second], state[third])
    found = seen.get(key)
    if found is None:
        ones, twos, threes = key
        ones &= _union(to_first, twos, threes)
        # What stays of the first has support, so looking at the others against it loses nothing: one pass is enough.
        twos &= _union(to_second, ones, threes)
        if len(seen) > 50000:
            seen.clear()
        found = seen[key] = (ones, twos, threes & _union(to_third, ones, twos))
    return found


def _union(tables: list[Any], by: int, given: int) -> int:
    found = 0
    while by:
        low = by & -by
        found |= tables[low.bit_length() - 1][given]
        by ^= low
    return found


def _all_different(state: State, start: int, size: int) -> list[tuple[int, int]]:
    """What the other things of a group leave to each of them."""
    fixed = once = twice = 0
    members = state[start : start + size]
    for positions in members:
        twice |= once & positions
        once |= positions
        if not positions & (positions - 1):
            if fixed & positions:
                return [(start, 0)]  # two things with the same only position
            fixed |= positions
    if once != (1 << size) - 1:
        return [(start, 0)]  # a position that nothing can take
    alone = once & ~twice
    changes = []
    for thing, positions in enumerate(members, start):
        if positions & (positions - 1):
            own = positions & alone
            new = own or positions & ~fixed
            if own & (own - 1):
                new = 0  # one thing wanted at two positions
            if new != positions:
                changes.append((thing, new))
    return changes
