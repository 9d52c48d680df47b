"""Answers about tables as Reasoning360 scored them, with its habits; arithmetic is worked out here, never evaluated.

The published scorer lower-cases the text, falls back to the whole text without a box, sorts several answers as texts
before it reads them as numbers, and lets a number be a hundred times or a hundredth of the reference.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from eval.verifiers.guru.normal_form import same_form
from eval.verifiers.result import Result, correct, skipped, wrong
from eval.verifiers.segments import last_box

_ARITHMETIC = re.compile(r"[0-9.eE+\-*/%()_ ]{1,300}")
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def table(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """1 if the parts, sorted as texts, are equal in pairs: to 1 in 1,000 of x, x/100 or 100x, else as normal forms."""
    if isinstance(gold, bool) or not isinstance(gold, str | int | float):
        return skipped("bad_gold")
    text = answer.lower()
    box = last_box(text)
    extracted = text.strip() if box is None else box
    wanted = str(gold).lower()
    if "|" in wanted:
        ours, theirs = sorted(wanted.split("|")), sorted(extracted.split("|"))
    else:
        ours, theirs = [wanted], [extracted]
    right = len(ours) == len(theirs) and all(_same(one, other) for one, other in zip(ours, theirs, strict=True))
    return correct(extracted[:2000]) if right else wrong("different", extracted[:2000])


def _same(wanted: str, given: str) -> bool:
    gold, value = _number(wanted), _number(given)
    if gold is None or value is None:
        return same_form(wanted, given)
    return any(math.isclose(value, one, rel_tol=1e-3) for one in (gold, gold / 100, gold * 100))


def _number(text: str) -> float | None:
    bare = text.strip().replace(",", "").replace("$", "").replace("\\", "").replace(":", "/")
    bare = bare.replace("%", "/100")
    try:
        value = arithmetic(bare)
    except (ValueError, ArithmeticError):
        return None
    return value if math.isfinite(value) else None


def arithmetic(text: str) -> float:
    """The value of an expression of numbers, + - * / // % ** and parentheses.

    Raises:
        ValueError: the text is something else, is longer than 300 characters, or has a power beyond 1,000 digits.
        ArithmeticError: division by zero, or beyond a float.
    """
    if not _ARITHMETIC.fullmatch(text):
        raise ValueError("no arithmetic")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, MemoryError, RecursionError) as failure:
        raise ValueError("no arithmetic") from failure
    return float(_value(tree.body))


def _value(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow):
            if abs(right) * math.log10(abs(left) + 1) > 1_000:
                raise ValueError("a power beyond any answer")
            power = left**right
            if isinstance(power, complex):
                raise ValueError("no real number")
            return power
        if type(node.op) in _BINARY:
            return _BINARY[type(node.op)](left, right)
    raise ValueError("no arithmetic")
