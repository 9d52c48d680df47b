"""The kinds of clues of zebra puzzles, by level: what they say and what they mean, in one table.

Levels 1 to 12 bring ever weaker kinds, levels 13 to 20 take the strongest away again. Source: the difficulty levels of
the puzzles in Guru (arXiv:2506.14965).
"""

from dataclasses import dataclass

from rl.data.generators.relations import Relation


@dataclass(frozen=True)
class Kind:
    """A relation, the levels that use it, and between which things it says anything."""

    relation: Relation
    first: int
    """Lowest level that uses it."""
    last: int
    """Highest level that uses it."""
    within: bool = True
    """Whether it may relate two values of one attribute: an equality there is never true, its denial always."""


KINDS = (
    Kind(Relation("same", 2, lambda m, p, q: p == q, "{0} and {1} belong to the same object."), 1, 12, within=False),
    Kind(Relation("left", 2, lambda m, p, q: p + 1 == q, "{0} is on the left of {1}."), 1, 13),
    Kind(Relation("right", 2, lambda m, p, q: p == q + 1, "{0} is on the right of {1}."), 1, 13),
    Kind(Relation("far_left", 1, lambda m, p: p == 0, "{0} is on the far left."), 1, 14),
    Kind(Relation("far_right", 1, lambda m, p: p == m - 1, "{0} is on the far right."), 1, 14),
    Kind(Relation("middle", 1, lambda m, p: 2 * p == m - 1, "{0} is in the middle."), 1, 14),
    Kind(
        Relation(
            "directly_between",
            3,
            lambda m, p, q, r: abs(p - q) == 1 and p - q == r - p,
            "{0} is directly between {1} and {2}.",
        ),
        2,
        15,
    ),
    Kind(Relation("adjacent", 2, lambda m, p, q: abs(p - q) == 1, "{0} is on the left or right of {1}."), 3, 16),
    Kind(Relation("end", 1, lambda m, p: p in (0, m - 1), "{0} is on the far left or far right."), 3, 16),
    # Positions are counted from 1 in the text.
    Kind(Relation("odd", 1, lambda m, p: p % 2 == 0, "{0} is at an odd position."), 4, 17),
    Kind(Relation("even", 1, lambda m, p: p % 2 == 1, "{0} is at an even position."), 4, 17),
    Kind(Relation("somewhere_left", 2, lambda m, p, q: p < q, "{0} is somewhere to the left of {1}."), 5, 18),
    Kind(Relation("somewhere_right", 2, lambda m, p, q: p > q, "{0} is somewhere to the right of {1}."), 5, 18),
    Kind(
        Relation("different", 2, lambda m, p, q: p != q, "{0} and {1} belong to different objects."),
        6,
        19,
        within=False,
    ),
    Kind(
        Relation(
            "somewhere_between", 3, lambda m, p, q, r: q < p < r or r < p < q, "{0} is somewhere between {1} and {2}."
        ),
        7,
        20,
    ),
    Kind(Relation("not_left", 2, lambda m, p, q: p >= q, "{0} is not anywhere to the left of {1}."), 8, 20),
    Kind(Relation("not_right", 2, lambda m, p, q: p <= q, "{0} is not anywhere to the right of {1}."), 8, 20),
    Kind(
        Relation(
            "same_parity", 2, lambda m, p, q: p % 2 == q % 2, "{0} and {1} are both at odd or both at even positions."
        ),
        9,
        20,
    ),
    Kind(
        Relation(
            "other_parity",
            2,
            lambda m, p, q: p % 2 != q % 2,
            "Of {0} and {1}, one is at an odd, one at an even position.",
        ),
        9,
        20,
    ),
    Kind(
        Relation(
            "one_same",
            3,
            lambda m, p, q, r: (p == q) != (p == r),
            "{0} belongs to the same object as {1} or as {2}, but not both.",
        ),
        10,
        20,
        within=False,
    ),
    Kind(
        Relation(
            "some_same",
            3,
            lambda m, p, q, r: p in (q, r),
            "{0} belongs to the same object as {1} or as {2}, or both.",
        ),
        11,
        20,
        within=False,
    ),
    Kind(
        Relation(
            "some_different",
            3,
            lambda m, p, q, r: p != q or p != r,
            "{0} belongs to another object than {1} or than {2}, or both.",
        ),
        12,
        20,
        within=False,
    ),
)


def kinds(level: int, objects: int) -> list[Kind]:
    """The kinds of clues that a level has and that can be true of so many objects.

    >>> [kind.relation.name for kind in kinds(1, 4)]
    ['same', 'left', 'right', 'far_left', 'far_right']
    """
    return [kind for kind in KINDS if kind.first <= level <= kind.last and _possible(kind, objects)]


def _possible(kind: Kind, objects: int) -> bool:
    if kind.relation.name == "middle":
        return objects % 2 == 1 and objects > 1
    return objects > 2 or kind.relation.name not in ("directly_between", "somewhere_between")
