"""Units after a value: two that measure the same thing are converted, two that measure different things conflict."""

import re
from fractions import Fraction

from eval.verifiers.mathematics.nodes import Node, is_scalar, variables

_MEASURES: dict[str, dict[str, Fraction]] = {
    "length": {
        "mm millimeter millimetre": Fraction(1, 1000),
        "cm centimeter centimetre": Fraction(1, 100),
        "dm decimeter": Fraction(1, 10),
        "m meter metre": Fraction(1),
        "km kilometer kilometre": Fraction(1000),
        "inch in inche": Fraction(254, 10000),
        "ft foot feet": Fraction(3048, 10000),
        "yd yard": Fraction(9144, 10000),
        "mi mile": Fraction(1609344, 1000),
    },
    "time": {
        "s sec second": Fraction(1),
        "min minute": Fraction(60),
        "h hr hour": Fraction(3600),
        "day": Fraction(86400),
        "week": Fraction(604800),
        "year": Fraction(31536000),
    },
    "mass": {
        "mg milligram": Fraction(1, 1000),
        "g gram": Fraction(1),
        "kg kilogram": Fraction(1000),
    },
    "morning": {"am": Fraction(1)},
    "afternoon": {"pm": Fraction(1)},
    "volume": {"ml milliliter millilitre": Fraction(1, 1000), "l liter litre": Fraction(1)},
    "money": {"$ dollar": Fraction(1), "cent": Fraction(1, 100)},
}
_FACTORS = {
    name: (measure, factor)
    for measure, units in _MEASURES.items()
    for names, factor in units.items()
    for name in names.split()
}
_LETTERS = frozenset("msghLNJWV")
_POWERS = {"2": 2, "3": 3}


def ratio(gold: str, answer: str) -> Fraction | None:
    """By what to multiply an answer in its unit to have it in the reference's; None where the two conflict.

    1 where one side has no unit, where one is not a known measure, or where they are the same.

    >>> ratio("cm", "m"), ratio("cm", "s"), ratio("pounds of flour", ""), ratio("square cm", "cm^2")
    (Fraction(100, 1), None, Fraction(1, 1), Fraction(1, 1))
    """
    first, second = _measure(gold), _measure(answer)
    if first is None or second is None:
        return Fraction(1)
    if first[0] != second[0] or first[2] != second[2]:
        return None
    return (second[1] / first[1]) ** first[2]


def _measure(unit: str) -> tuple[str, Fraction, int] | None:
    over = re.split(r"/| per ", {"mph": "mi/h", "kmh": "km/h"}.get(unit, unit))
    if len(over) == 2:
        top, bottom = map(_measure, over)
        if top is None or bottom is None:
            return None
        return f"{top[0]}^{top[2]}/{bottom[0]}^{bottom[2]}", top[1] ** top[2] / bottom[1] ** bottom[2], 1
    words = re.findall(r"[a-z$]+|\d", unit.lower())
    power = 1
    for word, value in (("square", 2), ("sq", 2), ("cubic", 3)):
        if words and words[0] == word:
            words, power = words[1:], value
    if len(words) == 2 and words[1] in _POWERS:
        words, power = words[:1], _POWERS[words[1]]
    if len(words) != 1:
        return None
    name = words[0] if words[0] in _FACTORS else words[0].rstrip("s")
    return (*_FACTORS[name], power) if name in _FACTORS else None


def bare_unit(gold: Node, answer: Node) -> str:
    """The letter, with its power, that an answer multiplies its value by and that is a unit, `5 m`; "" for none.

    Only where the reference is a number.
    """
    if answer[0] != "mul" or not is_scalar(gold) or variables(gold):
        return ""
    letter, power = (answer[2][1], answer[2][2]) if answer[2][0] == "pow" else (answer[2], None)
    if letter[0] != "var" or letter[1] not in _LETTERS or (power is not None and power[0] != "num"):
        return ""
    return letter[1] if power is None else f"{letter[1]} {power[1]}"
