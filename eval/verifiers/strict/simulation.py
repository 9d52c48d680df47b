"""Predicting what a program does: inputs and outputs of a given function (codeio, cruxeval).

What a model predicts is read as a value, never run here. Where an input has to be tried, it goes to the row's own
function inside the sandbox as a plain value, so that it can carry nothing but data.
"""

import ast
import json
import math
from collections.abc import Mapping
from typing import Any

from eval.sandbox.programs import evaluate, functional
from eval.sandbox.run import IsolationRefused
from eval.verifiers.literals import balanced, literal
from eval.verifiers.program_text import parsed
from eval.verifiers.result import Result, correct, infra_error, skipped, unparseable, wrong
from eval.verifiers.sandboxed import failure, sandbox_of, verdict
from eval.verifiers.segments import fences, last_box

LIMITS = {"cpu_s": 5.0, "wall_s": 10.0, "deadline_s": 60.0}


def codeio(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """A function's output, or an input that leads to a given output.

    Args:
        answer: with a JSON object under the asked key, fenced, boxed or bare.
        gold: `{"predict": "input"|"output", "value": V, "given": G}`, or Guru's text `"output": V`.
        info: `refcode` (defines `main_solution`) and `given`, for trying an input other than the reference's.
        options: `sandbox`.
    """
    asked = codeio_gold(gold, info)
    if asked is None:
        return skipped("bad_gold", message='neither {"predict", "value"} nor text such as "output": 3')
    key, value, given = asked
    found = [one for one in map(_object, _candidates(answer)) if one is not None]
    if not found:
        return unparseable("no_answer")
    predicted, shown = _asked_part(found[0], key, value)
    if predicted is _OTHER_KEY:
        return wrong("type", shown)
    if same_value(predicted, value):
        return correct(shown)
    if key == "output":
        return wrong("different", shown)
    return _tried(predicted, value, given, str(info.get("refcode") or ""), shown, options)


def codeio_gold(gold: Any, info: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """(key, value, what was given) of a row; None where it is no such row."""
    if isinstance(gold, str):
        gold = _object(gold)
    if not isinstance(gold, dict):
        return None
    if gold.get("predict") in ("input", "output") and "value" in gold:
        return gold["predict"], gold["value"], gold.get("given", info.get("given"))
    if len(gold) == 1 and (key := next(iter(gold))) in ("input", "output"):
        return key, gold[key], info.get("given")
    return None


_OTHER_KEY = object()


def _candidates(answer: str) -> list[str]:
    """Texts that may hold the answer, the likeliest first."""
    blocks = [fence.body for fence in fences(answer) if fence.language in ("", "json")]
    box = last_box(answer)
    bare = next(balanced(answer, "{"), None)
    return [text for text in (blocks[-1] if blocks else None, box, bare) if text and text.strip()]


def _object(text: str) -> Any:
    """The JSON or Python literal of a text, `"output": x` without braces among them; None where it is neither."""
    text = text.strip()
    for one in (text, "{" + text + "}"):
        try:
            return literal(one)
        except (ValueError, RecursionError):
            continue
    return None


def _asked_part(found: Any, key: str, value: Any) -> tuple[Any, str]:
    shown = json.dumps(found, default=str)[:2000]
    if isinstance(found, dict) and key in found:
        return converted(found[key]), shown
    if same_value(found, value):
        return found, shown
    if isinstance(found, dict) and key == "input" and "output" not in found and "input" not in found:
        return found, shown  # the arguments themselves
    return _OTHER_KEY, shown


def converted(value: Any) -> Any:
    """A string that holds a JSON object, a list, true or false as that; everything else as it is."""
    if isinstance(value, str) and (text := value.strip()):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if text[0] in "[{":
            try:
                return literal(text)
            except (ValueError, RecursionError):
                return value
    return value


def same_value(mine: Any, expected: Any) -> bool:
    """Equal JSON values: true is no number, numbers agree within 1e-9 of each other, lists and tuples are one kind.

    >>> same_value({"a": [1, 0.30000000000000004]}, {"a": (1.0, 0.3)}), same_value(True, 1)
    (True, False)
    """
    if isinstance(mine, bool) or isinstance(expected, bool):
        return mine is expected
    if isinstance(mine, int) and isinstance(expected, int):
        return mine == expected
    if isinstance(mine, int | float) and isinstance(expected, int | float):
        try:
            close = math.isclose(mine, expected, rel_tol=1e-9)
        except OverflowError:  # an integer that no float can hold
            return mine == expected
        return close or (mine != mine and expected != expected)
    if isinstance(mine, list | tuple) and isinstance(expected, list | tuple):
        return len(mine) == len(expected) and all(map(same_value, mine, expected))
    if isinstance(mine, dict) and isinstance(expected, dict):
        if {str(key) for key in mine} != {str(key) for key in expected} or len(mine) != len(expected):
            return False
        texts = {str(key): kept for key, kept in mine.items()}
        return all(same_value(texts[str(key)], kept) for key, kept in expected.items())
    return type(mine) is type(expected) and mine == expected


def _tried(predicted: Any, value: Any, given: Any, program: str, shown: str, options: Mapping[str, Any]) -> Result:
    """Whether another input leads to the given output too."""
    if not program or given is None or not isinstance(value, dict):
        return wrong("different", shown)
    if not isinstance(predicted, dict):
        return wrong("type", shown)

    def call(arguments: Any) -> str:
        return f"main_solution(**__import__('json').loads({json.dumps(arguments)!r}))"

    try:
        expressions = [call(value), call(value), call(predicted)]
        ran, values = evaluate(program, expressions, sandbox_of(options, **LIMITS))
    except IsolationRefused as refused:
        return infra_error("sandbox_down", message=str(refused))
    except (TypeError, ValueError):  # a literal that is no JSON, such as a key that is a tuple
        return wrong("type", shown)
    detail: dict[str, Any] = {"isolation": ran.isolation, "tried": True, "message": ran.reason}
    stable = len(values) >= 2 and all(one.ok and same_value(one.value, given) for one in values[:2])
    if not stable:
        if ran.status == "infra_error":
            return failure(ran, shown, "different", **detail)
        return wrong("different", shown, **detail | {"tried": False, "message": "the reference does not repeat itself"})
    if len(values) < 3:
        return failure(ran, shown, "tests_failed", **detail)
    if not values[2].ok:
        return wrong("tests_failed", shown, **detail | {"message": values[2].error[:500]})
    return correct(shown, **detail) if same_value(values[2].value, given) else wrong("different", shown, **detail)


def cruxeval(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """One assertion `assert f(arguments) == literal` about the row's function.

    Args:
        answer: with the assertion, alone in the last fenced block (or the whole text).
        gold: `{"predict": "input"|"output", "code", "input", "output"}`.
        info: `input` and `output` where the gold has only Guru's `functional`, the code.
        options: `sandbox`, in which the function runs for predicted inputs.
    """
    row = cruxeval_gold(gold, info)
    if row is None:
        return skipped("bad_gold", message="code, input and output are needed")
    blocks = fences(answer)
    text = blocks[-1].body if blocks else answer
    call, claimed = _assertion(text)
    if call is None:
        return unparseable("syntax", text.strip()[:2000])
    shown = text.strip()[:2000]
    if claimed is _NO_LITERAL:
        return unparseable("blocked_construct", shown)
    try:
        expected = ast.literal_eval(str(row["output"]))  # the row's own
        call_of_row = ast.parse(f"f({row['input']})", mode="eval").body
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return skipped("bad_gold", message="the row's input or output is no literal")
    if not _equal(claimed, expected):
        return wrong("different", shown)
    same_call = ast.dump(call) == ast.dump(call_of_row) or _same_arguments(call, call_of_row)
    if row["predict"] == "output":
        return correct(shown) if same_call else wrong("type", shown, message="the arguments are not the row's")
    if same_call:
        return correct(shown)
    return _called(call, str(row["code"]), expected, shown, options)


def cruxeval_gold(gold: Any, info: Mapping[str, Any]) -> dict[str, Any] | None:
    """`predict`, `code`, `input`, `output` of a row; None where something is missing."""
    if not isinstance(gold, dict):
        return None
    row = {**{name: info[name] for name in ("predict", "input", "output", "code") if name in info}, **gold}
    row.setdefault("code", row.get("functional"))
    source = str(info.get("source", ""))
    row.setdefault("predict", "input" if source.endswith(("-i", "_i")) else "output")
    known = all(isinstance(row.get(name), str) for name in ("code", "input", "output"))
    return row if known and row["predict"] in ("input", "output") else None


_NO_LITERAL = object()


def _assertion(text: str) -> tuple[ast.Call | None, Any]:
    """The call and the literal of `assert f(...) == literal`; (None, _) where the text is something else."""
    tree = parsed(text.strip())
    if tree is None or len(tree.body) != 1:
        return None, None
    statement = tree.body[0]
    test = statement.test if isinstance(statement, ast.Assert) else getattr(statement, "value", None)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return None, None
    call = test.left
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "f":
        return None, None
    return call, _literal(test.comparators[0])


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return _NO_LITERAL


def _equal(mine: Any, expected: Any) -> bool:
    """As the assertion would say it; no literal has an equality of its own."""
    try:
        return bool(mine == expected)
    except RecursionError:
        return False


def _arguments(call: ast.Call) -> tuple[list[Any], dict[str, Any]] | None:
    """The arguments as values; None if one is no literal."""
    positional = [_literal(one) for one in call.args]
    named = {one.arg or "**": _literal(one.value) for one in call.keywords}
    values = [*positional, *named.values()]
    return None if "**" in named or any(one is _NO_LITERAL for one in values) else (positional, named)


def _same_arguments(mine: ast.expr, theirs: ast.expr) -> bool:
    if not isinstance(mine, ast.Call) or not isinstance(theirs, ast.Call):
        return False
    left, right = _arguments(mine), _arguments(theirs)
    return left is not None and right is not None and _typed(left) == _typed(right)


def _typed(value: Any) -> str:
    return repr(value)


def _plain(value: Any) -> str | None:
    """A value's literal; None if it has none, so that nothing but literals enters the judging process."""
    try:
        ast.literal_eval(repr(value))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return repr(value)


def _called(call: ast.Call, program: str, expected: Any, shown: str, options: Mapping[str, Any]) -> Result:
    """Call the row's function with the predicted arguments, which are made plain values first."""
    nodes = [node for part in (*call.args, *call.keywords) for node in ast.walk(part)]
    if any(isinstance(one, ast.Lambda | ast.NamedExpr) or getattr(one, "id", "") == "f" for one in nodes):
        return unparseable("blocked_construct", shown)
    sandbox = sandbox_of(options, **LIMITS)
    try:
        arguments = _arguments(call)
        if arguments is None:
            inside = ast.unparse(ast.Call(ast.Name("_both", ast.Load()), call.args, call.keywords))
            program_of_arguments = "def _both(*positional, **named):\n    return list(positional), named\n"
            ran, values = evaluate(program_of_arguments, [inside], sandbox)
            if not values:
                return failure(ran, shown, "tests_failed", isolation=ran.isolation, message=ran.reason)
            if not values[0].ok:
                return wrong("tests_failed", shown, isolation=ran.isolation, message=values[0].error[:500])
            arguments = values[0].value
        positional, named = arguments
        if any(_plain(value) is None for value in (*positional, *named.values())):
            return wrong("type", shown, message="an argument that is no literal")
        written = ", ".join([*map(repr, positional), *(f"{name}={value!r}" for name, value in named.items())])
        ran = functional(program, [f"assert f({written}) == {expected!r}"], ["f"], "", sandbox)
    except IsolationRefused as refused:
        return infra_error("sandbox_down", message=str(refused))
    except RecursionError:
        return unparseable("too_large", shown)
    return verdict(ran, shown)
