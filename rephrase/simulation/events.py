"""Virtual time: processes that run real code, each stopped where it waits, resumed when its time has come.

A process is a greenlet, so the code in it is called as it is anywhere else: where it asks the clock to sleep or the
store for a file, another process goes on. Everything happens in the order of virtual time, and equal runs are equal.
"""

import heapq
import math
from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet


class VirtualTime:
    """The clock of a simulation, and what is still to happen."""

    def __init__(self) -> None:
        self.time = 0.0
        self._coming: list[tuple[float, int, Process | Callable[[Any], object], Any]] = []
        """When, which of those at one moment, and what: a process with the wait that then ends, or a call."""
        self._number = 0
        self._most_s = math.inf
        self._hub = getcurrent()

    def now(self) -> float:
        """Seconds since the simulation began."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass for the process that asks; others go on."""
        self.sleep_until(self.time + seconds)

    def sleep_until(self, when: float) -> None:
        """Let time pass up to a moment."""
        coming = self._coming
        process = getcurrent()
        if process.dead_at is not None:
            raise GreenletExit
        if not coming or coming[0][0] > when:  # nothing else happens before
            if when > self.time:
                self.time = when
            return
        process.turn += 1
        self._number += 1
        heapq.heappush(coming, (when, self._number, process, process.turn))
        # who goes on next is mostly another process: it does so from here; all else is the hub's, beginnings too
        while (following := coming[0][2]).__class__ is Process and following and coming[0][0] <= self._most_s:
            when, _, _, turn = heapq.heappop(coming)
            if turn == following.turn and following.dead_at is None:
                if when > self.time:
                    self.time = when
                if following is process:
                    return
                following.switch()
                break
        else:
            self._hub.switch()
        if process.dead_at is not None:
            raise GreenletExit

    def at(self, when: float, call: Callable[[Any], object], argument: Any = None) -> None:
        """Have something called at a moment."""
        self._number += 1
        heapq.heappush(self._coming, (when, self._number, call, argument))

    def start(self, work: Callable[[], object], delay: float = 0.0) -> "Process":
        """Begin a process."""
        process = Process(work, self._hub)
        self._number += 1
        heapq.heappush(self._coming, (self.time + delay, self._number, process, process.turn))
        return process

    def run(self, most_s: float = float("inf")) -> None:
        """Let everything happen, up to a moment."""
        coming, self._most_s = self._coming, most_s
        while coming and coming[0][0] <= most_s:
            when, _, what, argument = heapq.heappop(coming)
            if when > self.time:
                self.time = when
            if isinstance(what, Process):
                what.go_on(argument)
            else:
                what(argument)

    def clear(self) -> None:
        """Forget what is still to happen."""
        self._coming.clear()


class Process(greenlet):
    """One worker's run from its start to its end."""

    def __init__(self, work: Callable[[], object], hub: greenlet) -> None:
        super().__init__(work, hub)
        self.turn = 0
        """Which of its waits it is in: what was to end an earlier one does nothing."""
        self.dead_at: float | None = None
        self.busy_until = 0.0
        """When a request is over for which it does not wait by itself."""

    def go_on(self, turn: int) -> None:
        """Resume it, if it still waits for this."""
        if turn == self.turn and self.dead_at is None and not self.dead:
            self.switch()

    def kill(self, now: float) -> None:
        """End it at once, as SIGKILL does: nothing that it has yet to do reaches the store."""
        self.dead_at = now
        if self and not self.dead:
            self.throw(GreenletExit)
