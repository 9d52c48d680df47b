"""One worker of a simulation: real claims, and an engine that takes time; killed, told to stop, stalled, restarted.

It calls what a worker calls, in the same order: a claim is asked for when the engine has room, parts are committed when
their last request has ended, a part that was begun is finished after SIGTERM, a complete shard is put together at once.
"""

import math
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import orjson

from common.claims.claims import Claims
from common.claims.leases import Claim
from common.claims.owner import Owner
from common.claims.view import mark_name
from common.pools.marks import MARK
from rephrase.simulation.beats import Pulse
from rephrase.simulation.events import Process
from rephrase.simulation.store import Lines
from rephrase.simulation.world import World


@dataclass(slots=True)
class InEngine:
    """A part whose documents the engine works on."""

    claim: Claim
    number: int
    tokens: float
    wanted: float
    """When the engine has room for its first document."""
    begins: float
    """When the engine has done all before it."""
    ends: float
    ready: float
    """When its last request ends."""


class SimulatedWorker:
    """One engine's place: the processes that hold it, one after the other.

    Args:
        world: of the simulation.
        number: this worker's.
        speed: of its engine, beside that of the others.
    """

    def __init__(self, world: World, number: int, speed: float) -> None:
        self.world = world
        self.number = number
        self.speed = speed
        self.lives = 0
        self.process: Process | None = None
        self.pulse = Pulse()
        self.inside: deque[InEngine] = deque()
        self.stopping = False
        self.over = False
        """It found that every shard is done."""
        self.over_at = 0.0
        self.began = 0.0
        self._cursor = 0.0
        """When the engine will have done all that it was given."""
        self._place: tuple[str, int] = ("", 0)
        """The shard and part up to which the input was read."""
        self._known: set[str] = set()
        self._wakeable = False

    # Coming and going.

    def start(self) -> None:
        """Begin a process; it is at work after its engine has started."""
        world = self.world
        self.lives += 1
        self.stopping = False
        self.inside.clear()
        self._place = ("", 0)
        self.began = world.clock.time
        self.process = world.clock.start(self._live)
        life = world.lifetime()
        if life is not None:
            if world.config.notice_s:
                world.clock.at(self.began + max(0.0, life - world.config.notice_s), self._told, self.lives)
            world.clock.at(self.began + life, self._taken, self.lives)
        if world.config.stall_every_s:
            self._plan_stall()

    def _live(self) -> None:
        world, config = self.world, self.world.config
        world.clock.sleep(config.restart_s if self.lives > 1 else config.start_s)
        owner = Owner(f"w{self.number}", f"m{self.number}", 1, "1", f"{self.number:x}.{self.lives:x}.")
        self.pulse.claims = Claims(
            world.store, world.clock, world.index, owner, lease_s=config.lease_s, most_parts=config.most_parts
        )
        unlocked: Any = nullcontext()
        self.pulse.claims.lock = unlocked  # a process of this kind is never interrupted where it holds the lock
        self.pulse.since = world.clock.time
        self._cursor = world.clock.time
        if config.every_beat:
            world.clock.at(self.pulse.since + world.beats.beat_s, self._beat, self.lives)
        while not self.stopping and not self.pulse.claims.all_done:
            self._stream()
            self._nap()
        self._settle()
        self.pulse.claims.release_all()
        if self.pulse.claims.all_done:
            self.over, self.over_at = True, world.clock.time
        self._gone()

    def _nap(self) -> None:
        if self.pulse.claims is None or self.pulse.claims.all_done or self.stopping:
            return
        self._sleep_until(self.world.clock.time + self.pulse.claims.pause_s)

    def _told(self, life: int) -> None:
        """SIGTERM."""
        if life != self.lives or self.over:
            return
        self.stopping = True
        if self._wakeable and self.process is not None:
            self.process.go_on(self.process.turn)

    def _taken(self, life: int) -> None:
        """The machine is gone, and another one takes its place."""
        world, now = self.world, self.world.clock.time
        if life != self.lives or self.over or self.process is None:
            return
        if not self.process.dead:
            self._settle()
            lost = sum(max(0.0, min(part.ends, now) - part.begins) * self._tok_s for part in self.inside)
            world.lost_tokens += lost
            world.kills += 1
            self.process.kill(now)
            self._gone()
        self.start()

    def _gone(self) -> None:
        """This process is no more."""
        self.world.beats.left(self.pulse)
        self._wakeable = False

    # Work.

    @property
    def _tok_s(self) -> float:
        return self.world.times.tok_s * self.speed

    def _stream(self) -> None:
        """Documents to the engine as long as there are claims, then to the end of what was given to it."""
        while not self.stopping and (claim := self._open()) is not None:
            self._feed(claim)
        self._commit_until(math.inf)

    def _open(self) -> Claim | None:
        """The next claim of parts; complete shards are put together on the way."""
        claims = self.pulse.claims
        assert claims is not None
        while True:
            claim = claims.next()
            self.world.beats.holds(self.pulse)
            if claim is None or not claim.joins:
                break
            self._join(claim)
        if claim is not None and claim.shard not in self._known:
            self._known.add(claim.shard)
            if claim.todo[0] > 0:
                self.world.store.read(f"{claim.folder}/{mark_name(claim.todo[0] - 1)}")
        return claim

    def _feed(self, claim: Claim) -> None:
        """A claim's parts, one after the other when the engine has room, until it has room for more than these."""
        world, claims, clock = self.world, self.pulse.claims, self.world.clock
        assert claims is not None
        parts = world.parts
        numbers = [number for number in claim.todo if number < parts]
        if numbers:
            self._read_to(claim.shard, numbers[0], numbers[-1])
        inside_s = world.times.inside_s / self.speed
        for number in numbers:
            tokens, ahead_s = world.part(claim.shard, number)
            begins = max(self._cursor, clock.time)
            self._cursor = begins + tokens / self._tok_s
            ready = self._cursor + ahead_s / self.speed
            if self.inside:
                ready = max(ready, self.inside[-1].ready)
            self.inside.append(InEngine(claim, number, tokens, begins - inside_s, begins, self._cursor, ready))
        self._commit_until(self._cursor - inside_s, stoppable=True)
        if self.stopping or claim.lost:
            self._take_back(claim)
            if not self.inside or self.inside[-1].claim is not claim or self.inside[-1].number < numbers[-1]:
                return
            self._commit_until(self._cursor - inside_s)  # a part that was begun is read to its end
        if claim.stop >= parts:
            claims.end(claim, parts - 1 if claim.first < parts else None)
        claims.expected[claim.shard] = parts

    def _take_back(self, claim: Claim) -> None:
        """Forget the parts of a claim that the engine has not begun to get; the others go on."""
        now = self.world.clock.time
        while self.inside and self.inside[-1].claim is claim and self.inside[-1].wanted > now:
            self.inside.pop()
        self._cursor = max(now, self.inside[-1].ends if self.inside else now)

    def _read_to(self, shard: str, number: int, last: int) -> None:
        """Let the time pass that the input takes to be read up to a part: always from its beginning, never twice."""
        at, done = self._place
        skipped = number - done if shard == at and number >= done else number
        self._place = (shard, last + 1)
        if skipped > 0:
            self.world.clock.sleep(self.world.config.read_s * skipped / self.world.parts)

    def _commit_until(self, moment: float, stoppable: bool = False) -> None:
        """Commit what becomes ready up to a moment; infinity: all that is in the engine.

        Args:
            moment: when to go on.
            stoppable: go on at once where this worker was told to stop, or has lost a claim.
        """
        clock = self.world.clock
        while True:
            while self.inside and self.inside[0].ready <= clock.time:
                self._commit(self.inside.popleft())
            if clock.time >= moment or (moment == math.inf and not self.inside):
                return
            if stoppable and (self.stopping or (self.inside and self.inside[-1].claim.lost)):
                return
            self._sleep_until(min(moment, self.inside[0].ready) if self.inside else moment)

    def _sleep_until(self, moment: float) -> None:
        clock = self.world.clock
        self._wakeable = True
        clock.sleep_until(moment)
        self._wakeable = False
        while clock.time < self.pulse.still_until:
            clock.sleep_until(self.pulse.still_until)

    def _commit(self, part: InEngine) -> None:
        world, claims = self.world, self.pulse.claims
        assert claims is not None
        world.beats.count(self.pulse, part.claim)
        if part.number not in part.claim.todo:
            world.again_tokens += part.tokens
            return
        documents = world.documents_of(part.number)
        mark = {"docs_in": documents, "docs_out": documents, "drops": {}, "last": False, "config_hash": "simulated"}
        lines = {"jsonl": Lines(round(part.tokens * world.config.bytes_per_token))}
        first = claims.commit(part.claim, part.number, mark, lines)
        if not world.committed(part.claim.shard, part.number) or not first:
            world.again_tokens += part.tokens
        world.beats.holds(self.pulse)

    def _join(self, claim: Claim) -> None:
        """Put a shard together, after a look at every mark."""
        world, claims, store = self.world, self.pulse.claims, self.world.store
        assert claims is not None
        marks = store.read_all(claim.folder, world.mark_names[: claim.stop])
        if None in marks:
            claims.held.pop(claim.path, None)
            return
        found = orjson.loads(b"[%b]" % b",".join(mark for mark in marks if mark is not None))
        size = sum(mark["files"]["jsonl"]["bytes"] for mark in found)
        store.pass_on(len(found), 2 * size)
        world.beats.count(self.pulse, claim)
        counts = {"docs_in": sum(mark["docs_in"] for mark in found), "parts": len(found)}
        store.overwrite(claim.shard + MARK, orjson.dumps(counts))
        world.finished(claim.shard)
        claims.joined(claim)

    # Signs of life.

    def _beat(self, life: int) -> None:
        """A sign of life, as a thread of the worker gives it."""
        if life != self.lives or self.pulse.claims is None:
            return
        clock = self.world.clock
        if clock.time >= self.pulse.still_until:
            clock.start(self.pulse.claims.renew)
        clock.at(clock.time + self.world.beats.beat_s, self._beat, life)

    def _settle(self) -> None:
        self.world.beats.settle(self.pulse)

    def _plan_stall(self) -> None:
        world = self.world
        wait_s = world.draw.expovariate(1 / world.config.stall_every_s)
        world.clock.at(world.clock.time + wait_s, self._stall, self.lives)

    def _stall(self, life: int) -> None:
        """Everything of this worker stands still for a while, its signs of life too."""
        if life != self.lives or self.pulse.claims is None:
            return
        self._settle()
        self.pulse.still_until = self.world.clock.time + self.world.config.stall_s
        self.world.clock.at(self.pulse.still_until, self._stalled, life)
        self._plan_stall()

    def _stalled(self, life: int) -> None:
        if life == self.lives and self.pulse.claims is not None and not self.world.config.every_beat:
            self.world.clock.start(self.pulse.claims.renew)
