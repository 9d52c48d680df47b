"""What this machine isolates, found out by trying: a program attempts each thing, and what came of it is looked at."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.sandbox.limits import Level, Limits
from eval.sandbox.servers import Backend, SandboxFailed, warm
from eval.sandbox.tries import LEVELS, tried

PROTECTIONS = {
    "limits": "processor time, memory and output are limited",
    "environment": "the caller's environment cannot be read",
    "files": "no file outside can be read (tried: /etc/passwd, a file of the caller's)",
    "writes": "no file outside can be written",
    "network": "no connection can be made (tried: TCP and UDP on this machine, an abstract socket)",
    "processes": "no process outside can be seen or signalled",
    "tracing": "no process can be traced",
    "forks": "the number of processes is limited",
}
"""What a probe tries, by name."""

ISOLATED = frozenset(PROTECTIONS)
"""All of it: less is not called isolated."""

LIMITED = frozenset({"limits"})
"""Less than this is not offered at all."""

_LIMITS = Limits(cpu_s=5, wall_s=10, deadline_s=30, memory_bytes=1 << 30, file_bytes=1 << 20, processes=32)

_PROGRAM = """
import ctypes, json, os, resource, socket, subprocess, sys, time
told = json.loads(sys.stdin.readline())
held = {}

def fails(attempt):
    try:
        return not attempt()
    except (OSError, MemoryError):
        return True

def reads(path):
    with open(path, "rb") as opened:
        return bool(opened.read(1))

def sends(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        one.connect(address)
        one.send(b"x")
    return True

def writes(path):
    with open(path, "w") as opened:
        opened.write("x")
    return True

def fills(path, size):
    with open(path, "wb") as opened:
        opened.write(bytes(size))
    return os.path.getsize(path) == size

def signals():
    os.kill(told["pid"], 0)
    return True

def traces():
    return ctypes.CDLL(None).ptrace(16, told["pid"], 0, 0) == 0 or ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0

def forks():
    made = []
    try:
        for _ in range(200):
            pid = os.fork()
            if pid == 0:
                time.sleep(30)
                os._exit(0)
            made.append(pid)
    except OSError:
        return False
    finally:
        for pid in made:
            os.kill(pid, 9)
        for pid in made:
            os.waitpid(pid, 0)
    return True

if told["fork"]:
    sys.stdout.write(json.dumps(fails(forks)))
    sys.exit()
held["environment"] = fails(lambda: reads(f"/proc/{told['caller']}/environ"))
held["files"] = fails(lambda: reads("/etc/passwd")) and fails(lambda: reads(told["file"]))
held["writes"] = all(fails(lambda path=path: writes(path)) for path in told["writes"])
held["network"] = all(
    (
        fails(lambda: sends(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", told["port"]))),
        fails(lambda: sends(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", told["port"]))),
        fails(lambda: sends(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + told["abstract"])),
    )
)
held["processes"] = fails(signals) and fails(lambda: reads(f"/proc/{told['pid']}/cmdline"))
held["tracing"] = fails(traces)
held["limits"] = all(
    (
        fails(lambda: len(bytearray(2 << 30)) > 0),
        fails(lambda: fills("large", 2 << 20)),
        resource.getrlimit(resource.RLIMIT_CPU)[0] < 60,
    )
)
sys.stdout.write(json.dumps(held))
"""


@dataclass(frozen=True)
class Proof:
    """What a back-end was seen to hold on this machine."""

    backend: Backend
    level: Level | None
    """None where it does not run, or holds too little."""

    holds: dict[str, bool] = field(default_factory=dict)
    """By name in `PROTECTIONS`."""

    why: str = ""
    """Why it does not run, or what keeps it from a higher level."""

    uses: dict[str, Any] = field(default_factory=dict)
    """What of the kernel it uses: version of Landlock, seccomp, the user that programs run as."""


_PROVED: dict[tuple[int, Backend], Proof] = {}
_GUARD = threading.Lock()


def proved(backend: Backend) -> Proof:
    """The proof for a back-end, made once in each process."""
    key = (os.getpid(), backend)
    with _GUARD:
        if key not in _PROVED:
            _PROVED[key] = probe(backend)
        return _PROVED[key]


def probe(backend: Backend) -> Proof:
    """Start a back-end and let a program try everything.

    The level is what all its trials together allow: `isolated` if each of `PROTECTIONS` held.
    """
    where = warm(backend)
    try:
        where.start()
    except SandboxFailed as failed:
        return Proof(backend, None, why=str(failed))
    uses = {name: where.config[name] for name in ("landlock", "seccomp", "user")}
    with _outside() as told:
        found, forks = (
            tried(
                {"mode": "script", "program": _PROGRAM, "stdin": json.dumps({**told, "fork": fork})}, {}, _LIMITS, where
            )
            for fork in (False, True)
        )
        spilled = [path for path in told["writes"] if Path(path).exists()]
    try:
        holds = {name: bool(one) for name, one in json.loads(found.stdout).items()}
    except ValueError:
        return Proof(backend, None, why=f"{found.status} {found.reason}: {found.stderr[-500:]}".strip(), uses=uses)
    holds["writes"] = holds["writes"] and not spilled
    holds["forks"] = forks.stdout == "true" or "processes" in forks.reason
    held = {name for name, one in holds.items() if one}
    missing = ", ".join(sorted(ISOLATED - held))
    level: Level | None = "limited" if held >= LIMITED else None
    if LEVELS[backend] == "isolated":
        level = "isolated" if held >= ISOLATED else None
    why = f"does not hold: {missing}" if missing else ""
    return Proof(backend, level, holds, why, uses)


@contextlib.contextmanager
def _outside() -> Iterator[dict[str, Any]]:
    """Things that a program must not reach: a server, a file, a process, folders to write to."""
    name = secrets.token_hex(8)
    server = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{name}")
    abstract.listen()
    process = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with tempfile.TemporaryDirectory() as folder, server, abstract:
        Path(folder).chmod(0o777)
        secret = Path(folder, "secret")
        secret.write_text("x")
        yield {
            "caller": os.getpid(),
            "pid": process.pid,
            "file": str(secret),
            "port": server.getsockname()[1],
            "abstract": name,
            "writes": [str(Path(folder, "written")), f"/var/tmp/{name}", f"/usr/{name}"],
        }
    process.communicate()
