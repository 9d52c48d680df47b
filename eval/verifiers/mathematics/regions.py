"""Sets of real numbers as lists of intervals: from inequalities, intervals, unions, set builders and single points."""

from typing import NamedTuple

from eval.verifiers.mathematics.nodes import Node, variables
from eval.verifiers.mathematics.scalars import same_value
from eval.verifiers.mathematics.values import Uncomputed, to_float

PLUS_INFINITY: Node = ("const", "inf")
MINUS_INFINITY: Node = ("neg", PLUS_INFINITY)
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
ORDERS = frozenset(_MIRRORED)


class Interval(NamedTuple):
    """An interval with its ends and whether each is left out."""

    low: Node
    low_open: bool
    high: Node
    high_open: bool


Region = list[Interval]
LINE: Region = [Interval(MINUS_INFINITY, True, PLUS_INFINITY, True)]


def is_region(node: Node) -> bool:
    """Whether a node can only be read as a set of numbers: an inequality, a union, a set builder, all reals."""
    if node[0] == "rel":
        return bool(set(node[2::2]) & (ORDERS | {"!="}))
    if node[0] == "list":
        return any(is_region(one) for one in node[1:])
    return node[0] in ("union", "meet", "minus", "builder", "reals", "empty")


def region(node: Node) -> Region | None:
    """A node as intervals in order; None if it is no set of numbers."""
    found = _region(node)
    return None if found is None else merged(found)


def _region(node: Node) -> Region | None:
    kind = node[0]
    if kind == "reals":
        return LINE
    if kind == "empty":
        return []
    if kind == "tuple":
        if len(node) != 5 or node[1] not in "([" or node[2] not in ")]":
            return None
        return [Interval(_end(node[3]), node[1] == "(", _end(node[4]), node[2] == ")")]
    if kind == "set":
        return [Interval(one, False, one, False) for one in node[1:]]
    if kind in ("union", "list"):
        parts = [_region(one) for one in node[1:]]
        return None if None in parts else [one for part in parts for one in part or []]
    if kind == "meet":
        return _meet([_region(one) for one in node[1:]])
    if kind == "minus":
        return _without(_region(node[1]), _region(node[2]))
    if kind == "builder":
        return _region(node[2]) if len(variables(node[1])) <= 1 else None
    return _relation(node) if kind == "rel" else None


def _end(node: Node) -> Node:
    return node if node != ("add", MINUS_INFINITY, ("num", 0, None)) else MINUS_INFINITY


def _relation(node: Node) -> Region | None:
    sides, signs = node[1::2], node[2::2]
    if len(signs) == 1 and signs[0] == "in":
        return _region(sides[1])
    if len(signs) == 2 and signs[0] in ORDERS and signs[1] in ORDERS and _unknown(sides[1]):
        low, first, second, high = sides[0], signs[0], signs[1], sides[2]
        if first[0] != second[0]:
            return None
        if first[0] == ">":
            low, high, first, second = high, low, second, first
        return [Interval(low, "=" not in first, high, "=" not in second)]
    if len(signs) != 1:
        return None
    left, sign, right = sides[0], signs[0], sides[1]
    if not _unknown(left) and left[:2] != ("fn", "abs"):
        left, right, sign = right, left, _MIRRORED.get(sign, sign)
    if left[:2] == ("fn", "abs") and _unknown(left[2]) and not variables(right):
        return _distance(sign, right)
    if not _unknown(left) or left[1] in variables(right):
        return None
    if sign == "=":
        return [Interval(right, False, right, False)]
    if sign == "!=":
        return [Interval(MINUS_INFINITY, True, right, True), Interval(right, True, PLUS_INFINITY, True)]
    if sign in ("<", "<="):
        return [Interval(MINUS_INFINITY, True, right, sign == "<")]
    return [Interval(right, sign == ">", PLUS_INFINITY, True)] if sign in ORDERS else None


def _distance(sign: str, bound: Node) -> Region | None:
    """The numbers whose distance from 0 is so: `|x| > 4`; None unless the bound is known to be above 0."""
    at = place(bound)
    if at is None or at <= 0 or sign not in ORDERS:
        return None
    low, is_open = ("neg", bound), "=" not in sign
    if sign[0] == "<":
        return [Interval(low, is_open, bound, is_open)]
    return [Interval(MINUS_INFINITY, True, low, is_open), Interval(bound, is_open, PLUS_INFINITY, True)]


def _unknown(node: Node) -> bool:
    return node[0] in ("var", "call")


def place(node: Node) -> float | None:
    """Where an end lies on the line; None if it holds variables or is not real."""
    if node in (PLUS_INFINITY, MINUS_INFINITY):
        return float("inf") if node == PLUS_INFINITY else float("-inf")
    if variables(node):
        return None
    try:
        value = to_float(node, {})
    except Uncomputed:
        return None
    return value.real if abs(value.imag) < 1e-12 else None


def merged(found: Region) -> Region:
    """Intervals in order, touching ones joined; unchanged where an end's place is not known."""
    places = [(place(one.low), place(one.high)) for one in found]
    if any(low is None or high is None for low, high in places):
        return found
    ordered = sorted(zip(places, found, strict=True), key=lambda pair: (pair[0][0], pair[1].low_open))
    joined: Region = []
    for _, one in ordered:
        last = joined[-1] if joined else None
        if last is not None and _touch(last, one):
            high = last if _further(last, one) else one
            joined[-1] = Interval(last.low, last.low_open, high.high, high.high_open)
        else:
            joined.append(one)
    return joined


def _touch(first: Interval, second: Interval) -> bool:
    end, start = place(first.high), place(second.low)
    if end is None or start is None:
        return False
    if same_value(first.high, second.low):
        return not (first.high_open and second.low_open)
    return start < end


def _further(first: Interval, second: Interval) -> bool:
    if same_value(first.high, second.high):
        return not first.high_open
    return (place(first.high) or 0.0) > (place(second.high) or 0.0)


def _without(found: Region | None, points: Region | None) -> Region | None:
    """A region without single points."""
    if found is None or points is None or any(one.low != one.high for one in points):
        return None
    for point in points:
        at = place(point.low)
        left: Region = []
        for one in found:
            low, high = place(one.low), place(one.high)
            if at is None or low is None or high is None:
                return None
            if low < at < high:
                left += [Interval(one.low, one.low_open, point.low, True), Interval(point.low, True, *one[2:])]
            else:
                left.append(one)
        found = left
    return found


def _meet(parts: list[Region | None]) -> Region | None:
    """What several regions of one interval each have in common."""
    if any(part is None or len(part) != 1 for part in parts):
        return None
    one, *others = [part[0] for part in parts if part]
    for other in others:
        ends = [place(end) for end in (one.low, one.high, other.low, other.high)]
        if any(end is None for end in ends):
            return None
        low = max((one, other), key=lambda each: (place(each.low), each.low_open))
        high = min((one, other), key=lambda each: (place(each.high), not each.high_open))
        one = Interval(low.low, low.low_open, high.high, high.high_open)
    low_at, high_at = place(one.low), place(one.high)
    return [one] if low_at is not None and high_at is not None and low_at <= high_at else []


def same_region(gold: Region, answer: Region) -> bool | None:
    """Whether two regions hold the same numbers; None where an end cannot be compared."""
    if len(gold) != len(answer):
        return False
    for first, second in zip(gold, answer, strict=True):
        if (first.low_open, first.high_open) != (second.low_open, second.high_open):
            return False
        for one, other in ((first.low, second.low), (first.high, second.high)):
            infinite = {PLUS_INFINITY, MINUS_INFINITY} & {one, other}
            same = one == other if infinite else same_value(one, other)
            if not same:
                return same
    return True
