"""The judging process of one program: encloses itself, starts the candidate, runs the tests, says what came of it.

It takes two messages from the caller: the program, then (once the candidate is on its way and cannot see them) the
tests and a nonce. Only this process holds the caller's socket, and only a report with the nonce counts.
"""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn, Protocol

from eval.sandbox.inside import candidate, confine, judging, kernel, link
from eval.sandbox.inside.remote import Session

STACK_BYTES = 64 << 20
STDIN = ".stdin"
"""The file in a program's folder that its standard input is; /dev/stdin leads to it."""


class Enclosure(Protocol):
    """What a back-end does in the process that it forked for one program."""

    def enter(self, limits: dict[str, Any]) -> str:
        """Enclose this process; returns the program's folder, which is then the working folder."""
        ...

    def leave(self) -> None:
        """After the candidate's end: end what is left of its processes, and remove its folder."""
        ...


def run(enclosure: Enclosure, limits: dict[str, Any], caller: int, output: int, errors: int) -> NoReturn:
    """Serve one program and end this process.

    Args:
        enclosure: how this process is closed off.
        limits: `cpu_s`, `memory_bytes`, `file_bytes`, `folder_bytes`, `open_files`, `processes`.
        caller: the caller's socket.
        output: the file that stdout goes to.
        errors: the file that stderr goes to.
    """
    try:
        try:
            folder = enclosure.enter(limits)
            spec = link.receive(caller)
            _lay_out(folder, spec)
            kernel.set_dumpable(False)
            _limit(limits)
        except Exception as failed:  # not the program's fault: nothing of it has run
            link.send(caller, {"setup": f"{type(failed).__name__}: {failed}"})
            os._exit(3)
        _judge(enclosure, spec, caller, output, errors)
    except link.LinkClosed:  # the caller is gone, and with it whoever would want the verdict
        os._exit(4)
    os._exit(0)


def _lay_out(folder: str, spec: dict[str, Any]) -> None:
    """The program, its standard input and the files that come with it."""
    files = {candidate.FILE: spec["program"], STDIN: spec.get("stdin", ""), **spec.get("files", {})}
    for name, text in files.items():
        if "/" in name:
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_bytes(text))


def _bytes(text: str) -> bytes:
    """Text as bytes: surrogates that stand for bytes as these, any other as the three bytes of its own."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _limit(limits: dict[str, Any]) -> None:
    seconds = int(limits["cpu_s"]) + 2  # the watcher is exact; this is what holds if it is late
    wanted = {
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_AS: (limits["memory_bytes"],) * 2,
        resource.RLIMIT_FSIZE: (limits["file_bytes"],) * 2,
        resource.RLIMIT_NOFILE: (limits["open_files"],) * 2,
        resource.RLIMIT_STACK: (STACK_BYTES,) * 2,
        resource.RLIMIT_CORE: (1, 1),  # 0 would still feed a core pattern that is a program
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
    }
    if limits.get("processes_of_user"):
        wanted[resource.RLIMIT_NPROC] = (limits["processes_of_user"],) * 2
    for which, (soft, hard) in wanted.items():
        most = resource.getrlimit(which)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(which, (soft, hard))


def _judge(enclosure: Enclosure, spec: dict[str, Any], caller: int, output: int, errors: int) -> None:
    mine, theirs = _socketpair()
    link.send(caller, {"started": True})
    pid = os.fork()
    if pid == 0:
        _become_candidate(spec, theirs, output, errors)
    os.close(theirs)
    os.close(errors)
    work = link.receive(caller)
    report: dict[str, Any] = {"nonce": work["nonce"]}
    if spec["mode"] == "calls":
        os.dup2(os.open("/dev/null", os.O_RDWR), 1)
        sys.stdout = candidate.streams()[1]  # what tests print goes nowhere
        try:
            report["judged"] = judging.judge(Session(mine, output), work)
        except MemoryError:
            report["judged"] = {"gone": "the answers do not fit in memory", "results": []}
            report["ended"] = {"bases": ["MemoryError"]}
        except Exception as failed:  # of the judging itself
            report["failed"] = f"{type(failed).__name__}: {failed}"
        os.kill(pid, signal.SIGKILL)
    status, usage = _wait_for(pid)
    report.setdefault("ended", _last_words(mine))
    report["returncode"] = os.waitstatus_to_exitcode(status)
    report["cpu_s"] = usage.ru_utime + usage.ru_stime
    report["peak_bytes"] = usage.ru_maxrss * 1024
    enclosure.leave()
    link.send(caller, report)


def _socketpair() -> tuple[int, int]:
    import socket

    ends = socket.socketpair()
    return ends[0].detach(), ends[1].detach()


def _become_candidate(spec: dict[str, Any], theirs: int, output: int, errors: int) -> NoReturn:
    try:
        os.setsid()
        incoming = os.open(STDIN, os.O_RDONLY)
        for source, target in ((incoming, 0), (output, 1), (errors, 2)):
            os.dup2(source, target)
        kernel.close_all_but([0, 1, 2, theirs])
        os.set_inheritable(theirs, False)
        kernel.die_with_parent()
        confine.scope_signals(spec.get("landlock", 0))
    except Exception as failed:
        os.write(2, f"the sandbox failed to start the program: {failed}".encode())
        os._exit(3)
    candidate.start(spec, theirs)


def _wait_for(pid: int) -> tuple[int, Any]:
    """The candidate's end; other children, which are orphans of its own, are taken off on the way."""
    while True:
        ended, status, usage = os.wait4(-1, 0)
        if ended == pid:
            return status, usage


def _last_words(descriptor: int) -> Any:
    """What the candidate said at its own end, if it came that far: a hint for the reason, never for the verdict."""
    os.set_blocking(descriptor, False)
    try:
        for _ in range(100):
            message = link.receive(descriptor)
            if isinstance(message, dict) and "ended" in message:
                return message["ended"]
    except link.LinkClosed:
        pass
    return None
