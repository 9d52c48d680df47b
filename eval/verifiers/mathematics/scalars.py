"""Are two scalars the same value: exact fractions first, then 70 digits, at sample points where there are variables.

Three rules say what rounding is allowed. An answer in decimals for an exact reference needs six significant digits. An
exact answer for a reference in decimals has to round to it, and the reference needs three significant digits. Between
two decimals, and between two exact values, nothing is rounded.
"""

import re
from fractions import Fraction
from functools import lru_cache

from eval.verifiers.mathematics.nodes import Node, has, is_scalar, walk
from eval.verifiers.mathematics.values import Inexact, Point, Uncomputed, exact, points, to_digits, to_float

ANSWER_DIGITS = 6
"""Significant digits that a decimal answer needs for an exact reference."""

GOLD_DIGITS = 3
"""Significant digits that a reference needs before an exact answer may round to it."""


@lru_cache(20_000)
def same_value(gold: Node, answer: Node, rounding: bool = True) -> bool | None:
    """Whether two scalars are equal; None where neither way of computing them comes to an end.

    Args:
        gold: the reference.
        answer: what is compared with it.
        rounding: allow what the module's docstring says.

    A percent sign or a degree sign on one side only allows both readings: 50% is 50 and 1/2, 45 degrees 45 and pi/4.
    """
    if gold == answer:
        return True
    if not (is_scalar(gold) and is_scalar(answer)):
        return None
    if _infinite(gold) or _infinite(answer):
        return False  # what is infinite equals only what is written the same
    found: list[bool | None] = []
    for kind in ("percent", "deg"):
        if _marked(gold, kind) != _marked(answer, kind):
            found.append(_same(_unmarked(gold, kind), _unmarked(answer, kind), rounding))
    found.append(_same(gold, answer, rounding))
    return True if True in found else None if None in found else False


INFINITY: Node = ("const", "inf")


def _infinite(node: Node) -> bool:
    return any(one == INFINITY for one in walk(node))


def _marked(node: Node, kind: str) -> bool:
    return node[0] == kind or (node[0] == "neg" and node[1][0] == kind)


def _unmarked(node: Node, kind: str) -> Node:
    if node[0] == kind:
        return node[1]
    return ("neg", node[1][1]) if _marked(node, kind) else node


def _same(gold: Node, answer: Node, rounding: bool) -> bool | None:
    left, right = _exact(gold), _exact(answer)
    if left is not None and right is not None:
        return left == right or (rounding and _rounds(gold, answer, left, right))
    try:
        if has(gold, "var", "call") or has(answer, "var", "call"):
            return _same_function(gold, answer)
        return _same_number(gold, answer, left, right, rounding)
    except Uncomputed:
        return None


def _exact(node: Node) -> Fraction | None:
    try:
        return exact(node)
    except (Inexact, Uncomputed):
        return None


def decimals_of(node: Node) -> int | None:
    """Digits after the point of a decimal literal, signed or in percent or degrees; None for anything else."""
    if node[0] in ("neg", "percent", "deg"):
        inner = decimals_of(node[1])
        return inner + 2 if inner is not None and node[0] == "percent" else inner
    return node[2] if node[0] == "num" else None


def _significant(value: Fraction, decimals: int) -> int:
    return len(str(abs(round(value * 10**decimals)))) if value else 0


def _rounds(gold: Node, answer: Node, left: Fraction, right: Fraction) -> bool:
    """Whether one of two different values is the other one, rounded as allowed."""
    gold_decimals, answer_decimals = decimals_of(gold), decimals_of(answer)
    if (gold_decimals is None) == (answer_decimals is None):
        return False
    if gold_decimals is not None:
        literal, value, decimals, least = left, right, gold_decimals, GOLD_DIGITS
    else:
        literal, value, decimals, least = right, left, answer_decimals or 0, ANSWER_DIGITS
    if decimals < 1 or decimals > 300 or _significant(literal, decimals) < least:
        return False
    # A value that comes out at so many digits has to be met exactly.
    return (value * 10**decimals).denominator != 1 and abs(value - literal) * 10**decimals <= Fraction(1, 2)


def _same_number(gold: Node, answer: Node, left: Fraction | None, right: Fraction | None, rounding: bool) -> bool:
    if left is None and right is None:
        return _equal_at(gold, answer, {})
    if _equal_at(gold, answer, {}):
        return True
    if not rounding or (decimals_of(gold) is None) == (decimals_of(answer) is None):
        return False
    # One side is irrational: to 38 digits it is a fraction that can be rounded.
    try:
        left = _digits(gold) if left is None else left
        return _rounds(gold, answer, left, _digits(answer) if right is None else right)
    except Uncomputed:
        return False


def _digits(node: Node) -> Fraction:
    import mpmath

    value = to_digits(node, {})
    if mpmath.im(value):
        raise Uncomputed("not real")
    real = mpmath.re(value)
    if abs(real) > 1e50 or (real and abs(real) < 1e-50):
        raise Uncomputed("too far from 1")
    return Fraction(mpmath.nstr(real, 38))


def _equal_at(gold: Node, answer: Node, point: Point) -> bool:
    try:
        first, second = to_float(gold, point), to_float(answer, point)
        if abs(first - second) > 1e-6 * max(abs(first), abs(second), 1e-250) and max(abs(first), abs(second)) > 1e-6:
            return False
    except Uncomputed:
        pass  # too large for doubles; digits have wider exponents
    return _equal_digits(gold, answer, point)


def _equal_digits(gold: Node, answer: Node, point: Point) -> bool:
    import mpmath

    with mpmath.workdps(70):
        first, second = to_digits(gold, point, 70), to_digits(answer, point, 70)
        largest = max(abs(first), abs(second))
        if abs(first - second) <= mpmath.mpf(10) ** -55 * largest:
            return True
        if largest > mpmath.mpf(10) ** -40:
            return False
    # Two tiny values: a true zero shrinks with more digits, e^{-100} does not.
    finer = [to_digits(node, point, 140) for node in (gold, answer)]
    with mpmath.workdps(140):
        return all(
            abs(value) < mpmath.mpf(10) ** -100 * max(1, abs(value)) and _shrinks(value, old)
            for value, old in zip(finer, (first, second), strict=True)
        )


def _shrinks(finer: object, coarse: object) -> bool:
    return not finer or abs(finer) < abs(coarse) * 1e-30  # type: ignore[arg-type, operator]


def _same_function(gold: Node, answer: Node) -> bool:
    """Whether two scalars with variables agree at every sample point where both are defined."""
    agreed = 0
    for point in points(gold, answer):
        negative = any(value < 0 for value in point.values())
        try:
            if negative:
                if _real_and_different(gold, answer, point):
                    return False
            elif not _equal_at(gold, answer, point):
                return False
            agreed += 1
        except Uncomputed:
            if _defined(gold, point) != _defined(answer, point) and not negative:
                return False
    if not agreed:
        raise Uncomputed("no point at which both are defined")
    return True


def _defined(node: Node, point: Point) -> bool:
    try:
        to_digits(node, point)
    except Uncomputed:
        return False
    return True


def _real_and_different(gold: Node, answer: Node, point: Point) -> bool:
    # Below zero roots and logarithms branch; only two real values that differ tell two functions apart.
    first, second = to_float(gold, point), to_float(answer, point)
    real = abs(first.imag) <= 1e-9 * abs(first) and abs(second.imag) <= 1e-9 * abs(second)
    return real and abs(first - second) > 1e-6 * max(abs(first), abs(second), 1e-9)


def periodic(node: Node) -> bool:
    """Whether a node holds pi or degrees, so that a single letter in it may stand for any whole number."""
    return any(one == ("const", "pi") or one[0] == "deg" for one in walk(node))


_WHOLE_LETTERS = re.compile(r"[knmljtz]")


def whole_letter(names: frozenset[str]) -> str | None:
    """The one name in a set that people use for any whole number; None if there are others."""
    return next(iter(names)) if len(names) == 1 and _WHOLE_LETTERS.fullmatch(next(iter(names))) else None
