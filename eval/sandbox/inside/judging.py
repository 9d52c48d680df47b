"""Runs tests in the judging process against a candidate behind a link, and counts what was really checked."""

import ast
import builtins
import types
from collections.abc import Iterable
from typing import Any

from eval.sandbox.inside import collecting
from eval.sandbox.inside.remote import CandidateGone, Session
from eval.sandbox.inside.values import CannotEncode, Codec

COUNTER = "_checked"
"""The name under which a test's module holds the counter of assertions that passed."""


class _Counted(ast.NodeTransformer):
    """Calls the counter after every assertion."""

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        """One assertion, then a call that only a passed one reaches."""
        call = ast.Expr(ast.Call(ast.Name(COUNTER, ast.Load()), [], []))
        return [node, ast.fix_missing_locations(ast.copy_location(call, node))]


def compiled(tree: ast.Module, name: str) -> types.CodeType:
    """A parsed test's code with a counter behind every assertion, which changes the tree."""
    return compile(_Counted().visit(tree), name, "exec")


def expected_assertions(trees: Iterable[ast.Module]) -> int:
    """How many assertions run for sure if all tests pass: those of modules and functions outside loops and branches.

    Functions that no test calls count nothing; only `check`, as HumanEval and LeetCode name it, is looked into.

    >>> expected_assertions([ast.parse("def check(f):\\n    assert f(1)\\n    for i in []:\\n        assert f(i)")])
    1
    """
    count = 0
    for tree in trees:
        for node in tree.body:
            body = node.body if isinstance(node, ast.FunctionDef) and node.name == "check" else [node]
            count += sum(isinstance(one, ast.Assert) for one in body)
    return count


def judge(session: Session, work: dict[str, Any]) -> dict[str, Any]:
    """Run tests, or evaluate expressions, and say what came of each.

    Args:
        session: the candidate.
        work: `kind` (`tests` or `evaluate`), and for tests: `tests` (sources, each run on its own in one namespace),
            `prefix` (helpers that the tests share with the program), `entries` (names that must be the candidate's).

    Returns:
        `results`: one per test or expression, with `ok`, and `error` or `value`; `asserts`, `calls`, `expected`;
        `gone`: why the candidate ended before the last one, or None.
    """
    results: list[dict[str, Any]] = []
    report: dict[str, Any] = {"results": results, "asserts": 0, "calls": 0, "expected": 0, "gone": None}
    try:
        names = session.loaded()
        report["names"] = sorted(names)[:200]
        if work["kind"] == "evaluate":
            _evaluate(session, work["expressions"], results)
        elif work["kind"] == "pytest":
            collecting.judge(session, names, work["tests"][0], report)
        else:
            _test(session, names, work, report)
    except CandidateGone as gone:
        report["gone"] = str(gone)
    report["calls"] = session.calls
    return report


def _evaluate(session: Session, expressions: list[str], results: list[dict[str, Any]]) -> None:
    plain = Codec()
    for expression in expressions:
        try:
            value = session.ask({"do": "evaluate", "source": expression})
            results.append({"ok": True, "value": plain.encode(value)})
        except (Exception, SystemExit, KeyboardInterrupt) as raised:
            kind = "CannotEncode" if isinstance(raised, CannotEncode) else type(raised).__name__
            results.append({"ok": False, "error": f"{kind}: {raised}"[:2000]})


def _test(session: Session, names: dict[str, Any], work: dict[str, Any], report: dict[str, Any]) -> None:
    passed = 0

    def checked() -> None:
        nonlocal passed
        passed += 1

    namespace: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins, COUNTER: checked}
    helpers = work.get("prefix") or ""
    trees, unparsed = _parsed([helpers, *work["tests"]])
    wanted = _free_names(trees) & set(names)
    entries = set(work.get("entries", ()))
    wanted = {name for name in wanted if name in entries or not hasattr(builtins, name)}
    own = {name: session.named(name, names[name]) for name in sorted(wanted)}
    own = {name: kept for name, kept in own.items() if kept is not None or names[name]["is"] != "module"}
    namespace.update(own)
    try:
        if unparsed is not None:
            raise unparsed
        exec(compile(trees[0], "helpers", "exec"), namespace)
        report["expected"] = expected_assertions(trees[1:])
        codes = [compiled(tree, f"test {place}") for place, tree in enumerate(trees[1:])]
    except Exception as bad:  # the row's code, not the candidate's
        report["bad"] = f"{type(bad).__name__}: {bad}"[:500]
        return
    shared = {
        name: kept
        for name, kept in namespace.items()
        if isinstance(kept, type) and kept.__module__ == "tests" and issubclass(type(kept), type) and name in names
    }
    namespace.update({name: kept for name, kept in own.items() if name in entries})
    if shared:
        session.share({name: kept for name, kept in shared.items() if namespace[name] is kept})
    for code in codes:
        report["results"].append(_one(code, namespace))
        report["asserts"] = passed


def _one(code: types.CodeType, namespace: dict[str, Any]) -> dict[str, Any]:
    try:
        exec(code, namespace)
    except CandidateGone:
        raise
    except BaseException as raised:  # a test that fails, or a candidate that raises SystemExit
        return {"ok": False, "error": f"{type(raised).__name__}: {raised}"[:500]}
    return {"ok": True}


def _parsed(sources: list[str]) -> tuple[list[ast.Module], Exception | None]:
    """The sources that parse, and why the first other one does not."""
    trees: list[ast.Module] = []
    unparsed: Exception | None = None
    for source in sources:
        try:
            trees.append(ast.parse(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as bad:
            unparsed = unparsed or bad
    return trees, unparsed


def _free_names(trees: Iterable[ast.Module]) -> set[str]:
    """Names that some test reads."""
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
