"""Programs: one is chosen before anything runs, and it passes only by the sandbox's own verdict.

An exit code says nothing here, neither does what a program prints about itself. Tests run in a process that the program
cannot reach, and expected outputs never leave this one.
"""

import json
from collections.abc import Mapping
from typing import Any

from eval.sandbox.programs import Outputs, Sandbox, functional, pytest, stdio
from eval.sandbox.run import IsolationRefused, run
from eval.verifiers import program_text as text
from eval.verifiers.result import Result, correct, infra_error, skipped, unparseable, wrong
from eval.verifiers.sandboxed import failure, sandbox_of, verdict

CPU_S, WALL_S, DEADLINE_S = 15.0, 30.0, 120.0
"""Limits of all tests of a functional program together, and of one test on standard input."""

_ANSWER_TESTS = """
import sys
import pytest

sys.path.insert(0, ".")
options = ["-q", "--noconftest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
sys.exit(pytest.main([*options, "answer.py"]))
"""


def code(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """A program against tests.

    Args:
        answer: with the program in a fenced block.
        gold: `{"functional": TESTS}` (source, or a list of sources), `{"inputs": [...], "outputs": [...]}`,
            `{"pytest": SOURCE}`, `{"solution_file": SOURCE}` (the answer is the tests of a given solution; its own
            tests decide, so a test that asserts nothing passes), or a bare list of assertions.
        info: `prefix` (what programs and tests rely on), `entry_point`, `test_setup_code`.
        options: `sandbox`, see `eval.verifiers.sandboxed.sandbox_of`.
    """
    given = gold_of_code(gold)
    if given is None:
        return skipped("bad_gold", message="no functional, inputs and outputs, pytest or solution_file")
    try:
        if "functional" in given:
            return _functional(answer, given["functional"], info, options)
        if "pytest" in given:
            return _pytest(answer, given["pytest"], info, options)
        if "solution_file" in given:
            return _answer_tests(answer, given["solution_file"], options)
        return _stdio(answer, given, info, options)
    except IsolationRefused as refused:
        return infra_error("sandbox_down", message=str(refused))


def gold_of_code(gold: Any) -> dict[str, Any] | None:
    """A row's tests as a dict in one of the forms that `code` reads; None where it has none of them."""
    if isinstance(gold, str):
        try:
            gold = json.loads(gold)
        except (ValueError, RecursionError):
            return {"functional": gold} if "assert" in gold else None
    if isinstance(gold, list):
        gold = {"functional": gold}
    if not isinstance(gold, dict):
        return None
    kinds = [name for name in ("functional", "pytest", "solution_file") if gold.get(name)]
    whole = isinstance(gold.get("inputs"), list) and isinstance(gold.get("outputs"), list)
    if not kinds and not (whole and 0 < len(gold["inputs"]) == len(gold["outputs"])):
        return None
    return gold


def _functional(answer: str, tests: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    sources = [str(one) for one in tests] if isinstance(tests, list) else text.separate(str(tests))
    prefix, setup = str(info.get("prefix") or ""), str(info.get("test_setup_code") or "")
    names = text.entries(sources, prefix + "\n" + setup, str(info.get("entry_point") or ""))
    if names is None:
        return skipped("bad_gold", message="the tests do not parse")
    body, why = text.defining_block(answer, names)
    if body is None:
        return unparseable(why) if why == "no_fence" else wrong(why)
    sandbox = sandbox_of(options, cpu_s=CPU_S, wall_s=WALL_S, deadline_s=DEADLINE_S)
    ran = functional(text.joined(prefix, body), sources, names, "\n".join([prefix, setup]).strip(), sandbox)
    return verdict(ran, body, total=len(sources))


def _pytest(answer: str, tests: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    body, why = text.script_block(answer)
    if body is None:
        return unparseable(why) if why == "no_fence" else wrong(why)
    sandbox = sandbox_of(options, cpu_s=CPU_S, wall_s=WALL_S, deadline_s=DEADLINE_S)
    ran = pytest(text.joined(str(info.get("prefix") or ""), body), str(tests), sandbox)
    return verdict(ran, body)


def _answer_tests(answer: str, solution: Any, options: Mapping[str, Any]) -> Result:
    body, why = text.script_block(answer)
    if body is None:
        return unparseable(why) if why == "no_fence" else wrong(why)
    sandbox = sandbox_of(options, cpu_s=CPU_S, wall_s=WALL_S, deadline_s=DEADLINE_S)
    return own_tests(body, str(solution), sandbox)


def own_tests(tests: str, solution: str, sandbox: Sandbox) -> Result:
    """Tests and solution in one process, by the exit code of pytest: for answers that are tests themselves."""
    files = {"answer.py": tests, "solution.py": solution}
    ran = run(_ANSWER_TESTS, "", files, sandbox.limits, sandbox.backend, sandbox.require)
    if "No module named 'pytest'" in ran.stderr:
        return skipped("missing_resource", message="pytest is not installed")
    detail = {"isolation": ran.isolation, "message": ran.stdout[-500:]}
    return correct(tests, **detail) if ran.returncode == 0 else failure(ran, tests, "tests_failed", **detail)


def _stdio(answer: str, gold: Mapping[str, Any], info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    body, why = text.script_block(answer)
    if body is None:
        return unparseable(why) if why == "no_fence" else wrong(why)
    sandbox = sandbox_of(options, cpu_s=CPU_S, wall_s=WALL_S, deadline_s=DEADLINE_S)
    inputs, outputs = ([text.text_of(one) for one in gold[name]] for name in ("inputs", "outputs"))
    found = stdio(text.joined(str(info.get("prefix") or ""), body), inputs, outputs, text.same_output, sandbox)
    return of_outputs(found, body)


def of_outputs(found: Outputs, body: str) -> Result:
    """The verdict of tests on standard input and output."""
    detail: dict[str, Any] = {"passed": found.right, "total": found.total, "pass_fraction": found.right / found.total}
    if found.first is None:
        return correct(body, **detail)
    detail |= {"isolation": found.first.isolation, "test": found.place, "message": found.first.reason}
    return failure(found.first, body, "tests_failed", **detail)
