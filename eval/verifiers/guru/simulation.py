"""codeio and cruxeval as Reasoning360 scored them, the model's text run only in the sandbox.

For codeio the first fence (or the whole text) decides, any key will do, an input is never tried, and no answer equals
a reference of null. For cruxeval whatever is fenced runs behind the function, and passes unless it raises.
"""

import re
from collections.abc import Mapping
from typing import Any

from eval.sandbox.run import IsolationRefused, run
from eval.verifiers.literals import balanced, literal
from eval.verifiers.result import Result, correct, infra_error, skipped, wrong
from eval.verifiers.sandboxed import failure, sandbox_of
from eval.verifiers.strict.simulation import codeio_gold, converted

LIMITS = {"cpu_s": 3.0, "wall_s": 3.0, "deadline_s": 30.0}
_JSON_FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL)
_PYTHON_FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def codeio(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """A function's input or output, see the module; the arguments are those of the strict one."""
    asked = codeio_gold(gold, info)
    if asked is None:
        return skipped("bad_gold", message='neither {"predict", "value"} nor text such as "output": 3')
    found = _found(answer)
    if isinstance(found, dict):
        found = found.get("output", found.get("input", found))
    same = _python_equal(converted(found), converted(asked[1]))
    return correct(str(found)[:2000]) if same else wrong("different", str(found)[:2000])


def _found(answer: str) -> Any:
    fence = _JSON_FENCE.search(answer)
    text = (fence[1] if fence else answer).strip()
    for one in (text, next(balanced(text, "{"), None)):
        try:
            return literal(one) if one else None
        except (ValueError, RecursionError):
            continue
    return None


def _python_equal(mine: Any, expected: Any) -> bool:
    try:
        return bool(mine == expected)
    except RecursionError:
        return False


def cruxeval(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """An assertion about the row's function, see the module; the arguments are those of the strict one."""
    function = gold.get("functional", gold.get("code")) if isinstance(gold, dict) else None
    if not isinstance(function, str):
        return skipped("bad_gold", message="the row has no function")
    fence = _PYTHON_FENCE.search(answer)
    program = fence[1] if fence else answer
    sandbox = sandbox_of(options, **LIMITS)
    try:
        ran = run(f"{function}\n{program}", "", None, sandbox.limits, sandbox.backend, sandbox.require)
    except IsolationRefused as refused:
        return infra_error("sandbox_down", message=str(refused))
    if ran.status == "ok":
        return correct(program[:2000], isolation=ran.isolation)
    return failure(ran, program[:2000], "tests_failed", isolation=ran.isolation, message=ran.reason)
