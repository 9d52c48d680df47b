"""Programs as text: parsed without running, what they define, what their tests need, how outputs compare."""

import ast
import builtins
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from eval.verifiers.segments import fences

LONGEST = 400_000
"""Characters of the longest program that is parsed."""

PYTHON = ("python", "py", "python3", "py3")
"""Languages of a fenced block that say Python."""

_WARNINGS = threading.Lock()
_FUTURE = re.compile(r"^from __future__ import [^\n]*$", re.MULTILINE)


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of Python source; None where it is none, whatever the parser says or warns of."""
    if len(source) > LONGEST:
        return None
    with _WARNINGS, warnings.catch_warnings():  # the lock, because the filters belong to the whole process
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return None


def defined(tree: ast.Module) -> set[str]:
    """Names that a module has at its top level: functions, classes, assignments, imports."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
    return names


def entries(tests: Sequence[str], prefix: str = "", entry_point: str = "") -> list[str] | None:
    """Names that a program must define for its tests to run; None if the tests do not parse.

    Args:
        tests: sources of the tests.
        prefix: what is put in front of the program; what it defines is not asked of the program.
        entry_point: the row's own word for it, such as `f` or `Solution().f`.

    >>> entries(["assert set(similar((3, 4))) == {3}"])
    ['similar']
    """
    if named := re.match(r"\s*([A-Za-z_]\w*)", entry_point):
        return [named[1]]
    trees = [tree for tree in map(parsed, tests) if tree is not None]
    if not tests or len(trees) < len(tests):
        return None
    before = parsed(prefix)
    given = set(dir(builtins)) | (defined(before) if before else set())
    own: set[str] = set()
    for tree in trees:
        own |= _bound(tree) | _modules(tree)
    needed: dict[str, None] = {}
    for tree in trees:
        checked = _checked_names(tree)
        known = own | (set(dir(builtins)) if checked else given)
        needed |= {name: None for name in checked or sorted(_loaded(tree)) if name not in known}
    # none: the program takes a builtin's name, as in `check(sum)`
    return list(needed) or sorted({name for tree in trees for name in _checked_names(tree) or _asserted(tree)})


def _asserted(tree: ast.Module) -> list[str]:
    """Functions that assertions call at the left of a comparison, for programs that take a builtin's name."""
    tests = [one.test for one in ast.walk(tree) if isinstance(one, ast.Assert)]
    left = [test.left if isinstance(test, ast.Compare) else test for test in tests]
    return [one.func.id for one in left if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)]


def _loaded(tree: ast.Module) -> set[str]:
    return {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}


def _bound(tree: ast.Module) -> set[str]:
    """Names that a test binds itself, anywhere."""
    names = defined(tree)
    for one in ast.walk(tree):
        if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
            names.add(one.id)
        elif isinstance(one, ast.arg):
            names.add(one.arg)
        elif isinstance(one, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in one.names}
    return names


def _modules(tree: ast.Module) -> set[str]:
    """Names of the standard library's modules that a test uses as modules, as in `math.isclose(...)`."""
    called = {one.func.id for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
    bases = [one.value for one in ast.walk(tree) if isinstance(one, ast.Attribute)]
    used = {one.id for one in bases if isinstance(one, ast.Name)}
    return (used - called) & sys.stdlib_module_names


def _checked_names(tree: ast.Module) -> list[str]:
    """Names inside `check(...)` where a test defines that function and calls it, as HumanEval and LeetCode do."""
    if "check" not in defined(tree):
        return []
    calls = [node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    inside = [call.args for call in calls if isinstance(call.func, ast.Name) and call.func.id == "check"]
    return [one.id for args in inside for arg in args for one in ast.walk(arg) if isinstance(one, ast.Name)]


def blocks(answer: str) -> list[tuple[str, str]]:
    """(language, body) of every fenced block."""
    return [(fence.language, fence.body) for fence in fences(answer)]


def defining_block(answer: str, names: Iterable[str]) -> tuple[str | None, str]:
    """The last fenced block that defines every name, or None and the reason that there is none."""
    found = blocks(answer)
    if not found:
        return None, "no_fence"
    wanted, broken = set(names), False
    for _, body in reversed(found):
        tree = parsed(body)
        if tree is None:
            broken = broken or all(re.search(rf"\b{re.escape(name)}\b", body) for name in wanted)
        elif wanted <= defined(tree):
            return body, ""
    return None, "syntax" if broken else "entry_missing"


def script_block(answer: str) -> tuple[str | None, str]:
    """The last fenced block that says Python, else the last that says nothing; otherwise why there is none."""
    found = blocks(answer)
    tagged = [body for language, body in found if language in PYTHON]
    plain = [body for language, body in found if not language]
    if not tagged and not plain:
        return None, "no_fence"
    body = (tagged or plain)[-1]
    return (body, "") if parsed(body) is not None else (None, "syntax")


def joined(prefix: str, program: str) -> str:
    """A program behind what it relies on, with its `from __future__` lines first, where Python wants them."""
    if not prefix.strip():
        return program
    future = _FUTURE.findall(program)
    return "\n".join([*future, prefix, _FUTURE.sub("", program) if future else program])


def separate(test: str) -> list[str]:
    """A test as one source per assertion, where it is nothing but assertions; else as it is."""
    tree = parsed(test)
    if tree is None or len(tree.body) < 2 or not all(isinstance(node, ast.Assert) for node in tree.body):
        return [test]
    return [ast.get_source_segment(test, node) or "" for node in tree.body]


def text_of(value: Any) -> str:
    """A test's input or output as text: lists are lines, line ends are one character."""
    if isinstance(value, list | tuple):
        value = "\n".join(str(item) for item in value)
    return str(value).replace("\r\n", "\n")


def same_output(mine: str, expected: str) -> bool:
    """Whether a program printed what was expected: line by line and word by word.

    Blank ends of lines and of the whole do not count, yes and no may be in either case, integers compare exactly, and
    numbers of which one is written with a point or an exponent agree within 1e-6, absolute or relative.

    >>> same_output("YES 1.0000001\\n", "yes 1.0"), same_output("3", "3.1"), same_output("1_000", "1000")
    (True, False, False)
    """
    return _same(mine, expected, _same_word)


def same_output_as_published(mine: str, expected: str) -> bool:
    """The comparison of Reasoning360: words are equal, or numbers within 1e-6 as floats, long integers too.

    >>> same_output_as_published("100000000000000000001", "100000000000000000002")
    True
    """
    return _same(mine, expected, _same_word_as_published)


def _same(mine: str, expected: str, same_word: Any) -> bool:
    left, right = ([line.split() for line in text.strip().splitlines()] for text in (mine, expected))
    if len(left) != len(right):
        return False
    pairs = zip(left, right, strict=True)
    return all(len(a) == len(b) and all(map(same_word, a, b)) for a, b in pairs)


_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def _same_word(mine: str, expected: str) -> bool:
    if mine == expected:
        return True
    if mine.lower() == expected.lower() and mine.lower() in ("yes", "no"):
        return True
    if _INTEGER.fullmatch(mine) and _INTEGER.fullmatch(expected):
        signs = [text.startswith("-") for text in (mine, expected)]
        digits = [text.lstrip("+-").lstrip("0") for text in (mine, expected)]
        return digits[0] == digits[1] and (signs[0] == signs[1] or not digits[0])
    if _NUMBER.fullmatch(mine) and _NUMBER.fullmatch(expected):
        a, b = float(mine), float(expected)
        return abs(a - b) <= 1e-6 * max(1.0, abs(b))
    return False


def _same_word_as_published(mine: str, expected: str) -> bool:
    if mine == expected or (mine.lower() == expected.lower() and mine.lower() in ("yes", "no")):
        return True
    try:
        return abs(float(mine) - float(expected)) <= 1e-6
    except (ValueError, OverflowError):
        return False
