"""What reasoning-gym's own scorers say, asked in a worker, and which answers they may be given.

Some families of the library hand an answer to `eval` or to SymPy's parser, which runs Python. Such an answer is passed
on only if it is a literal, or an arithmetic expression of known functions.
"""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from eval.verifiers.literals import literal

READ_AS_LITERAL = frozenset({"string_insertion", "spiral_matrix", "binary_matrix", "n_queens"})
"""Families that evaluate an answer which is not the expected text."""

READ_AS_EXPRESSION = frozenset(
    {"puzzle24", "countdown", "simple_integration", "intermediate_integration", "polynomial_multiplication"}
)
"""Families that hand an answer to SymPy's parser."""

_NAMES = "sin cos tan sec csc cot asin acos atan sinh cosh tanh exp log ln sqrt abs Abs pi e E C c oo"
_FUNCTIONS = frozenset(_NAMES.split())
_EXPRESSION = re.compile(r"[0-9A-Za-z+\-*/^().,\s|=]*")
_LONGEST_EXPRESSION = 2_000


def refused(task: str, content: str, entry: Mapping[str, Any]) -> bool:
    """Whether the library would evaluate this answer, and it is neither a literal nor a plain expression."""
    if task in READ_AS_LITERAL and content != str(entry["answer"]).strip():
        if not re.search(r"[(\[{\"']", content):
            return not re.fullmatch(r"[\w\s.,+_-]*", content) or "__" in content
        try:
            literal(content)
        except ValueError:
            return True
    return task in READ_AS_EXPRESSION and not is_expression(content)


def is_expression(content: str) -> bool:
    """Whether a text is made of numbers, operators, single letters and known functions only.

    >>> is_expression("(1 + 2)**3 * sin(x)"), is_expression("().__class__"), is_expression("open(1)")
    (True, False, False)
    """
    if len(content) > _LONGEST_EXPRESSION or not _EXPRESSION.fullmatch(content):
        return False
    names = re.findall(r"[A-Za-z]+", content)
    calls = re.search(r"[.][\s]*[A-Za-z]", content)
    return not calls and all(len(name) == 1 or name in _FUNCTIONS for name in names)


def score_answer(task: str, content: str, entry: dict[str, Any]) -> float:
    """The library's score of an answer; called in a worker.

    Raises:
        ImportError: reasoning-gym is not installed.
        ValueError: the library has no such family.
    """
    return float(_scorer(task)(answer=content, entry=entry))


def warm() -> None:
    """Import the library before the first answer; without it, each answer says that it is missing."""
    import contextlib

    with contextlib.suppress(ImportError):
        _scorer("spiral_matrix")


@functools.lru_cache(maxsize=256)
def _scorer(task: str) -> Callable[..., float]:
    import warnings

    with warnings.catch_warnings():  # a package that it imports compiles with warnings
        warnings.simplefilter("ignore")
        from reasoning_gym.factory import get_score_answer_fn

    return get_score_answer_fn(task)
