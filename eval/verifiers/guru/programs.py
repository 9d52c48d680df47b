"""Programs as Reasoning360 scored them, but in a sandbox: the exit code of everything fenced decides.

All fenced blocks are one program; a functional one has the prefix twice in front and the tests behind, and passes if
that ends with exit code 0, `sys.exit(0)` before the tests among them. Outputs compare as floats within 1e-6, so that
long integers equal their neighbours. A program that runs too long is wrong.
"""

import re
from collections.abc import Mapping
from typing import Any

from eval.sandbox.limits import ProgramRun
from eval.sandbox.programs import stdio
from eval.sandbox.run import IsolationRefused, run
from eval.verifiers import program_text as text
from eval.verifiers.result import Result, correct, infra_error, skipped, wrong
from eval.verifiers.sandboxed import failure, sandbox_of
from eval.verifiers.strict.programs import gold_of_code, of_outputs, own_tests

LIMITS = {"cpu_s": 30.0, "wall_s": 30.0, "deadline_s": 120.0}
_BLOCK = re.compile(r"```(?:\w+)?\n(.*?)\n```", re.DOTALL)


def code(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """A program against tests, see the module; the arguments are those of the strict one."""
    given = gold_of_code(gold)
    if given is None:
        return skipped("bad_gold", message="no functional, inputs and outputs, pytest or solution_file")
    program = "\n".join(_BLOCK.findall(answer))
    if not program.strip():
        return wrong("no_fence")
    prefix = str(info.get("prefix") or "")
    sandbox = sandbox_of(options, **LIMITS)
    try:
        if "functional" in given:
            tests = given["functional"]
            source = "\n".join([prefix, prefix, program, *([tests] if isinstance(tests, str) else map(str, tests))])
            ran = run(source, "", None, sandbox.limits, sandbox.backend, sandbox.require)
            return _of_exit_code(ran, program)
        if "inputs" in given:
            inputs, outputs = ([text.text_of(one) for one in given[name]] for name in ("inputs", "outputs"))
            source = "\n".join([prefix, program])
            return of_outputs(stdio(source, inputs, outputs, text.same_output_as_published, sandbox), program)
        if "pytest" in given:
            return own_tests(str(given["pytest"]), program, sandbox)
        return own_tests(program, str(given["solution_file"]), sandbox)
    except IsolationRefused as refused:
        return infra_error("sandbox_down", message=str(refused))


def _of_exit_code(ran: ProgramRun, program: str) -> Result:
    if ran.status != "infra_error" and ran.returncode == 0:
        return correct(program, isolation=ran.isolation)
    return failure(ran, program, "tests_failed", isolation=ran.isolation, message=ran.reason)
