"""Are two equations the same up to a factor."""

from typing import TypeGuard

from eval.verifiers.mathematics.nodes import Node, is_scalar, variables
from eval.verifiers.mathematics.values import Uncomputed, points, to_float


def is_equation(node: object) -> TypeGuard[Node]:
    """Whether a node is one equation with two sides."""
    return isinstance(node, tuple) and node[:1] == ("rel",) and len(node) == 4 and node[2] == "="


def same_equation(gold: object, answer: object) -> bool | None:
    """Whether two equations have the same solutions because one is a multiple of the other.

    `(l1 - r1) / (l2 - r2)` is one number, not 0, at every sample point.
    """
    if not (is_equation(gold) and is_equation(answer)):
        return False if is_equation(gold) or is_equation(answer) else None
    first, second = (("add", one[1], ("neg", one[3])) for one in (gold, answer))
    if not (is_scalar(first) and is_scalar(second)):
        return None
    if variables(first) != variables(second):
        return False
    try:
        found = [to_float(first, point) / to_float(second, point) for point in points(first, second)]
    except (Uncomputed, ZeroDivisionError):
        return None
    return bool(found[0]) and all(abs(one - found[0]) <= 1e-9 * abs(found[0]) for one in found)
