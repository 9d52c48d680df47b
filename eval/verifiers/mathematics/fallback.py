"""math-verify for what our own reader does not understand; always called in a worker that can be killed."""

import contextlib
import re
from importlib.metadata import PackageNotFoundError, version

_REFUSED = re.compile(
    r"\\(?:dots|cdots|ldots|vdots|ddots|text|begin\{(?:array|cases|aligned)|forall|exists|pmod|bmod|mod)"
    r"|%|\.\.\.|…|\d\s*_|!|[A-Za-z]{4,} [A-Za-z]{2,}|\x00"
)
"""What the library reads in part or reads wrong (0.9.0): dots, cases, words, percent signs, bases, factorials."""

LONGEST = 300
"""Characters up to which an answer is left to the library."""

MOST_BRACES = 30


def readable(text: str) -> bool:
    """Whether an answer may be left to the library: nothing in it that the library is known to read wrong."""
    return "\\" in text and len(text) <= LONGEST and text.count("{") <= MOST_BRACES and not _REFUSED.search(text)


def same(gold: str, answer: str) -> bool:
    """Whether math-verify finds two answers equal. To be called in a worker: its own time limits are off.

    Raises:
        ImportError: math-verify is not installed.
    """
    from math_verify import parse, verify

    left, right = (parse(f"\\boxed{{{text}}}", parsing_timeout=None, raise_on_error=False) for text in (gold, answer))
    return bool(left and right and verify(left, right, timeout_seconds=None, raise_on_error=False))


def warm() -> None:
    """Load the library and its grammar, which takes a second or two, before any work is timed."""
    with contextlib.suppress(ImportError):
        same("\\frac{x}{2} + \\int_0^1 y dy", "\\sqrt{2}")


def versions() -> str:
    """The library's version and its antlr runtime's, for the result: both decide what it can read."""
    try:
        return f"math-verify {version('math-verify')}, antlr {version('antlr4-python3-runtime')}"
    except PackageNotFoundError:
        return "no math-verify"
