"""Programs per processor second in the sandbox; run by hand, alone on the machine:
pytest -m bench tests/bench/test_sandbox_speed.py -s

Processor time of everything: this process, the warm interpreter, the judging processes and the programs, as the whole
machine's idle time would hide nothing. The plain way starts an interpreter for each program.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eval.sandbox.probe import proved
from eval.sandbox.programs import Sandbox, functional
from eval.sandbox.run import run
from eval.sandbox.servers import Warm, warm

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.timeout(600)]

COUNT = 500


def cpu_s(pid):
    """Processor seconds of a process tree's root with all that it waited for, itself and its only child."""
    total = 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in (pid, *children):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split()
        total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


@pytest.mark.parametrize(("backend", "least"), [("namespaces", 100), ("local", 100)])
@pytest.mark.parametrize("kind", ["script", "function"])
def test_programs_per_processor_second(backend, least, kind):
    if proved(backend).level is None:
        pytest.skip(proved(backend).why)
    program = "print(sum(range(1000)))" if kind == "script" else "def f(x): return x + 1"

    def one():
        if kind == "script":
            return run(program, backend=backend).stdout == "499500\n"
        tests = ["assert f(1) == 2", "assert f(2) == 3"]
        return functional(program, tests, ["f"], sandbox=Sandbox(backend=backend)).passed

    assert one()
    where: Warm = warm(backend)
    before = sum(os.times()[:2]) + cpu_s(where.pid)
    assert all(one() for _ in range(COUNT))
    rate = COUNT / (sum(os.times()[:2]) + cpu_s(where.pid) - before)
    print(f"{backend}, {kind}: {rate:.0f} programs per processor second")  # noqa: T201 - the figure
    assert rate >= least


def test_the_plain_way():
    before = sum(os.times()[:4])
    for _ in range(50):
        subprocess.run([sys.executable, "-c", "print(sum(range(1000)))"], capture_output=True, check=True)
    print(f"python -c: {50 / (sum(os.times()[:4]) - before):.0f} programs per processor second")  # noqa: T201 - the figure
