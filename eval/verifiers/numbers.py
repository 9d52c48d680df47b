"""Read one number as people write it: signs, thousands, currency, percent, fractions, ratios, powers of ten.

Nothing is evaluated: `2**3` is no number, and neither is `1/2/3`. Values are exact (`Fraction`), and bounded, so that
`1e999999999` costs nothing.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

LARGEST_EXPONENT = 400
"""Powers of ten beyond this are no answer to anything."""

LONGEST = 200
"""Characters of the longest number."""

_PLAIN = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
_DECIMAL = re.compile(
    rf"(?P<number>{_PLAIN})(?:[eE](?P<e>[-+]?[0-9]{{1,6}})|\s*(?:\\times|\\cdot|[x*\u00d7\u00b7])\s*10\s*"
    r"(?:\^|\*\*)\s*(?:\{\s*(?P<braced>[-+]?[0-9]{1,6})\s*\}|(?P<power>[-+]?[0-9]{1,6})))?"
)
_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{(?P<over>[^{}]*)\}|(?P<o>[0-9]))\s*(?:\{(?P<under>[^{}]*)\}|(?P<u>[0-9]))")
_POWER = re.compile(r"10\s*(?:\^|\*\*)\s*(?:\{\s*([-+]?[0-9]{1,6})\s*\}|([-+]?[0-9]{1,6}))")
_SIGN = re.compile(r"[-+]")
_DASHES = str.maketrans("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-------")


@dataclass(frozen=True, slots=True)
class Number:
    """A value, and whether it was written with a percent sign (the value is then in percent)."""

    value: Fraction
    percent: bool


def number(text: str) -> Number | None:
    """The number that a text is, whole and alone; None for anything else.

    Parentheses are grouping: `(5)` is 5. A sign may stand before or after a currency mark.

    >>> number(r"-\\$1,200.5"), number(r"\\frac{1}{8}"), number("12.5\\\\%")
    (Number(value=Fraction(-2401, 2), percent=False), Number(value=Fraction(1, 8), percent=False), \
Number(value=Fraction(25, 2), percent=True))
    >>> number("2**3") is None, number("1,2") is None, number("12 cm") is None
    (True, True, True)
    """
    if len(text) > LONGEST:
        return None
    bare = text.translate(_DASHES).replace("{,}", ",")
    bare = re.sub(r"\\[!,;: ]|\\left|\\right|~", "", bare).replace("\\%", "%").replace("\\$", "$").strip()
    bare = bare[2:-2] if bare.startswith("\\(") and bare.endswith("\\)") else bare
    percent = False
    negative = False
    for _ in range(8):  # marks may stand in any order around the number
        before = bare
        bare = bare.strip()
        if bare.startswith("$"):
            bare = bare[1:]
        if bare.endswith("$"):
            bare = bare[:-1]
        if bare.endswith("%") and not percent:
            percent, bare = True, bare[:-1]
        if _grouped(bare):
            bare = bare[1:-1]
        if bare == before:
            break
    if bare[:1] in ("-", "+"):
        negative, bare = bare[0] == "-", bare[1:].strip().removeprefix("$").strip()
        bare = bare[1:-1].strip() if _grouped(bare) else bare
        if bare[:1] in ("-", "+"):
            return None
    value = _value(bare)
    if value is None:
        return None
    return Number(-value if negative else value, percent)


def _grouped(text: str) -> bool:
    if len(text) < 3 or (text[0], text[-1]) not in (("(", ")"), ("{", "}")):
        return False
    return not any(mark in text[1:-1] for mark in "(){}")


def _value(text: str) -> Fraction | None:
    if (found := _FRACTION.fullmatch(text)) is not None:
        over = _decimal(found["over"] if found["over"] is not None else found["o"])
        under = _decimal(found["under"] if found["under"] is not None else found["u"])
        return over / under if over is not None and under else None
    for mark in ("/", ":"):
        if text.count(mark) == 1:
            over, under = (_decimal(part) for part in text.split(mark))
            return over / under if over is not None and under else None
    return _decimal(text)


def _decimal(text: str) -> Fraction | None:
    text = text.strip()
    sign = -1 if text.startswith("-") else 1
    text = _SIGN.sub("", text, count=1).strip() if text[:1] in ("-", "+") else text
    if (power := _POWER.fullmatch(text)) is not None:
        exponent = int(power[1] or power[2])
        return sign * Fraction(10) ** exponent if abs(exponent) <= LARGEST_EXPONENT else None
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return None
    exponent = int(found["e"] or found["braced"] or found["power"] or 0)
    if abs(exponent) > LARGEST_EXPONENT:
        return None
    digits = found["number"].replace(",", "")
    return sign * Fraction(digits.removesuffix(".") or "0") * Fraction(10) ** exponent
