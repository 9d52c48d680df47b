"""Puzzles of reasoning-gym, scored by the library itself, with what it would evaluate of an answer looked at before.

Some families of the library hand an answer to `eval` or to SymPy's parser, which runs Python. Such an answer is passed
on only if it is a literal, or an arithmetic expression of known functions; anything else scores 0.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from eval.verifiers.literals import literal
from eval.verifiers.result import Result, of_score, skipped, unparseable, wrong
from eval.verifiers.segments import last_answer_tag

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


def reasoning_gym(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """The library's score with three mends, each named in `detail.mended` where it changed the score.

    `puzzle24` gives 0.01 for any text: 0 unless it is an arithmetic expression. It does not look at which numbers are
    used: they must be the puzzle's. `game_of_life_halting` takes any text for True: the texts have to be equal.
    """
    content = last_answer_tag(answer)
    content = (answer if content is None else content).strip()
    if not content:
        return unparseable("empty")
    entry = entry_of(gold)
    if entry is None:
        return skipped("bad_gold")
    task = task_of(entry, info)
    if refused(task, content, entry):
        return wrong("blocked_construct", content[:2000], task=task)
    given = library_score(task, content, entry)
    if isinstance(given, Result):
        return given
    score, mended = _mended(task, content, entry, given)
    reason = "partial" if score else "different"
    return of_score(score, content[:2000], reason, task=task, library=given, mended=mended)


def entry_of(gold: Any) -> dict[str, Any] | None:
    """The library's entry: a dict with `answer`, and `metadata` that names the family."""
    if not isinstance(gold, Mapping) or "answer" not in gold:
        return None
    metadata = gold.get("metadata")
    return {**gold, "metadata": dict(metadata) if isinstance(metadata, Mapping) else {}}


def task_of(entry: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """The family: from the entry, the row's `info.task`, or its source `reasoning_gym__<task>`."""
    source = str(info.get("source", ""))
    return str(entry["metadata"].get("source_dataset") or info.get("task") or source.partition("__")[2])


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


def library_score(task: str, content: str, entry: Mapping[str, Any]) -> float | Result:
    """What the library says, from 0 to 1; a Result where it cannot say."""
    try:
        scorer = _scorer(task)
    except ImportError as missing:
        return skipped("missing_resource", message=f"{missing}; pip install -e .[gym]")
    except ValueError:
        return skipped("bad_gold", task=task)
    try:
        return min(1.0, max(0.0, float(scorer(answer=content, entry=entry))))
    except (KeyError, IndexError):  # what the library's own scorers need of an entry
        return skipped("bad_gold", task=task)
    except Exception as failure:  # the library's scorers raise on texts they did not think of
        return wrong("type", content[:2000], task=task, message=f"{type(failure).__name__}: {failure}"[:200])


@functools.lru_cache(maxsize=256)
def _scorer(task: str) -> Callable[..., float]:
    import warnings

    with warnings.catch_warnings():  # a package that it imports compiles with warnings
        warnings.simplefilter("ignore")
        from reasoning_gym.factory import get_score_answer_fn

    return get_score_answer_fn(task)


def _mended(task: str, content: str, entry: Mapping[str, Any], given: float) -> tuple[float, list[str]]:
    if task == "game_of_life_halting":
        exact = float(content.casefold() == str(entry["answer"]).strip().casefold())
        return exact, ["equal_text"] if exact != given else []
    if task == "puzzle24":
        if not re.search(r"[0-9]\s*[-+*/]", content):
            return 0.0, ["no_expression"] if given else []
        numbers = entry["metadata"].get("numbers")
        used = Counter(int(number) for number in re.findall(r"[0-9]{1,9}", content))
        if isinstance(numbers, list) and used != Counter(numbers) and given == 1:
            return 0.01, ["other_numbers"]
    return given, []
