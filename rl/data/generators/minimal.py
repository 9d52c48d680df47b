"""Leave out the clues that a puzzle does not need, so that in the end it needs each one.

A clue is not needed when the others leave the known solution alone. Three things keep that cheap:

1. Clues are first told again in another order, and only those that narrow what the earlier ones left are kept.
2. To examine clues one by one takes a narrowing of all the others for each. Halving shares that work: while the left
   half is examined the right half is in force, then what is left of the left half is, and a clue is taken in O(log n)
   times instead of n.
3. Two things exchanged in the solution break some clues. If they break exactly one, it is needed.

First the clues go that the others replace by narrowing alone; what is left is examined once more by search, while its
budget lasts, because narrowing alone does not see every clue that can go.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from rl.data.generators.propagation import OutOfSteps, Puzzle, State, solved

TELLINGS = 2
STEPS_PER_CLUE = 2_000
"""Search for a second solution without a clue goes on for so many steps; the clue stays if they do not tell."""

FEWEST_STEPS_PER_CLUE = 250
"""Where the budget gives a clue fewer on average, there is no search at all."""


@dataclass(frozen=True)
class Minimal:
    """What is left of a puzzle's clues."""

    clues: list[int]
    """Numbers of the clues, ascending."""
    unproven: int
    """How many of them may not be needed: without them narrowing is not enough, and search was not let to the end."""


def minimal(puzzle: Puzzle, solution: Sequence[int], rng: random.Random, search_steps: int) -> Minimal:
    """Leave out clues of a puzzle; afterwards none of them is in force.

    Args:
        puzzle: its clues leave the solution alone.
        solution: by thing, its position as a set of one.
        rng: of the order in which clues are examined.
        search_steps: most steps of search in all.
    """
    left = list(range(len(puzzle.clues)))
    puzzle.suspend(left)
    for _ in range(TELLINGS):
        left = _told_again(puzzle, left[::-1])
    exchanges = broken_by_exchanges(puzzle, solution)

    def thinned(needed: Callable[[int, State], bool]) -> list[int]:
        order = [clue for clue in left if clue not in firm]
        rng.shuffle(order)
        state = puzzle.blank()
        puzzle.enforce(firm, state)
        kept = _halved(puzzle, order, state, needed)
        puzzle.suspend(firm)
        return sorted([*firm, *kept])

    firm = _broken_alone(exchanges, left)
    left = thinned(lambda clue, state: True)
    firm = _broken_alone(exchanges, left)
    unproven = len(left) - len(firm)
    if search_steps < FEWEST_STEPS_PER_CLUE * unproven:
        return Minimal(left, unproven)  # not worth starting
    unproven = 0

    def needed(clue: int, state: State) -> bool:
        nonlocal search_steps, unproven
        others = _bits_of(puzzle.in_force())
        if any(broken >> clue & 1 and not broken & others for broken in exchanges):
            return True
        before = puzzle.steps
        found = other_solution(puzzle, state, solution, min(STEPS_PER_CLUE, search_steps)) if search_steps > 0 else None
        search_steps -= puzzle.steps - before
        unproven += found is None
        return found is not False

    return Minimal(thinned(needed), unproven)


def _bits_of(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


def _broken_alone(exchanges: Sequence[int], clues: Sequence[int]) -> set[int]:
    """The clues that some exchange breaks while it breaks no other of them: each is needed."""
    present = _bits_of(clues)
    broken = (exchange & present for exchange in exchanges)
    return {found.bit_length() - 1 for found in broken if not found & (found - 1)}


def _told_again(puzzle: Puzzle, order: Sequence[int]) -> list[int]:
    """The clues that narrow what those before them left, gone through until that solves the puzzle."""
    state = puzzle.blank()
    kept: list[int] = []
    waiting = list(order)
    while waiting and not solved(state):
        later = []
        for clue in waiting:
            if puzzle.removed_by(puzzle.clues[clue], state):
                puzzle.enforce([clue], state)
                kept.append(clue)
            else:
                later.append(clue)
        if len(later) == len(waiting):  # narrowing gets no further: the puzzle takes search, and all that is left
            kept += later
            break
        waiting = later
    puzzle.suspend(kept)
    return kept


def _halved(puzzle: Puzzle, order: Sequence[int], state: State, needed: Callable[[int, State], bool]) -> list[int]:
    """The clues of `order` that are needed, earlier ones being left out first; afterwards none of them is in force.

    Args:
        puzzle: all clues but those of `order` are in force or gone.
        order: numbers of the clues to examine.
        state: narrowed by the clues in force.
        needed: whether a clue is needed, given the state narrowed by all others, where that does not solve the puzzle.
    """
    if not order or solved(state):
        return []  # the others settle everything
    if len(order) == 1:
        return [order[0]] if needed(order[0], state) else []
    left, right = order[: len(order) // 2], order[len(order) // 2 :]
    narrowed = list(state)
    puzzle.enforce(right, narrowed)
    kept = _halved(puzzle, left, narrowed, needed)
    puzzle.suspend(right)
    narrowed = list(state)
    puzzle.enforce(kept, narrowed)
    more = _halved(puzzle, right, narrowed, needed)
    puzzle.suspend(kept)
    return [*kept, *more]


def broken_by_exchanges(puzzle: Puzzle, solution: Sequence[int]) -> list[int]:
    """For each exchange of two things of a group in the solution, the clues it breaks, as a set with a bit for each."""
    about: list[list[int]] = [[] for _ in solution]
    for number, clue in enumerate(puzzle.clues):
        for thing in clue.things:
            about[thing].append(number)
    place = [position.bit_length() - 1 for position in solution]
    found = []
    for group in range(puzzle.groups):
        for one, two in combinations(range(group * puzzle.size, (group + 1) * puzzle.size), 2):
            place[one], place[two] = place[two], place[one]
            broken = 0
            for number in (*about[one], *about[two]):
                clue = puzzle.clues[number]
                if not clue.relation.holds(puzzle.size, *[place[thing] for thing in clue.things]):
                    broken |= 1 << number
            found.append(broken)
            place[one], place[two] = place[two], place[one]
    return found


def other_solution(puzzle: Puzzle, state: State, solution: Sequence[int], budget: int) -> bool | None:
    """Whether an arrangement other than the solution is left; None when so many steps do not tell.

    Args:
        puzzle: with the clues in force.
        state: narrowed by them.
        solution: by thing, its position as a set of one; it keeps to all clues.
        budget: most steps to take.
    """
    whole, puzzle.budget = puzzle.budget, puzzle.steps + budget
    try:
        return _other(puzzle, list(state), solution)
    except OutOfSteps:
        return None
    finally:
        puzzle.budget = whole


def _other(puzzle: Puzzle, state: State, solution: Sequence[int]) -> bool:
    while True:
        open_things = [thing for thing, positions in enumerate(state) if positions & (positions - 1)]
        if not open_things:
            return False
        thing = min(open_things, key=lambda thing: state[thing].bit_count())
        for position in _bits(state[thing] & ~solution[thing]):
            trial = list(state)
            if puzzle.assign(thing, position, trial) and _any(puzzle, trial, solution):
                return True
        puzzle.assign(thing, solution[thing], state)


def _any(puzzle: Puzzle, state: State, solution: Sequence[int]) -> bool:
    """Whether a state has a solution: what cannot be as in the known solution is settled first, the rest as there."""
    best, fewest = -1, 1 << 30
    for thing, positions in enumerate(state):
        if positions & (positions - 1):
            count = positions.bit_count() + (1000 if positions & solution[thing] else 0)
            if count < fewest:
                best, fewest = thing, count
    if best < 0:
        return True
    known = state[best] & solution[best]
    for position in [*_bits(known), *_bits(state[best] & ~known)]:
        trial = list(state)
        if puzzle.assign(best, position, trial) and _any(puzzle, trial, solution):
            return True
    return False


def _bits(positions: int) -> list[int]:
    found = []
    while positions:
        found.append(positions & -positions)
        positions &= positions - 1
    return found
