"""What a run says, what it rests on, and that what else runs on the machine decides nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eval.sandbox.limits import Limits
from eval.sandbox.probe import proved
from eval.sandbox.run import IsolationRefused, choose, run
from eval.sandbox.servers import warm
from eval.sandbox.tries import LEVELS

LIMITS = Limits(cpu_s=1, wall_s=3, deadline_s=60, processes=32)


@pytest.fixture(params=["namespaces", "local"], scope="module")
def backend(request):
    found = proved(request.param)
    if found.level is None:
        pytest.skip(f"{request.param} does not run here: {found.why}")
    return request.param


@pytest.mark.parametrize(
    ("program", "status", "code"),
    [
        ("print(input())", "ok", 0),
        ("raise SystemExit", "ok", 0),
        ("import sys; sys.exit(3)", "error", 3),
        ("import sys; sys.exit('gone')", "error", 1),
        ("1/0", "error", 1),
        ("(", "error", 1),
        ("a\x00b", "error", 1),
        ("import os; os.abort()", "error", -6),
        ("import os; os._exit(7)", "error", 7),
        ("import asyncio\nasyncio.run(asyncio.sleep(0.01))", "ok", 0),
        ("print(open('/dev/stdin').read(), open(0).read())", "ok", 0),
        ("import multiprocessing as m\nwith m.get_context('fork').Pool(2) as p: print(p.map(abs, [-1, 2]))", "ok", 0),
        ("import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(4)']).returncode)", "ok", 0),
        ("import threading\nthreading.Thread(target=print, args=('late',)).start()", "ok", 0),
        ("import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else f(n - 1)\nf(50000)", "ok", 0),
        ("import numpy as np\nprint(np.arange(3).sum())", "ok", 0),
    ],
)
def test_a_program_ends_as_in_any_interpreter(program, status, code, backend):
    if backend == "local" and ("/dev/stdin" in program or "multiprocessing" in program):
        pytest.skip("local has the machine's own /dev, and may not write to its shared memory")
    found = run(program, "hello\n", limits=LIMITS, backend=backend)
    assert (found.status, found.returncode, found.passed) == (status, code, None), found
    assert found.isolation == f"{LEVELS[backend]} ({backend})"


def test_text_that_is_no_unicode_goes_in_and_comes_out(backend):
    program = "import sys\nsys.stdout.buffer.write(b'\\xff' + sys.stdin.buffer.read())"
    assert run(program, "\udcfe é", backend=backend).stdout == "�� é"


def test_limits_are_checked_and_levels_below_the_required_one_refused(backend):
    with pytest.raises(ValueError, match="cpu_s=0"):
        Limits(cpu_s=0)
    assert choose(backend, LEVELS[backend]) is warm(backend)
    if LEVELS[backend] == "limited":
        with pytest.raises(IsolationRefused, match="isolated runs are impossible on this machine"):
            run("print(1)", backend=backend, require="isolated")


def test_each_run_begins_fresh(backend):
    run("import builtins, json, os\nbuiltins.print = None\njson.x = 1\nopen('left', 'w').write('x')", backend=backend)
    found = run("import json, os\nprint(hasattr(json, 'x'), sorted(os.listdir()))", backend=backend)
    assert found.stdout == "False ['.stdin', 'solution.py']\n"


def test_the_same_program_draws_the_same_numbers(backend):
    texts = {run("import random\nprint(random.random(), hash('a'))", backend=backend).stdout for _ in range(3)}
    assert len(texts) == 1


def test_sleeping_is_judged_by_its_own_time_and_waiting_for_a_processor_is_not(backend):
    assert run("import time\ntime.sleep(1)", limits=LIMITS, backend=backend).status == "ok"
    found = run("import time\ntime.sleep(99)", limits=Limits(cpu_s=0.3, wall_s=0.6, deadline_s=20), backend=backend)
    assert found.status == "time_limit" and found.cpu_s < 0.3 and found.tries == 1


def test_a_deadline_holds_within_a_second(backend):
    for program in ("while True: pass", "import time\ntime.sleep(99)"):
        begin = time.monotonic()
        run(program, limits=Limits(cpu_s=5, wall_s=5, deadline_s=0.8), backend=backend)
        assert time.monotonic() - begin < 1.8


def test_starved_by_the_machine_is_tried_again_and_then_no_verdict(backend):
    # Six busy processes beside it on the one processor that all may use, and a deadline that leaves it no chance.
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs processor affinity")
    one = min(os.sched_getaffinity(0))
    busy = f"import os\nos.sched_setaffinity(0, [{one}])\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-S", "-c", busy]) for _ in range(6)]
    try:
        program = f"import os\nos.sched_setaffinity(0, [{one}])\nx = 0\nfor _ in range(10**9): x += 1"
        found = run(program, limits=Limits(cpu_s=2, wall_s=1.5, deadline_s=3), backend=backend)
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert found.status == "infra_error" and found.tries == 2, found
    assert found.waited_s > 0.5


def mixed_programs(count):
    """(program, status) of many small programs, one of each kind after the other."""
    loop = "x = 0\nfor i in range({0}): x += i\nprint(x)"
    kinds = [
        ("print({0})", "ok"),
        (loop, "ok"),
        ("raise ValueError({0})", "error"),
        ("import sys; sys.exit({0} % 7 + 1)", "error"),
        ("import time; time.sleep(0.01)\nprint({0})", "ok"),
        ("print(sorted(str({0}) * 10))", "ok"),
        ("import json, re, collections\nprint(json.dumps(dict(collections.Counter(str({0})))))", "ok"),
    ]
    return [(kinds[n % 7][0].format(n * 100), kinds[n % 7][1]) for n in range(count)]


def verdicts(programs, backend, at_once):
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda one: run(one[0], limits=LIMITS, backend=backend), programs))


def resident_bytes(pid):
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_in_a_row_and_64_at_once_fail_never_and_leave_nothing(count, backend):
    programs = mixed_programs(count)
    found = verdicts(programs[:64], backend, 64)
    where = warm(backend)
    files, memory = len(list(Path("/proc/self/fd").iterdir())), resident_bytes(where.pid)
    mine = resident_bytes("self")
    found += verdicts(programs[64:], backend, 2)
    assert [one.status for one in found] == [status for _, status in programs]
    assert len(list(Path("/proc/self/fd").iterdir())) <= files + 2
    assert resident_bytes(where.pid) - memory < 4 << 20
    assert resident_bytes("self") - mine < (32 << 20)


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_verdicts_are_the_same_beside_busy_processes(count, backend):
    programs = mixed_programs(count - 4)
    programs += [("while True: pass", "time_limit"), ("import time; time.sleep(99)", "time_limit")] * 2
    others = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(8)]
    try:
        beside = [one.status for one in verdicts(programs, backend, 4)]
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert beside == [status for _, status in programs]


def test_threads_share_one_warm_interpreter_and_a_fork_starts_its_own(backend):
    run("print(1)", backend=backend)
    where = warm(backend)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(warm(backend))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(map(id, seen)) == {id(where)}


def test_a_warm_interpreter_that_dies_is_replaced(backend):
    run("print(1)", backend=backend)
    where = warm(backend)
    os.kill(where.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert run("print(2)", backend=backend).stdout == "2\n"


def test_the_command_prints_one_object(tmp_path, root):
    program, text = tmp_path / "p.py", tmp_path / "in.txt"
    program.write_text("print(input() * 2)")
    text.write_text("ab\n")
    command = [sys.executable, "-m", "eval.sandbox"]
    done = subprocess.run(
        [*command, "run", str(program), f"stdin={text}", "deadline=20"], cwd=root, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert (found["status"], found["passed"], found["stdout"], done.returncode) == ("ok", None, "abab\n", 0)
    assert {"stderr", "seconds", "isolation"} <= set(found)
    for arguments in (["run"], ["run", str(program), "dedline=3"], ["walk"], []):
        mistake = subprocess.run([*command, *arguments], cwd=root, capture_output=True, text=True)
        assert mistake.returncode == 2
    done = subprocess.run([*command, "probe"], cwd=root, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["backend"] for line in lines] == list(LEVELS)
    assert all(set(line) == {"backend", "level", "holds", "why", "uses"} for line in lines)
