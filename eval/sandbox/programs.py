"""What programs are tested with: functions and assertions, standard input and output, pytest, single expressions.

Expected values never enter the candidate's process. Tests run in the process that judges; outputs are compared here.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from common.model_server import ModelServer
from eval.sandbox import fusion
from eval.sandbox.inside.values import Codec
from eval.sandbox.limits import Level, Limits, ProgramRun
from eval.sandbox.run import judge, run
from eval.sandbox.servers import Backend

MOST_AT_ONCE = 8
"""Tests of one program that run at the same time, at most; never more than there are processors."""


@dataclass(frozen=True)
class Sandbox:
    """Where and within which limits programs run; the options of a verifier."""

    limits: Limits = field(default_factory=Limits)
    backend: Backend | None = None
    require: Level | None = None

    servers: ModelServer | None = None
    """Sandbox servers (`eval.sandbox.fusion.servers`) for tests on standard input and output, instead of this machine;
    tests of functions stay here, because such a server only knows exit codes."""


def functional(
    program: str,
    tests: Sequence[str],
    entries: Sequence[str] = (),
    prefix: str = "",
    sandbox: Sandbox | None = None,
) -> ProgramRun:
    """Run tests that call a program's functions or classes.

    Args:
        program: the candidate, with whatever it shares with the tests in front of it.
        tests: sources; each one passes or fails on its own, all share one namespace.
        entries: names that the tests must find in the candidate, whatever the prefix says.
        prefix: imports and helper classes that the tests rely on.
        sandbox: where.

    Returns:
        `passed` is True if every test ran to its end and something was asserted.
    """
    sandbox = sandbox or Sandbox()
    work = {"kind": "tests", "tests": list(tests), "entries": list(entries), "prefix": prefix}
    return judge(program, work, sandbox.limits, sandbox.backend, sandbox.require)


def pytest(program: str, tests: str, sandbox: Sandbox | None = None) -> ProgramRun:
    """Run a pytest file that imports from `solution` against a program.

    Returns:
        `passed` is True if pytest collected at least one test and all of them passed; skipped ones do not count.
    """
    sandbox = sandbox or Sandbox()
    work = {"kind": "pytest", "tests": [tests]}
    return judge(program, work, sandbox.limits, sandbox.backend, sandbox.require)


@dataclass(frozen=True)
class Outputs:
    """What came of a program's tests on standard input and output."""

    passed: bool | None
    """Whether all outputs were right; None if some test could not be judged and none was wrong."""

    right: int
    total: int
    first: ProgramRun | None
    """The run of the first test that was not passed."""

    place: int = -1
    """Its place among the tests."""


def stdio(
    program: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    equal: Callable[[str, str], bool],
    sandbox: Sandbox | None = None,
    stop_at_first: bool = True,
) -> Outputs:
    """Run a program once for each input and compare what it prints.

    Args:
        program: the candidate.
        inputs: one text for standard input per test.
        outputs: the expected texts, kept in this process.
        equal: whether an output (first) is as good as the expected one.
        sandbox: where.
        stop_at_first: leave tests unrun after the first that is not passed; they count as not right.
    """
    sandbox = sandbox or Sandbox()
    right, first, place = 0, None, -1
    at_once = max(1, min(MOST_AT_ONCE, os.cpu_count() or 1, len(inputs)))

    def one(text: str) -> ProgramRun:
        if sandbox.servers is not None:
            return fusion.run(program, text, sandbox.servers, sandbox.limits)
        return run(program, text, None, sandbox.limits, sandbox.backend, sandbox.require)

    with ThreadPoolExecutor(at_once) as pool:
        for begin in range(0, len(inputs), at_once):
            found = list(pool.map(one, inputs[begin : begin + at_once]))
            for offset, (ran, expected) in enumerate(zip(found, outputs[begin:], strict=False)):
                good = ran.status == "ok" and equal(ran.stdout, expected)
                right += good
                # A wrong output outweighs an earlier test that could not be judged: the program is wrong either way.
                if not good and (first is None or (first.status == "infra_error" and ran.status != "infra_error")):
                    first, place = ran, begin + offset
            if stop_at_first and first is not None and first.status != "infra_error":
                break
    passed = None if first is not None and first.status == "infra_error" else right == len(inputs) > 0
    return Outputs(passed, right, len(inputs), first, place)


@dataclass(frozen=True)
class Value:
    """What an expression came to."""

    ok: bool
    value: Any = None
    error: str = ""


def evaluate(
    program: str, expressions: Sequence[str], sandbox: Sandbox | None = None
) -> tuple[ProgramRun, list[Value]]:
    """Evaluate expressions in a program's module, inside the sandbox.

    Returns:
        The run, and one value for each expression that was reached. Instances of classes have no value.
    """
    sandbox = sandbox or Sandbox()
    work = {"kind": "evaluate", "expressions": list(expressions)}
    ran = judge(program, work, sandbox.limits, sandbox.backend, sandbox.require)
    values = []
    for one in ran.judged.get("results", []):
        if not one["ok"]:
            values.append(Value(False, error=one["error"]))
            continue
        try:
            values.append(Value(True, Codec().decode(one["value"])))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as garbled:
            values.append(Value(False, error=f"no value: {garbled}"))
    return ran, values
