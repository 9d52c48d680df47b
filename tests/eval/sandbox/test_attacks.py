"""Programs that try to get out, to stay, to use the machine up or to forge a verdict, at every level there is here."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from eval.sandbox.limits import Limits
from eval.sandbox.probe import proved
from eval.sandbox.programs import Sandbox, functional
from eval.sandbox.run import run

LIMITS = Limits(cpu_s=0.5, wall_s=1.5, deadline_s=60, memory_bytes=256 << 20, file_bytes=1 << 20, processes=24)
BACKENDS = ("namespaces", pytest.param("bubblewrap", marks=pytest.mark.slow), "local")  # a box costs 150 ms each


@pytest.fixture(params=BACKENDS, scope="module")
def backend(request):
    found = proved(request.param)
    if found.level is None:
        pytest.skip(f"{request.param} does not run here: {found.why}")
    return request.param


@pytest.fixture
def isolated(backend):
    if proved(backend).level != "isolated":
        pytest.skip(f"{backend} does not claim to be isolated here")
    return backend


def attack(program, backend, **options):
    return run(program, limits=LIMITS, backend=backend, **options)


def processes_with(mark):
    """Processes of this machine whose command or environment holds a mark."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                    found.append(folder.name)
    return found


ENDLESS = {
    "loop": "while True: pass",
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "threads": "import threading\ndef f():\n    while True: pass\n"
    "for _ in range(8): threading.Thread(target=f).start()",
    "signals ignored": "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
    "    except (OSError, ValueError): pass\nwhile True: pass",
    "stopped": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "sleep": "import time\ntime.sleep(1000)",
    "sleep in a child": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-S', '-c', 'import time; time.sleep(99)'])",
    "a thread left behind": "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    "alarm of its own": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\n"
    "signal.signal(signal.SIGALRM, lambda *a: None)\nwhile True: signal.pause()",
}


def test_what_never_ends_is_ended_at_its_limit(backend):
    begin = time.monotonic()
    with ThreadPoolExecutor(len(ENDLESS)) as pool:
        found = dict(zip(ENDLESS, pool.map(lambda program: attack(program, backend), ENDLESS.values()), strict=True))
    statuses = {name: one.status for name, one in found.items()}
    assert statuses.pop("fork bomb") in ("time_limit", "error"), found["fork bomb"]
    assert set(statuses.values()) == {"time_limit"}, found
    assert time.monotonic() - begin < LIMITS.latest_s + 1
    assert 0.4 < found["loop"].cpu_s < 2 and found["sleep"].cpu_s < 0.3


MEMORY = {
    "at once": "x = bytearray(8 << 30)",
    "bit by bit": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "in children": "import os, time\nfor _ in range(9):\n    if os.fork() == 0:\n        x = bytes(64 << 20)\n"
    "        y = x.replace(bytes(1), b'1')\n        time.sleep(30)\ntime.sleep(30)",
    "numbers": "x = 1 << (1 << 40)",
}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_limited_for_a_process_and_for_all_together(name, backend):
    found = run(MEMORY[name], limits=replace(LIMITS, cpu_s=5, wall_s=10), backend=backend)
    assert found.status == "memory_limit", found
    assert found.peak_bytes < 6 * LIMITS.memory_bytes


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_gigabyte_of_output_is_cut_and_is_a_limit(stream, backend):
    found = attack(f"import sys\nfor _ in range(1024): sys.{stream}.write('x' * (1 << 20))", backend)
    assert found.status == "output_limit"
    assert len(found.stdout) + len(found.stderr) <= 2 * LIMITS.file_bytes


def test_files_are_limited_in_size_and_where_the_folder_is_a_file_system_in_sum(backend):
    program = "for n in range(200):\n    with open(f'f{n}', 'wb') as f: f.write(bytes(1 << 20))\nprint('all')"
    found = attack(program, backend)
    if backend != "local":
        assert "No space left" in found.stderr
    big = attack("open('f', 'wb').write(bytes(2 << 20))", backend)
    assert big.status == "error"


def test_a_process_left_behind_is_ended_with_the_program(backend):
    mark = f"left-behind-{os.getpid()}-{backend}"
    program = f"""
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(600)", {mark!r}], {{}})
    os._exit(0)
print("started")
"""
    found = attack(program, backend)
    assert found.status == "ok" and found.stdout == "started\n", found
    deadline = time.monotonic() + 5
    while processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(mark) == []


def test_the_process_that_judges_cannot_be_ended(isolated):
    program = """
import os
for number in (9, 15, 19):
    try:
        os.kill(os.getppid(), number)
    except OSError:
        pass
print("still")
"""
    found = attack(program, isolated)
    assert found.status == "ok" and found.stdout == "still\n"


def test_ending_everything_it_may_is_no_failure_of_the_sandbox(backend):
    found = attack("import os\nos.kill(-1, 9)", backend)
    assert found.status in ("ok", "error")
    assert run("print(1)", backend=backend).stdout == "1\n"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/etc/shadow", "/proc/1/environ", "/proc/self/environ", "/etc/hostname", "/root/.bashrc"]
)
def test_files_outside_cannot_be_read(path, isolated):
    found = attack(f"print(open({path!r}, 'rb').read())", isolated)
    assert found.status == "error" and found.stdout == ""


def test_this_repository_and_its_tests_cannot_be_read(isolated, root):
    found = attack(f"import os\nprint(os.path.exists({str(root / 'tests')!r}))", isolated)
    assert found.stdout == "False\n"


def test_the_environment_is_empty_but_for_a_few_fixed_names(backend, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "value-of-the-token")
    found = attack("import os\nprint(dict(os.environ))", backend)
    assert "SECRET_TOKEN" not in found.stdout and "PYTHONHASHSEED" in found.stdout
    parent = attack("import os\nprint(open(f'/proc/{os.getppid()}/environ').read())", backend)
    assert "value-of-the-token" not in parent.stdout


def test_no_connection_is_made(isolated):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"""
import socket
for kind in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
    for what in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            one = socket.socket(kind, what)
            one.connect(("127.0.0.1", {port}))
            print("connected", kind, what)
        except (OSError, TypeError):
            pass
"""
        found = attack(program, isolated)
    assert found.status == "ok" and found.stdout == ""


def test_a_program_that_asks_for_a_connection_says_so(isolated):
    found = attack("import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1')", isolated)
    assert found.status == "error"
    assert "unreachable" in found.stderr


@pytest.mark.parametrize("path", ["/etc/x", "/usr/x", "/x", "/dev/x", "/var/tmp/x", "/lib/x"])
def test_nothing_is_written_outside(path, isolated):
    found = attack(f"open({path!r}, 'w').write('x')", isolated)
    assert found.status == "error"
    assert not Path(path).exists()


def test_links_lead_nowhere(isolated, tmp_path):
    target = tmp_path / "target"
    target.write_text("kept")
    tmp_path.chmod(0o777)
    target.chmod(0o666)
    program = f"""
import os
os.symlink({str(target)!r}, "link")
read, write = (lambda: open("link").read()), (lambda: open("link", "w").write("x"))
for attempt in (read, write, lambda: os.link("/usr/bin/env", "e")):
    try:
        print("did", attempt())
    except OSError:
        pass
"""
    found = attack(program, isolated)
    assert found.stdout == "" and target.read_text() == "kept"


def test_deleting_its_folder_leaves_nothing_and_breaks_nothing(backend):
    found = attack("import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)\nprint(1)", backend)
    assert found.status == "ok" and found.stdout == "1\n"
    program = "import os\nfor _ in range(1500):\n    os.mkdir('d'); os.chdir('d')\nos.chmod('.', 0)"
    deep = run(program, limits=replace(LIMITS, cpu_s=10, wall_s=20), backend=backend)
    assert deep.status in ("ok", "error")
    assert run("print(2)", backend=backend).stdout == "2\n"


def test_local_leaves_no_folder_behind():
    if proved("local").level is None:
        pytest.skip("local does not run here")
    attack(
        "import os\nfor n in range(3): os.makedirs(f'a{n}/b'); os.chmod(f'a{n}', 0)\nopen('x', 'w').write('x')", "local"
    )
    from eval.sandbox.servers import warm

    deadline = time.monotonic() + 10
    while list(Path(warm("local").base).iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(Path(warm("local").base).iterdir()) == []


def test_no_core_is_dumped(backend):
    before = set(Path.cwd().iterdir())
    found = attack("import ctypes, os\nctypes.string_at(0)", backend)
    assert found.returncode == -11
    assert set(Path.cwd().iterdir()) == before


TRICKS = {
    "ptrace": "import ctypes, os\nlibc = ctypes.CDLL(None)\nprint(libc.ptrace(16, os.getppid(), 0, 0))",
    "trace me": "import ctypes\nprint(ctypes.CDLL(None).ptrace(0, 0, 0, 0))",
    "new namespaces": "import ctypes\nprint(ctypes.CDLL(None).unshare(0x10000000))",
    "mount": "import ctypes\nprint(ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None))",
    "chroot": "import os\ntry: os.chroot('/tmp'); print(0)\nexcept OSError: print(-1)",
    "memory that no limit counts": "import os\ntry: os.memfd_create('x'); print(0)\nexcept OSError: print(-1)",
    "another user": "import os\ntry: os.setuid(0); print(0)\nexcept OSError: print(-1)",
}


@pytest.mark.parametrize("name", TRICKS)
def test_calls_that_no_program_needs_are_refused(name, isolated):
    assert attack(TRICKS[name], isolated).stdout == "-1\n"


SOLUTION = "def f(x):\n    return x\n"
FORGED = {
    "exit at once": "import sys\nsys.exit(0)",
    "exit when called": "import sys\ndef f(x): sys.exit(0)",
    "hard exit": "import os\ndef f(x): os._exit(0)",
    "hard exit at once": SOLUTION + "import os\nos._exit(0)",
    "SystemExit": "def f(x): raise SystemExit",
    "always equal": "class E:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
    "    __hash__ = None\ndef f(x): return E()",
    "an int that is always equal": "class E(int):\n    def __eq__(self, other): return True\ndef f(x): return E(0)",
    "an equal type": "class M(type):\n    def __eq__(self, other): return True\n    __hash__ = type.__hash__\n"
    "class E(metaclass=M): pass\ndef f(x): return E",
    "its own check": "def check(candidate): pass\ndef f(x): return x",
    "patched builtins": "import builtins\nbuiltins.AssertionError = SystemExit\nbuiltins.all = lambda x: True\n"
    + SOLUTION,
    "at exit": "import atexit, os\natexit.register(lambda: os._exit(0))\n" + SOLUTION,
    "a tracer": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\n" + SOLUTION,
    "a finaliser": "import os\nclass D:\n    def __del__(self): os._exit(0)\nkept = D()\n" + SOLUTION,
    "a result on every descriptor": "import os, json, struct\n"
    "body = json.dumps({'nonce': '', 'judged': {'results': [{'ok': True}], 'asserts': 9, 'gone': None}}).encode()\n"
    "for n in range(3, 64):\n    try: os.write(n, struct.pack('=Q', len(body)) + body)\n    except OSError: pass\n"
    + SOLUTION,
    "frames": "import sys, gc\ndef f(x):\n    for one in gc.get_objects():\n"
    "        if isinstance(one, dict) and 'nonce' in one: return one['expected']\n"
    "    frame = sys._getframe()\n    while frame:\n"
    "        if 'expected' in frame.f_locals: return frame.f_locals['expected']\n"
    "        frame = frame.f_back\n    return x",
    "memory of the judge": "import os\ndef f(x):\n    return open(f'/proc/{os.getppid()}/mem', 'rb').read(10)",
    "an answer that is none": "import os\ndef f(x):\n    for n in range(3, 9):\n        try: os.write(n, b'x' * 100)\n"
    "        except OSError: pass\n    return x",
    "nothing at all": "pass",
    "a name that is no function": "f = 3",
    "an endless generator": "def f(x):\n    while True: yield x",
}
TEST = """
def check(candidate):
    expected = 41 + 1
    assert candidate(1) == expected
    assert candidate(2) == 43
check(f)
"""


@pytest.mark.parametrize("name", FORGED)
def test_no_verdict_is_forged(name, backend):
    found = functional(FORGED[name], [TEST], ["f"], "", Sandbox(LIMITS, backend))
    assert found.passed is False, found


def test_the_right_program_passes_the_same_tests(backend):
    assert functional("def f(x): return x + 41", [TEST], ["f"], "", Sandbox(LIMITS, backend)).passed is True


@pytest.mark.parametrize(
    "tests",
    [
        ["pass"],
        ["if False:\n    assert f(1) == 1"],
        ["def check(g):\n    assert g(1) == 1"],
        ["for i in []: assert f(i)"],
    ],
)
def test_tests_that_check_nothing_pass_nothing(tests, backend):
    assert functional(SOLUTION, tests, ["f"], "", Sandbox(LIMITS, backend)).passed is False


def test_a_killed_caller_takes_its_programs_along(root, tmp_path):
    mark = f"caller-killed-{os.getpid()}"
    program = f"""
import os, sys
os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(600)", {mark!r}], {{}})
"""
    script = tmp_path / "caller.py"
    script.write_text(
        "from eval.sandbox.run import run\nfrom eval.sandbox.limits import Limits\n"
        f"run({program!r}, limits=Limits(500))"
    )
    caller = subprocess.Popen([sys.executable, str(script)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    deadline = time.monotonic() + 60
    while not processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(mark)
    caller.kill()
    caller.wait()
    while processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(mark) == []
