"""The value of a scalar: exact as a fraction where it has one, else to 40 digits, else at sample points.

Everything is bounded before it is computed: the bits of a power, the size of a factorial, the size of an exponent.
"""

import cmath
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from eval.verifiers.mathematics.nodes import Node, variables, walk

MOST_BITS = 200_000
"""Bits of the largest whole number that is computed."""

LARGEST_FACTORIAL = 5_000
LARGEST_EXPONENT = 50_000
"""Absolute exponent beyond which a power that is no fraction is not computed."""

Point = Mapping[str, Any]


class Inexact(ValueError):
    """The node has no exact value as a fraction."""


class Uncomputed(ValueError):
    """The value is undefined, infinite, or too large to be computed."""


def exact(node: Node) -> Fraction:
    """The value as a fraction.

    Raises:
        Inexact: it holds a variable, a constant such as pi, a root that does not come out, or a function.
        Uncomputed: it divides by zero or is larger than `MOST_BITS` allows.
    """
    kind = node[0]
    if kind == "num":
        return node[1]
    if kind == "neg":
        return -exact(node[1])
    if kind == "percent":
        return exact(node[1]) / 100
    if kind in ("add", "mul", "div"):
        left, right = exact(node[1]), exact(node[2])
        if left.numerator.bit_length() + right.numerator.bit_length() > MOST_BITS:
            raise Uncomputed
        if kind == "div":
            if not right:
                raise Uncomputed
            return left / right
        return left + right if kind == "add" else left * right
    if kind == "pow":
        return _power(exact(node[1]), exact(node[2]))
    if kind == "fn" and node[1] in _EXACT:
        return _EXACT[node[1]](*(exact(one) for one in node[2:]))
    raise Inexact


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        return _power(_root(base, exponent.denominator), Fraction(exponent.numerator))
    power = exponent.numerator
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if base not in (0, 1, -1) and bits * abs(power) > MOST_BITS:
        raise Uncomputed
    if not base and power < 0:
        raise Uncomputed
    return base ** (power if base not in (1, -1) else power % 2)


def _root(value: Fraction, degree: int) -> Fraction:
    if value < 0 or degree > 64 or value.numerator.bit_length() > 4000:
        raise Inexact
    top, bottom = (_whole_root(part, degree) for part in (value.numerator, value.denominator))
    return Fraction(top, bottom)


def _whole_root(value: int, degree: int) -> int:
    root = math.isqrt(value) if degree == 2 else round(value ** (1 / degree)) if value.bit_length() < 1000 else 0
    if root**degree != value:
        raise Inexact
    return root


def _whole(value: Fraction, largest: int) -> int:
    if value.denominator != 1 or value < 0:
        raise Inexact
    if value > largest:
        raise Uncomputed
    return value.numerator


def _factorial(value: Fraction) -> Fraction:
    return Fraction(math.factorial(_whole(value, LARGEST_FACTORIAL)))


def _double_factorial(value: Fraction) -> Fraction:
    return Fraction(math.prod(range(_whole(value, LARGEST_FACTORIAL), 0, -2)))


def _binomial(top: Fraction, bottom: Fraction) -> Fraction:
    # The bound is on the smaller side: 10^9 over 2 is easy.
    large, small = _whole(top, 10**12), _whole(bottom, 10**12)
    if small <= large and min(small, large - small) * large.bit_length() > MOST_BITS // 4:
        raise Uncomputed
    return Fraction(math.comb(large, small))


def _exact_root(value: Fraction, degree: Fraction = Fraction(2)) -> Fraction:
    if degree.denominator != 1 or degree < 1:
        raise Inexact
    if value < 0 and degree % 2:
        return -_root(-value, degree.numerator)
    return _root(value, degree.numerator)


_EXACT: dict[str, Callable[..., Fraction]] = {
    "abs": abs,
    "sqrt": _exact_root,
    "root": _exact_root,
    "factorial": _factorial,
    "factorial2": _double_factorial,
    "binom": _binomial,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "min": lambda *values: min(values),
    "max": lambda *values: max(values),
    "gcd": lambda *values: Fraction(math.gcd(*(_whole(abs(one), 10**300) for one in values))),
    "lcm": lambda *values: Fraction(math.lcm(*(_whole(abs(one), 10**60) for one in values))),
}


def to_float(node: Node, point: Point) -> complex:
    """The value in double precision.

    Raises:
        Uncomputed: it is undefined or too large there.
    """
    try:
        value = _evaluate(node, point, _FLOAT)
    except (ArithmeticError, ValueError, TypeError, KeyError) as failure:
        raise Uncomputed(str(failure)) from failure
    value = complex(value)
    if not cmath.isfinite(value):
        raise Uncomputed
    return value


def to_digits(node: Node, point: Point, digits: int = 40) -> Any:
    """The value to many digits, as an mpmath number.

    Raises:
        Uncomputed: it is undefined or too large there.
    """
    import mpmath

    with mpmath.workdps(digits):
        try:
            value = _evaluate(node, point, _digits_functions())
        except (ArithmeticError, ValueError, TypeError, KeyError) as failure:
            raise Uncomputed(str(failure)) from failure
        if not mpmath.isfinite(value):
            raise Uncomputed
        return value


def _evaluate(node: Node, point: Point, functions: Mapping[str, Any]) -> Any:
    kind = node[0]
    if kind == "num":
        return functions["number"](node[1])
    if kind == "var":
        return functions["number"](point[node[1]])
    if kind == "const":
        return functions[node[1]]
    if kind == "call" and len(node) == 3:
        return functions["number"](point[node[1]]) * _evaluate(node[2], point, functions)
    if kind not in ("add", "mul", "div", "neg", "pow", "percent", "deg", "fn"):
        raise Uncomputed(kind)
    parts = [_evaluate(one, point, functions) for one in node[1:] if isinstance(one, tuple)]
    if kind == "fn":
        return functions[node[1]](*parts)
    if kind == "pow":
        return _bounded_power(parts[0], parts[1], functions)
    operations: dict[str, Callable[..., Any]] = {
        "add": lambda a, b: a + b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "neg": lambda a: -a,
        "percent": lambda a: a / 100,
        "deg": lambda a: a * functions["pi"] / 180,
    }
    return operations[kind](*parts)


def _bounded_power(base: Any, exponent: Any, functions: Mapping[str, Any]) -> Any:
    if abs(exponent) > LARGEST_EXPONENT or abs(base) > 10**300:
        raise Uncomputed("too large")
    if not base:
        return functions["number"](Fraction(0 if exponent.real > 0 else 1)) if exponent.real >= 0 else 1 / base
    return base**exponent


def _float_number(value: Any) -> complex:
    return complex(float(value))


def _float_root(value: complex, degree: complex) -> complex:
    if not value.imag and value.real < 0 and degree.real % 2 == 1:
        return -((-value) ** (1 / degree))
    return value ** (1 / degree)


def _real(function: Callable[[float], float]) -> Callable[[complex], complex]:
    def apply(value: complex) -> complex:
        if abs(value.imag) > 1e-12:
            raise Uncomputed("not real")
        return complex(function(value.real))

    return apply


_FLOAT: dict[str, Any] = {
    "number": _float_number,
    "pi": complex(math.pi),
    "e": complex(math.e),
    "i": 1j,
    "sqrt": cmath.sqrt,
    "root": _float_root,
    "abs": lambda value: complex(abs(value)),
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "cot": lambda value: 1 / cmath.tan(value),
    "sec": lambda value: 1 / cmath.cos(value),
    "csc": lambda value: 1 / cmath.sin(value),
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "arccot": lambda value: cmath.atan(1 / value),
    "arcsec": lambda value: cmath.acos(1 / value),
    "arccsc": lambda value: cmath.asin(1 / value),
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "exp": cmath.exp,
    "ln": cmath.log,
    "lg": cmath.log10,
    "log": lambda value, base=None: cmath.log(value) if base is None else cmath.log(value) / cmath.log(base),
    "floor": _real(math.floor),
    "ceil": _real(math.ceil),
    "factorial": _real(lambda value: math.gamma(value + 1)),
    "binom": lambda top, bottom: complex(
        math.gamma(top.real + 1) / math.gamma(bottom.real + 1) / math.gamma(top.real - bottom.real + 1)
    ),
    "min": lambda *values: min(values, key=lambda one: one.real),
    "max": lambda *values: max(values, key=lambda one: one.real),
}


def _digits_functions() -> dict[str, Any]:
    import mpmath as mp

    def number(value: Any) -> Any:
        return mp.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else mp.mpf(value)

    def root(value: Any, degree: Any) -> Any:
        if mp.im(value) == 0 and value < 0 and degree % 2 == 1:
            return -mp.power(-value, 1 / degree)
        return mp.power(value, 1 / degree)

    def factorial(value: Any) -> Any:
        if abs(value) > LARGEST_FACTORIAL:
            raise Uncomputed("too large")
        return mp.factorial(value)

    def exponential(value: Any) -> Any:
        if abs(value) > LARGEST_EXPONENT:
            raise Uncomputed("too large")
        return mp.exp(value)

    def hyperbolic(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda value: function(value) if abs(value) < LARGEST_EXPONENT else exponential(value)

    def trigonometric(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def apply(value: Any) -> Any:
            if abs(value) > 1e30 or abs(mp.im(value)) > LARGEST_EXPONENT:
                raise Uncomputed("too large")
            return function(value)

        return apply

    names = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc"}
    table = {name: getattr(mp, function) for name, function in names.items()}
    table |= {name: trigonometric(getattr(mp, name)) for name in ("sin", "cos", "tan", "cot", "sec", "csc")}
    table |= {name: hyperbolic(getattr(mp, name)) for name in ("sinh", "cosh", "tanh")}
    return table | {
        "number": number,
        "pi": +mp.pi,
        "e": +mp.e,
        "i": mp.mpc(0, 1),
        "sqrt": mp.sqrt,
        "root": root,
        "abs": abs,
        "exp": exponential,
        "ln": mp.log,
        "lg": mp.log10,
        "log": lambda value, base=None: mp.log(value) if base is None else mp.log(value) / mp.log(base),
        "floor": mp.floor,
        "ceil": mp.ceil,
        "factorial": factorial,
        "binom": lambda top, bottom: factorial(top) / factorial(bottom) / factorial(top - bottom),
        "min": min,
        "max": max,
    }


def points(first: Node, second: Node) -> list[Point]:
    """Where two scalars are compared: one empty point without variables, else points that an identity must hold at.

    Positive points first, then one variable after the other negative. Whole numbers where a negative number is raised
    to a variable, because `(-1)^{2n} = 1` only holds there.
    """
    names = sorted(variables(first) | variables(second))
    if not names:
        return [{}]
    if any(_alternates(one) for node in (first, second) for one in walk(node)):
        return [{name: Fraction(start + 2 * place + 1) for place, name in enumerate(names)} for start in range(5)]
    spread = [Fraction(_DRAWS[place % len(_DRAWS)], 1009) + place // len(_DRAWS) for place in range(3 * len(names) + 3)]
    found: list[Point] = [{name: spread[turn + 3 * place] for place, name in enumerate(names)} for turn in range(3)]
    return found + [{**found[0], name: -found[0][name]} for name in names[:4]]


_DRAWS = (739, 2213, 1307, 541, 1777, 929, 2579, 613, 1453, 2081, 1123, 383)
"""Primes over 1009: numbers without any simple relation among them."""


def _alternates(node: Node) -> bool:
    if node[0] != "pow" or not variables(node[2]):
        return False
    try:
        return exact(node[1]) < 0
    except ValueError:
        return False
