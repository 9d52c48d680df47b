"""What a program and its descendants use: processor time, time spent waiting for a processor, memory, processes.

`/proc/PID/task/TID/schedstat` holds the nanoseconds that a thread ran and those that it was ready to run and waited.
The second is what other programs on the machine cost this one, and nothing that a verdict may depend on.
"""

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(proc: int, process: str) -> int:
    """The resident memory of a process, by its name in a /proc folder."""
    fields = read(proc, f"{process}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def read(proc: int, path: str) -> str:
    """A small file below a /proc folder; empty if the process is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY, dir_fd=proc)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 1 << 16).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def children(pid: int) -> list[int]:
    """The children of a process of this process namespace, of all its threads."""
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        return [child for thread in threads(proc, pid) for child in _children(proc, pid, thread)]
    finally:
        os.close(proc)


def threads(proc: int, pid: int) -> list[str]:
    """The threads of a process; none if it is gone."""
    try:
        folder = os.open(f"{pid}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
    except OSError:
        return []
    try:
        return os.listdir(folder)  # noqa: PTH208 - a descriptor has no Path
    except OSError:
        return []
    finally:
        os.close(folder)


def _children(proc: int, pid: int, thread: str) -> list[int]:
    return [int(child) for child in read(proc, f"{pid}/task/{thread}/children").split()]


def end_all(roots: Sequence[int]) -> None:
    """Kill children of this process with all their descendants.

    All are stopped before the first is killed: a program that forks without end is at its limit of processes then, and
    cannot refill what is killed.
    """
    stopped: set[int] = set()
    new = set(roots)
    while new:
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        stopped |= new
        new = {child for pid in stopped for child in children(pid)} - stopped
    for pid in stopped:
        _signal(pid, signal.SIGKILL)
    for pid in roots:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@dataclass
class Usage:
    """What a process and all its descendants have used so far.

    Args:
        pid: the first process, as the /proc folder names it.
        shared_bytes: see below.
    """

    pid: int
    shared_bytes: int = 0
    """Memory that every fork of the warm interpreter shares with it, which is counted once."""

    cpu_s: float = 0.0
    """Processor seconds of the living ones and of those that they waited for."""

    waited_s: float = 0.0
    """Seconds in which some thread was ready to run and none of the longest-waiting one's time was its own."""

    resident_bytes: int = 0
    peak_bytes: int = 0
    processes: int = 0
    members: list[int] = field(default_factory=list)
    """The processes, the first one first."""

    _waits: dict[str, int] = field(default_factory=dict)

    def sample(self, proc: int, since_s: float) -> None:
        """Look at all processes once.

        Args:
            proc: descriptor of a /proc folder that shows them.
            since_s: seconds since the last look; more than that no thread can have waited since.
        """
        cpu, resident, longest = 0.0, 0, 0
        self.members = []
        waits: dict[str, int] = {}
        queue = [self.pid]
        while queue:
            pid = queue.pop()
            self.members.append(pid)
            fields = read(proc, f"{pid}/stat").rpartition(") ")[2].split()
            if len(fields) > 21:
                cpu += sum(map(int, fields[11:15])) * _TICK
                resident += max(0, int(fields[21]) * _PAGE - (self.shared_bytes if len(self.members) > 1 else 0))
            for thread in threads(proc, pid):
                queue += _children(proc, pid, thread)
                times = read(proc, f"{pid}/task/{thread}/schedstat").split()
                if len(times) == 3:
                    waits[thread] = int(times[1])
                    longest = max(longest, waits[thread] - self._waits.get(thread, 0))
        self._waits = waits
        self.cpu_s = max(self.cpu_s, cpu)
        self.waited_s += min(since_s, longest / 1e9)
        self.resident_bytes, self.processes = resident, len(self.members)
        self.peak_bytes = max(self.peak_bytes, resident)
