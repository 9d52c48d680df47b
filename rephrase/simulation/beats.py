"""Signs of life of simulated workers: those that somebody could see are given, the others are only counted.

A worker's thread renews its claims every sixth of a lease, which would be most of what happens. Nobody notices a sign
of life but who lists the claim's folder, so that is when the last one due is given, by the same `renew`, at its time.
"""

import math
from collections import defaultdict

from common.claims.claims import Claims
from common.claims.leases import Claim
from rephrase.simulation.events import VirtualTime
from rephrase.simulation.store import SimulatedStore

THREAD_S = 0.001
"""By so much a thread's pause is longer than asked for."""


class Pulse:
    """What shows that one worker's process lives."""

    def __init__(self) -> None:
        self.claims: Claims | None = None
        self.since = 0.0
        """When its thread began."""
        self.still_until = 0.0
        """Until then the process stands still."""
        self.folders: set[str] = set()
        """Where it holds claims."""
        self.paths: set[str] = set()
        """Of these claims."""


class Beats:
    """The signs of life of all workers.

    Args:
        clock: the simulation's.
        store: where claims lie.
        lease_s: how long a claim lives without a sign of life.
        every: give each by itself; then nothing is to be made up for.
    """

    def __init__(self, clock: VirtualTime, store: SimulatedStore, lease_s: float, every: bool) -> None:
        self.clock = clock
        self.store = store
        self.lease_s = lease_s
        self.every = every
        self.beat_s = lease_s / 6 + THREAD_S
        """Between two looks of a worker's thread."""
        self._holders: dict[str, set[Pulse]] = defaultdict(set)
        store.before_listing = self._listed

    def holds(self, pulse: Pulse) -> None:
        """Note in which folders a worker holds claims now."""
        held = pulse.claims.held if pulse.claims is not None else {}
        if held.keys() == pulse.paths:
            return
        pulse.paths = set(held)
        now = {path.rpartition("/")[0] for path in held}
        before = pulse.folders
        for folder in before - now:
            self._holders[folder].discard(pulse)
            if not self._holders[folder]:
                del self._holders[folder]
        for folder in now - before:
            self._holders[folder].add(pulse)
        pulse.folders = now

    def left(self, pulse: Pulse) -> None:
        """A worker's process is no more."""
        pulse.claims = None
        self.holds(pulse)

    def count(self, pulse: Pulse, claim: Claim) -> None:
        """Count the signs of life of a claim up to now: what comes now is one by itself."""
        due, last = self._due(pulse, claim)
        if due:
            self.store.requests["overwrite"] += due
            claim.seen_s = last

    def settle(self, pulse: Pulse) -> None:
        """Let a worker's signs of life be given that are due by now; of each claim only the last one is real."""
        if pulse.claims is None:
            return
        clock, store, now, moments = self.clock, self.store, self.clock.time, set()
        for claim in pulse.claims.held.values():
            due, last = self._due(pulse, claim)
            if due:
                moments.add(last)
            if due > 1:
                store.requests["overwrite"] += due - 1
                claim.seen_s = last - 2 * self.beat_s
        if not moments:
            return
        store.at_once = True
        for clock.time in sorted(moments):
            pulse.claims.renew()
        clock.time = now
        store.at_once = False

    def _listed(self, folder: str) -> None:
        for pulse in self._holders.get(folder, ()):
            self.settle(pulse)

    def _due(self, pulse: Pulse, claim: Claim) -> tuple[int, float]:
        """How many signs of life of a claim are due by now, and when the last one was."""
        now, waits = self.clock.time, claim.seen_s + self.lease_s / 3
        if now < waits or self.every or now < pulse.still_until:
            return 0, 0.0
        first = pulse.since + self.beat_s * math.ceil((waits - pulse.since) / self.beat_s)
        if first > now:
            return 0, 0.0
        if pulse.still_until > claim.seen_s and now - claim.seen_s > self.lease_s:
            return 0, 0.0  # it stood still; its thread looks whether the claim is lost
        more = int((now - first) / (2 * self.beat_s))
        return more + 1, first + 2 * self.beat_s * more
