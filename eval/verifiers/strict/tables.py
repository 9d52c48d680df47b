"""Answers about tables in strict mode (HiTab, MultiHiertt, FinQA): numbers by value, text by what it says.

The answer stands in a box. Several answers stand in one box with "|" between them, or in boxes side by side, in any
order; "," and ";" part them only where no reference holds the mark.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from eval.verifiers.numbers import Number, number
from eval.verifiers.result import Result, correct, skipped, unparseable, wrong
from eval.verifiers.segments import joint_boxes

TOLERANCE = Fraction(1, 1000)
"""Relative difference that a number which is no integer may have."""

LONGEST = 2_000
"""Characters of the longest answer that is compared."""

_WRAPPED = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}")
_QUOTES = str.maketrans("", "", "\"'`\u2018\u2019\u201c\u201d$")
_DASHES = re.compile("[\u2010-\u2015\u2212]")


def table(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """Each part of the reference is matched by one part of the answer, and nothing is left over.

    A reference that is a whole number is met exactly, another number to 1 in 1,000. A percent sign on one side only
    allows both readings (12.5% for 12.5 and for 0.125); with a sign on neither or on both sides the values must match.
    """
    wanted = parts_of(gold)
    if not wanted:
        return skipped("bad_gold")
    found = joint_boxes(answer)
    if not found:
        return unparseable("no_box")
    extracted = " | ".join(found)
    if not any(box.strip() for box in found):
        return unparseable("empty_box")
    if len(extracted) > LONGEST:
        return wrong("too_long", extracted[:LONGEST])
    if len(wanted) == 1:
        return _single(wanted[0], found, extracted)
    given = _split(found, wanted)
    if len(given) != len(wanted):
        return wrong("shape", extracted, parts=len(given), asked=len(wanted))
    matched = matches(wanted, given)
    if matched == len(wanted):
        return correct(extracted)
    return wrong("different", extracted, matched=matched)


def parts_of(gold: Any) -> list[str]:
    """The parts of a reference: text parted by "|", a list of values, or one number; empty for anything else."""
    if isinstance(gold, str):
        parts = gold.split("|")
    elif isinstance(gold, list | tuple):
        parts = [written(value) for value in gold if isinstance(value, str | int | float)]
        parts = parts if len(parts) == len(gold) else []
    else:
        parts = [written(gold)] if isinstance(gold, int | float) else []
    return [part.strip() for part in parts] if all(part.strip() for part in parts) else []


def written(value: str | int | float) -> str:
    """A value of a row as its text: 20.0 is "20.0", True is "True"."""
    return value if isinstance(value, str) else repr(value)


def _single(wanted: str, found: Sequence[str], extracted: str) -> Result:
    parts = [part for box in found for part in box.split("|") if part.strip()]
    if len({plain(part) for part in parts}) > 1:
        return wrong("hedged", extracted)
    if same(wanted, parts[0]):
        return correct(extracted)
    return wrong("type" if number(wanted) and not number(parts[0]) else "different", extracted)


def _split(found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    parts = [part.strip() for box in found for part in box.split("|")]
    if len(parts) == 1:
        for mark, pattern in ((";", ";"), (",", r",(?![0-9]{3}(?![0-9]))|,(?=\s)")):
            if mark in parts[0] and not any(mark in part for part in wanted):
                parts = [part.strip() for part in re.split(pattern, parts[0])]
                break
    return parts


def matches(wanted: Sequence[str], given: Sequence[str]) -> int:
    """The most parts that can be matched one to one: tolerances overlap, so that the first fit may not be the best."""
    fits = [[at for at, part in enumerate(given) if same(gold, part)] for gold in wanted]
    taken: dict[int, int] = {}

    def place(gold: int, tried: set[int]) -> bool:
        for at in fits[gold]:
            if at not in tried:
                tried.add(at)
                if at not in taken or place(taken[at], tried):
                    taken[at] = gold
                    return True
        return False

    return sum(place(gold, set()) for gold in range(len(wanted)))


def same(wanted: str, given: str) -> bool:
    """Whether one part of an answer says what one part of the reference says."""
    if plain(wanted) == plain(given):
        return True
    gold, value = number(wanted), number(given)
    if gold is None or value is None:
        return False
    exact = gold.value.denominator == 1 or ":" in wanted  # times such as 1:54.25 are not measured, they are named
    readings = _readings(gold, value)
    return any(one == other if exact else abs(one - other) <= TOLERANCE * abs(one) for one, other in readings)


def _readings(gold: Number, value: Number) -> list[tuple[Fraction, Fraction]]:
    if gold.percent == value.percent:
        return [(gold.value, value.value)]
    if value.percent:
        return [(gold.value, value.value), (gold.value, value.value / 100)]
    return [(gold.value, value.value), (gold.value / 100, value.value)]


def plain(text: str) -> str:
    """A text without case, spaces, quotes, `\\text{...}` and a closing period."""
    for _ in range(3):
        text = _WRAPPED.sub(r"\1", text)
    text = re.sub(r"\\([%&_#$, !;:])", r"\1", unicodedata.normalize("NFKC", text))
    text = _DASHES.sub("-", text.translate(_QUOTES)).replace("~", " ")
    return re.sub(r"\s+", "", text).casefold().rstrip(".")
