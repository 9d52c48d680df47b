"""Mathematics as Reasoning360 scored it: any of three published comparisons is enough, with their bugs.

The three: the normal forms of MATH (arXiv:2103.03874); the comparison of PRM800K (arXiv:2305.20050), which refuses an
integer against anything else; and that of PRIME, which reads no base, lets a number be a hundred times or a hundredth
of the reference, and fails wherever a pi stands. Where they asked SymPy whether a difference is 0, our own reader says;
what they ran as Python (`1 or 2` counts as 1) is recognised and not run.

`options["prime_symbolic"]`: `on` (default), as when the paper was written, or `off`, as in the public code since June
2025, where PRIME's symbolic part silently never ran.
"""

import math as numbers
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from eval.verifiers.guru.normal_form import same_form
from eval.verifiers.mathematics.nodes import Node, is_scalar, variables
from eval.verifiers.mathematics.reading import read
from eval.verifiers.mathematics.scalars import same_value
from eval.verifiers.mathematics.values import Uncomputed, to_float
from eval.verifiers.result import Result, correct, skipped, wrong
from eval.verifiers.segments import last_box

LONGEST = 1000
"""Characters up to which more than normal forms is compared."""

PRIME_TOLERANCE = 1e-4

_OPEN_BOX = re.compile(r"^.*\\(?:boxed|fbox)\{", re.DOTALL)
_UNITS = re.compile(
    r"degrees?|cm|centimeters?|meters?|miles?|seconds?|minutes?|hours?|days?|weeks?|months?|years?|feet|foot|inch(?:es)?"
    r"|yards?"
)
_MAGNITUDES = {"million": "*10^6", "billion": "*10^9", "trillion": "*10^12"}
_TUPLE = re.compile(r"([(\[])(.*,.*)([)\]])", re.DOTALL)
_DECIMAL = re.compile(r"[-+]?\s*(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?")
_PYTHON_OR = re.compile(r"\s*([^\s]+)\s+or\s+.+", re.DOTALL)


def math(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """1 if any of the three comparisons holds; see the module's docstring.

    Args:
        answer: the text after the thinking; without a box all of it is the answer.
        gold: the reference's text, or a list of which the first counts.
        info: `reward_metric` may be `prime_math`: the answer is what follows "answer is", and has to hold a digit.
        options: `prime_symbolic`, `on` or `off`.
    """
    gold = gold.get("any_of") if isinstance(gold, Mapping) else gold
    gold = gold[0] if isinstance(gold, list) and gold else gold
    if isinstance(gold, bool) or not isinstance(gold, str | int | float):
        return skipped("bad_gold")
    wanted = str(gold)
    given = last_box(answer)
    if given is None:
        given = _OPEN_BOX.sub("", answer).strip()
    if info.get("reward_metric") == "prime_math":
        given = re.split(r"answer is:?|answer:", given, flags=re.IGNORECASE)[-1].strip()
        if not re.search(r"\d", given):
            return wrong("different", given[:LONGEST])
    right = equal(wanted, given, options.get("prime_symbolic", "on") == "on")
    return correct(given[:LONGEST]) if right else wrong("different", given[:LONGEST])


def equal(wanted: str, given: str, symbolic: bool) -> bool:
    """Whether one of the three comparisons finds two answers equal."""
    if same_form(wanted, given):
        return True
    if max(len(wanted), len(given)) > LONGEST:
        return False
    return _prm800k(wanted, given) or _prime(wanted, given, symbolic)


def _prm_form(text: str) -> str:
    form = re.sub(r"\\text\{([^{}]*)\}", r"\1", text.strip())
    form = form.replace("\\%", "%").replace("\\$", "$").replace("$", "").replace("%", "").replace(" or ", " , ")
    form = form.replace(" and ", " , ").lower()
    for word, power in _MAGNITUDES.items():
        form = form.replace(word, power)
    form = re.sub(r"(?<=[\d }])(?:" + _UNITS.pattern + r")(?:\s*\^\d+)?", "", form)
    form = re.sub(r"\^\s*\{?\\circ\}?", "", form).strip().rstrip(".")
    form = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", form)
    form = re.sub(r"^[a-z]\s*=\s*", "", form)
    return form[1:-1] if re.fullmatch(r"\{[^{}]*\}", form) else form


def _prm800k(wanted: str, given: str) -> bool:
    left, right = _prm_form(wanted), _prm_form(given)
    if left == right:
        return True
    if not right:
        return False
    first, second = _parts(left), _parts(right)
    if len(first) > 1 and (left[0] != right[0] or left[-1] != right[-1]):
        return False
    return len(first) == len(second) and all(map(_prm_part, first, second))


def _parts(text: str) -> list[str]:
    found = _TUPLE.fullmatch(text)
    return [part.strip() for part in found[2].split(",")] if found else [text]


def _prm_part(left: str, right: str) -> bool:
    if left.replace(" ", "") == right.replace(" ", ""):
        return True
    fraction = r"-?(?:\d+/\d+|\\[dt]?frac\{-?\d+\}\{\d+\})"
    if re.fullmatch(fraction, left) and re.fullmatch(fraction, right):
        return False  # two fractions are equal only if written alike
    whole = r"-?\d+(?:\.0*)?"
    if bool(re.fullmatch(whole, left)) != bool(re.fullmatch(whole, right)):
        return False
    letters = set(re.findall(r"[a-z]", re.sub(r"sqrt|frac", "", left + right)))
    if len(letters) > 2 or re.search(r"\^[{(]|\^\d\d", left + right):
        return False
    return _zero_difference(left, right)


def _zero_difference(left: str, right: str) -> bool:
    first, second = read(left), read(right)
    if first is None or second is None or not (is_scalar(first) and is_scalar(second)):
        return False
    return same_value(first, second, rounding=False) is True


def _number(text: str) -> float | None:
    text = text.replace("\\%", "%").replace("\\$", "").replace("$", "").strip()
    percent = text.endswith("%")
    if not _DECIMAL.fullmatch(text.rstrip("%").strip()):
        return None
    value = float(text.rstrip("%").replace(",", "").replace(" ", ""))
    return value / 100 if percent else value


def _prime(wanted: str, given: str, symbolic: bool) -> bool:
    if "\\pi" in wanted or "\\pi" in given:
        return False  # a misspelt argument raised, and what was raised was swallowed
    left, right = wanted.partition("_")[0].strip(), given.partition("_")[0].strip()
    if left == right:
        return True
    first, second = _number(left), _number(right)
    if first is not None and second is not None:
        return any(numbers.isclose(second, one, rel_tol=PRIME_TOLERANCE) for one in (first / 100, first, first * 100))
    tuples = _TUPLE.fullmatch(left), _TUPLE.fullmatch(right)
    if tuples[0] and tuples[1]:
        return _prime_tuples(tuples[0], tuples[1], symbolic)
    return symbolic and _prime_symbolic(left, right)


def _prime_tuples(left: re.Match[str], right: re.Match[str], symbolic: bool) -> bool:
    first, second = left[2].split(","), right[2].split(",")
    if left[1] != right[1] or (left[3] != right[3] and not symbolic) or len(first) != len(second):
        return False
    return all(_prime(one.strip(), other.strip(), symbolic) for one, other in zip(first, second, strict=True))


def _prime_symbolic(left: str, right: str) -> bool:
    sides = []
    if re.search(r"(?<![\\A-Za-z])[A-Za-z]{4,}", f"{left} {right}"):
        return False  # words are products of letters to SymPy
    for text in (left, right):
        python = _PYTHON_OR.fullmatch(text)
        node = read(python[1] if python else text)
        if node is None or not is_scalar(node):
            return False
        sides.append(node)
    if same_value(sides[0], sides[1], rounding=False) is True:
        return True
    return not (variables(sides[0]) | variables(sides[1])) and _close(sides[0], sides[1])


def _close(left: Node, right: Node) -> bool:
    try:
        first, second = to_float(left, {}), to_float(right, {})
    except Uncomputed:
        return False
    return abs(first - second) <= PRIME_TOLERANCE * max(abs(first), abs(second), float(Fraction(1, 10**9)))
