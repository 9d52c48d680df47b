"""The warm interpreter: forks a judging process for every program, watches it, and ends it where it breaks a limit.

It is started once, encloses itself, and then serves. It runs no program itself and sees none: the caller and the
judging process talk over a socket of their own, of which this process only holds an end to say how it ended.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from eval.sandbox.inside import candidate, child, confine, kernel, link
from eval.sandbox.inside.watching import Usage, children, end_all, read, resident_bytes

_OFTEN = """
abc array ast bisect cmath collections collections.abc contextlib copy dataclasses datetime decimal enum
fractions functools heapq io itertools json math numbers operator queue random re string struct textwrap
threading traceback types typing
"""
PRELOADED = _OFTEN.split()
"""Modules that programs often import, here once for all of them."""

FIRST_LOOK_S, LONGEST_PAUSE_S = 0.05, 0.25
"""When a program is first looked at, and the longest time between two looks."""


@dataclass
class _Job:
    pid: int
    pidfd: int
    caller: int
    limits: dict[str, Any]
    usage: Usage
    begin: float
    looked: float
    next_look: float
    killed: str | None = None


def main(arguments: list[str]) -> NoReturn:
    """Serve until the caller is gone.

    Args:
        arguments: the descriptor of the command socket, and a JSON object: `backend`, `packages` (folders to import
            from), and what the back-end's enclosure takes.
    """
    descriptor, config = int(arguments[0]), json.loads(arguments[1])
    caller_process = os.pidfd_open(config["caller"]) if config["caller"] else None
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no KeyboardInterrupt in a judging process
    enclosure = _enclosure(config)
    sys.path[:] = [one for one in sys.path if one != config["source"]] + config["packages"]
    for name in PRELOADED:
        importlib.import_module(name)
    proc = enclosure.prepare()
    inner = os.fork() if config["backend"] == "namespaces" else 0
    if inner:
        kernel.close_all_but([0, 1, 2])
        _, status = os.waitpid(inner, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    kernel.die_with_parent()
    enclosure.settle()
    candidate.streams()
    confine.filter_lines()
    gc.collect()
    gc.freeze()
    os.write(descriptor, b"ready")
    _Warm(enclosure, proc, descriptor, caller_process).serve()


def _enclosure(config: dict[str, Any]) -> Any:
    kept = {name: config[name] for name in ("user", "group", "paths", "landlock", "seccomp")}
    if config["backend"] == "namespaces":
        from eval.sandbox.namespaces import Namespaces

        return Namespaces(**kept)
    from eval.sandbox.local import Local

    return Local(**kept, base=config["base"], boxed=config["backend"] == "bubblewrap")


class _Warm:
    def __init__(self, enclosure: Any, proc: int, commands: int, caller_process: int | None) -> None:
        self._enclosure = enclosure
        self._proc = proc
        self._commands = socket.socket(fileno=commands)
        self._caller_process = caller_process
        self._shared = resident_bytes(proc, "self")
        self._jobs: dict[int, _Job] = {}
        self._poll = select.epoll()
        self._out_of_memory = _oom_kills(proc)
        for one in (commands, caller_process):
            if one is not None:
                self._poll.register(one, select.EPOLLIN)

    def serve(self) -> NoReturn:
        while True:
            looks = [job.next_look for job in self._jobs.values()]
            pause = max(0.0, min(looks) - time.monotonic()) if looks else -1
            for descriptor, _ in self._poll.poll(pause):
                if descriptor in self._jobs:
                    self._ended(self._jobs[descriptor])
                elif descriptor == self._caller_process:
                    self._leave()
                else:
                    self._accept()
            now = time.monotonic()
            for job in list(self._jobs.values()):
                if job.next_look <= now:
                    self._look(job, now)

    def _leave(self) -> NoReturn:
        for job in self._jobs.values():
            self._kill(job, "caller")
        self._sweep()
        os._exit(0)

    def _accept(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._commands, 1 << 16, 3)
        if not message:
            self._leave()
        caller, output, errors = descriptors
        limits = json.loads(message)
        begin = time.monotonic()
        try:
            self._enclosure.begin()
            pid = os.fork()
        except OSError as failed:
            self._tell(caller, {"setup": f"fork: {failed}"})
            pid = -1
        if pid == 0:
            self._become_judge(limits, caller, output, errors)
        self._enclosure.began()
        os.close(output)
        os.close(errors)
        if pid < 0:
            os.close(caller)
            return
        pidfd = os.pidfd_open(pid)
        outer = int(read(self._proc, f"self/fdinfo/{pidfd}").partition("Pid:")[2].split()[0])
        job = _Job(pid, pidfd, caller, limits, Usage(outer, self._shared), begin, begin, begin + FIRST_LOOK_S)
        self._jobs[pidfd] = job
        self._poll.register(pidfd, select.EPOLLIN)

    def _become_judge(self, limits: dict[str, Any], caller: int, output: int, errors: int) -> NoReturn:
        try:
            kernel.close_all_but([0, 1, 2, caller, output, errors, *self._enclosure.kept()])
            child.run(self._enclosure, limits, caller, output, errors)
        finally:
            os._exit(5)

    def _look(self, job: _Job, now: float) -> None:
        usage, limits = job.usage, job.limits
        usage.sample(self._proc, now - job.looked)
        elapsed = now - job.begin
        if usage.cpu_s >= limits["cpu_s"]:
            self._kill(job, "cpu")
        elif elapsed - usage.waited_s >= limits["wall_s"]:
            self._kill(job, "wall")
        elif elapsed >= limits["stop_s"]:
            self._kill(job, "starved")
        elif usage.resident_bytes > limits["memory_bytes"]:
            self._kill(job, "memory")
        elif usage.processes > limits["processes"] + 2:
            self._kill(job, "processes")
        left = min(
            limits["cpu_s"] - usage.cpu_s, limits["wall_s"] - elapsed + usage.waited_s, limits["stop_s"] - elapsed
        )
        job.looked = now
        job.next_look = now + min(LONGEST_PAUSE_S, max(0.01, left), max(FIRST_LOOK_S, elapsed / 4))

    def _kill(self, job: _Job, reason: str) -> None:
        job.killed = job.killed or reason
        signal.pidfd_send_signal(job.pidfd, signal.SIGKILL)
        if not self._enclosure.dies_whole:
            for pid in job.usage.members[1:]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def _ended(self, job: _Job) -> None:
        _, status, _ = os.wait4(job.pid, 0)
        seconds = time.monotonic() - job.begin
        self._poll.unregister(job.pidfd)
        del self._jobs[job.pidfd]
        os.close(job.pidfd)
        if not self._enclosure.dies_whole:
            self._sweep()
            self._enclosure.clear(job.pid)
        kills = _oom_kills(self._proc) if job.killed is None and seconds > FIRST_LOOK_S else self._out_of_memory
        end = {
            "killed": job.killed,
            "seconds": seconds,
            "cpu_s": job.usage.cpu_s,
            "waited_s": job.usage.waited_s,
            "peak_bytes": job.usage.peak_bytes,
            "status": status,
            "machine_out_of_memory": kills != self._out_of_memory,
        }
        self._out_of_memory = kills
        self._tell(job.caller, {"end": end})
        os.close(job.caller)

    def _tell(self, caller: int, message: dict[str, Any]) -> None:
        try:
            link.send(caller, message)
        except link.LinkClosed:
            return

    def _sweep(self) -> None:
        """End what outlived the process that judged it, and is this process's child now."""
        if self._enclosure.dies_whole:
            return
        judging = {job.pid for job in self._jobs.values()} | self._enclosure.helpers
        while left := [pid for pid in children(os.getpid()) if pid not in judging]:
            end_all(left)


def _oom_kills(proc: int) -> str:
    """How many processes the kernel has killed for memory on this machine."""
    return read(proc, "vmstat").partition("oom_kill ")[2].split("\n")[0]
