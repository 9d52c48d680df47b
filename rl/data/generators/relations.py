"""What a clue says about positions: one predicate, from which its sentence's meaning and the solver's tables both come.

A position is a number from 0 (far left) to `size - 1`; a set of positions is an integer with a bit for each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

REMEMBERED = 100_000
"""Sets of positions whose image is kept; with 50 positions there are more sets than memory."""


@dataclass(frozen=True)
class Relation:
    """A clue's kind: how many things it names, what must hold of their positions, and how it is said."""

    name: str
    arity: int
    holds: Callable[..., bool]
    """`holds(size, p)`, `holds(size, p, q)` or `holds(size, p, q, r)`: is it true of things at these positions?"""
    text: str
    """The sentence, with `{0}`, `{1}`, `{2}` for the things."""

    def say(self, *things: str) -> str:
        """The clue about these things.

        >>> Relation("end", 1, lambda size, p: p in (0, size - 1), "{0} is at an end.").say("the cat")
        'the cat is at an end.'
        """
        return self.text.format(*things)


class Images(dict[int, int]):
    """Set of positions → the positions that go with at least one of them, worked out when first asked for."""

    def __init__(self, rows: list[int]) -> None:
        """Keep for each position the set that goes with it."""
        super().__init__()
        self.rows = rows

    def __missing__(self, positions: int) -> int:
        """The image of a set is that of its lowest position and that of the rest together."""
        if not positions:
            return 0
        if len(self) > REMEMBERED:
            self.clear()
        low = positions & -positions
        image = self.rows[low.bit_length() - 1] | self[positions ^ low]
        self[positions] = image
        return image


@cache
def allowed(relation: Relation, size: int) -> int:
    """The positions of which a relation of one thing holds."""
    return sum(1 << p for p in range(size) if relation.holds(size, p))


@cache
def pairs(relation: Relation, size: int) -> tuple[Images, Images]:
    """A relation of two things as tables from the first's positions to the second's, and back."""
    table = [[relation.holds(size, p, q) for q in range(size)] for p in range(size)]
    forth = [sum(1 << q for q in range(size) if table[p][q]) for p in range(size)]
    back = [sum(1 << p for p in range(size) if table[p][q]) for q in range(size)]
    return Images(forth), Images(back)


@cache
def triples(relation: Relation, size: int) -> tuple[dict[Any, Any], list[Images], list[Images], list[Images]]:
    """A relation of three things as tables, one per position of another thing.

    Returns:
        An empty memory of what three sets are narrowed to, for the solver; then, by position of the second, from the
        third's positions to the first's; by position of the first, from the third's to the second's; by position of the
        first, from the second's to the third's.
    """
    table = {key for key in product(range(size), repeat=3) if relation.holds(size, *key)}
    every = range(size)

    def rows(build: Callable[[int, int, int], tuple[int, int, int]]) -> list[Images]:
        return [
            Images([sum(1 << found for found in every if build(found, by, given) in table) for given in every])
            for by in every
        ]

    return (
        {},
        rows(lambda found, by, given: (found, by, given)),
        rows(lambda found, by, given: (by, found, given)),
        rows(lambda found, by, given: (by, given, found)),
    )


@cache
def partners(relation: Relation, size: int, position: int) -> tuple[Any, ...]:
    """Where the other things of a relation of two or three may stand when the first stands at a position.

    >>> partners(Relation("next", 2, lambda size, p, q: abs(p - q) == 1, ""), 4, 1)
    ((0,), (2,))
    """
    others = product(range(size), repeat=relation.arity - 1)
    return tuple(places for places in others if relation.holds(size, position, *places))
