"""Processes for work that may hang: warm, killed when their time is up, replaced by a fork that costs milliseconds.

Each worker is a keeper, started once, that has imported what the work needs and forks the process that does it. A
piece of work has processor time, counted by the kernel from its own start, so that neither queueing nor a loaded
machine eats it; the wall deadline, twice as long, is for work that sleeps. Requests and replies are lines of JSON.
"""

import contextlib
import importlib
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

MEMORY_BYTES = 4 << 30
"""Address space of a worker."""

_ROOT = Path(__file__).parents[2]
_PREFIX = "eval.verifiers."
_FINISHED = 75
"""Exit code of a process whose requests have ended, unlike any code that work might end with."""


class Outcome(NamedTuple):
    """What became of a piece of work: its value, or why there is none."""

    value: Any
    failure: str = ""
    """`time_limit` and `memory_limit` are the work's own doing, `overloaded` and `worker_died` are not, `error` is what
    the function raised."""

    message: str = ""


def call(function: str, arguments: Mapping[str, Any], deadline_s: float, cpu_s: float | None = None) -> Outcome:
    """Run `module:function` of `eval.verifiers` in a worker.

    Args:
        function: what to call, such as `eval.verifiers.mathematics.fallback:same`.
        arguments: keyword arguments that JSON can carry.
        deadline_s: wall seconds from the start of the work.
        cpu_s: processor seconds that the work has; half of the deadline if not given.

    Raises:
        ValueError: the function is not one of ours.
    """
    if not function.startswith(_PREFIX):
        raise ValueError(f"workers run functions of {_PREFIX}* only, not {function!r}")
    return _pool(function.partition(":")[0]).call(function, arguments, deadline_s, cpu_s)


_pools: dict[tuple[int, str], "Pool"] = {}
_lock = threading.Lock()


def _pool(module: str) -> "Pool":
    # By process, because a fork of ours must not write into its parent's pipes.
    with _lock:
        return _pools.setdefault((os.getpid(), module), Pool(module, os.cpu_count() or 1))


class Pool:
    """Workers for the functions of one module, started when they are first needed.

    Args:
        module: imported by each keeper, so that a replaced worker is warm.
        size: most workers at once; further callers wait, and their time does not run.
    """

    def __init__(self, module: str, size: int) -> None:
        self.module = module
        self.free: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        for _ in range(size):
            self.free.put(None)

    def call(
        self, function: str, arguments: Mapping[str, Any], deadline_s: float, cpu_s: float | None = None
    ) -> Outcome:
        """See `call` of this module."""
        worker = self.free.get()
        try:
            if worker is None or not worker.alive():
                worker = Worker(self.module)
            return worker.call(function, arguments, deadline_s, cpu_s)
        finally:
            self.free.put(worker)

    def close(self) -> None:
        """End the workers that are free."""
        workers = []
        with contextlib.suppress(queue.Empty):
            while True:
                workers.append(self.free.get_nowait())
        for worker in workers:
            if worker is not None:
                worker.close()
            self.free.put(None)


class Worker:
    """One keeper and the process it keeps; does one thing at a time."""

    def __init__(self, module: str) -> None:
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys; from eval.verifiers.workers import keep; keep(sys.argv[1])", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self.buffer = b""
        self.pid = 0
        self.starting = True

    def alive(self) -> bool:
        """Whether the keeper still runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the keeper and its process."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def call(
        self, function: str, arguments: Mapping[str, Any], deadline_s: float, cpu_s: float | None = None
    ) -> Outcome:
        """Do one piece of work; whatever happens, the worker is ready for the next one or not `alive`."""
        request = {"function": function, "arguments": arguments, "limit_s": cpu_s or deadline_s / 2}
        try:
            if self.starting:
                # A keeper may need seconds to import; the work's time begins when it is ready.
                if self._reply(time.monotonic() + 120) is None:
                    self.close()
                    return Outcome(None, "worker_died", "the keeper did not start")
                self.starting = False
            self._send(request)
            reply = self._reply(time.monotonic() + deadline_s)
            if reply is None and self.alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
                reply = self._reply(time.monotonic() + 1)
                self._ready(reply)
                return Outcome(None, "overloaded", f"no reply within {deadline_s:g} s")
            self._ready(reply)
        except OSError as failure:
            self.close()
            return Outcome(None, "worker_died", str(failure))
        if reply is None:
            self.close()
            return Outcome(None, "worker_died", "the keeper ended")
        return Outcome(reply.get("value"), reply.get("failure", ""), reply.get("message", ""))

    def _ready(self, reply: dict[str, Any] | None) -> None:
        """After a death, wait for the next process to say its number."""
        if reply and reply.get("died") and self._reply(time.monotonic() + 5) is None:
            self.close()

    def _send(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def _reply(self, until: float) -> dict[str, Any] | None:
        """The next line; None after the time, or where the keeper has ended. A process's number is kept on the way."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return None
            piece = os.read(descriptor, 1 << 16)
            if not piece:
                return None
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        reply = json.loads(line)
        self.pid = reply.get("pid", self.pid)
        return reply


def keep(module: str) -> None:
    """A keeper's whole life: import, then fork a process to work until it ends, and again until there is no more."""
    # What the work prints must not get among the replies.
    replies = os.dup(1)
    os.dup2(2, 1)
    # `warm` imports and tries what the work needs, so that a fork does not have to.
    getattr(importlib.import_module(module), "warm", lambda: None)()
    while True:
        child = os.fork()
        if not child:
            _work(replies)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _FINISHED:
            return
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        failure = "time_limit" if number == signal.SIGPROF else "worker_died"
        _write(replies, {"died": True, "failure": failure, "message": f"signal {number}"})


def _write(descriptor: int, reply: dict[str, Any]) -> None:
    line = json.dumps(reply).encode() + b"\n"
    while line:
        line = line[os.write(descriptor, line) :]


def _work(replies: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _write(replies, {"pid": os.getpid()})
    while line := _line(0):
        request = json.loads(line)
        # SIGPROF's default action ends the process: no handler that the work could delay.
        signal.setitimer(signal.ITIMER_PROF, request["limit_s"])
        reply = _done(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(replies, reply)
    os._exit(_FINISHED)


def _done(request: dict[str, Any]) -> dict[str, Any]:
    module, _, name = request["function"].partition(":")
    try:
        return {"value": getattr(importlib.import_module(module), name)(**request["arguments"])}
    except MemoryError:
        return {"failure": "memory_limit"}
    except Exception as failure:  # foreign code ends here; what it raised is on record
        return {"failure": "error", "message": f"{type(failure).__name__}: {failure}"[:500]}


_pending = b""


def _line(descriptor: int) -> bytes:
    global _pending
    while b"\n" not in _pending:
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            return b""
        _pending += piece
    line, _, _pending = _pending.partition(b"\n")
    return line


def rehearse(action: str, amount: float) -> Any:
    """Misbehave on request, to see that a pool survives it: `spin`, `sleep`, `fill`, `exit`, `raise`; `echo`, `pid`."""
    if action == "spin":
        end = time.process_time() + amount
        while time.process_time() < end:
            pass
    if action == "sleep":
        time.sleep(amount)
    if action == "fill":
        return len(bytearray(int(amount)))
    if action == "exit":
        os._exit(int(amount))
    if action == "raise":
        raise ValueError("rehearsed")
    return os.getpid() if action == "pid" else amount
