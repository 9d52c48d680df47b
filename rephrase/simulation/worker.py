"""One worker of a simulation: real claims, and an engine that takes time; killed, told to stop, standing still, restarted.

It calls what a worker calls, in the same order: a claim is asked for when the engine has room, parts are committed when
their last request has ended, a part that was begun is finished after SIGTERM, a complete shard is put together at once.
"""

import json
import math
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.claims.claims import Claims
from common.claims.leases import Claim
from common.claims.owner import Owner
from common.claims.view import mark_name
from common.pools.marks import MARK
from rephrase.simulation.events import Process
from rephrase.simulation.store import Lines

if TYPE_CHECKING:
    from rephrase.simulation.course import Course


@dataclass(slots=True)
class InEngine:
    """A part whose documents the engine works on."""

    claim: Claim
    number: int
    tokens: float
    begins: float
    """When the engine comes to its tokens."""
    ends: float
    ready: float
    """When its last request ends."""


class SimulatedWorker:
    """One engine's place: the processes that hold it, one after the other.

    Args:
        course: of the simulation.
        number: this worker's.
        speed: of its engine, beside that of the others.
    """

    def __init__(self, course: "Course", number: int, speed: float) -> None:
        self.course = course
        self.number = number
        self.speed = speed
        self.lives = 0
        self.process: Process | None = None
        self.claims: Claims | None = None
        self.inside: deque[InEngine] = deque()
        self.stopping = False
        self.over = False
        self.began = 0.0
        self.beat_from = 0.0
        """When this process's signs of life began, which come every sixth of a lease."""
        self.still_until = 0.0
        self._cursor = 0.0
        """When the engine will have done all that it was given."""
        self._place: tuple[str, int] = ("", 0)
        """The shard and part up to which the input was read."""
        self._known: set[str] = set()
        self._wakeable = False

    # Coming and going.

    def start(self) -> None:
        """Begin a process; it is at work after its engine has started."""
        course = self.course
        self.lives += 1
        self.stopping = False
        self.inside.clear()
        self._place = ("", 0)
        self.began = course.clock.time
        self.process = course.clock.start(self._live)
        life = course.lifetime()
        if life is not None:
            if course.config.notice_s:
                course.clock.at(self.began + max(0.0, life - course.config.notice_s), self._told, self.lives)
            course.clock.at(self.began + life, self._taken, self.lives)
        if course.config.stall_every_s:
            self._plan_stall()

    def _live(self) -> None:
        course, config = self.course, self.course.config
        course.clock.sleep(config.restart_s if self.lives > 1 else config.start_s)
        owner = Owner(f"w{self.number}", f"m{self.number}", 1, "1", f"{self.number:x}.{self.lives:x}.")
        self.claims = Claims(
            course.store, course.clock, course.index, owner, lease_s=config.lease_s, most_parts=config.most_parts
        )
        self.claims.lock = nullcontext()  # a process of this kind is never interrupted where it holds the lock
        self.beat_from = course.clock.time
        self._cursor = course.clock.time
        if config.every_beat:
            course.clock.at(self.beat_from + config.lease_s / 6, self._beat, self.lives)
        while not self.stopping and not self.claims.all_done:
            self._stream()
            self._nap()
        self._settle()
        self.claims.release_all()
        self.over = self.claims.all_done
        self._gone()

    def _nap(self) -> None:
        if self.claims is None or self.claims.all_done or self.stopping:
            return
        self._sleep_until(self.course.clock.time + self.claims.pause_s)

    def _told(self, life: int) -> None:
        """SIGTERM."""
        if life != self.lives or self.over:
            return
        self.stopping = True
        if self._wakeable and self.process is not None:
            self.process.go_on(self.process.turn)

    def _taken(self, life: int) -> None:
        """The machine is gone, and another one takes its place."""
        course, now = self.course, self.course.clock.time
        if life != self.lives or self.over or self.process is None:
            return
        if not self.process.dead:
            self._settle()
            lost = sum(max(0.0, min(part.ends, now) - part.begins) * self._tok_s for part in self.inside)
            course.lost_tokens += lost
            course.kills += 1
            self.process.kill(now)
            self._gone()
        self.start()

    def _gone(self) -> None:
        """This process is no more."""
        self.course.left(self)
        self.claims = None
        self._wakeable = False

    # Work.

    @property
    def _tok_s(self) -> float:
        return self.course.times.tok_s * self.speed

    def _stream(self) -> None:
        """Documents to the engine as long as there are claims, then to the end of what was given to it."""
        while not self.stopping and (claim := self._open()) is not None:
            self._feed(claim)
        self._commit_until(math.inf)

    def _open(self) -> Claim | None:
        """The next claim of parts; complete shards are put together on the way."""
        claims = self.claims
        assert claims is not None
        while True:
            self._settle()
            claim = claims.next()
            self.course.holds(self)
            if claim is None or not claim.joins:
                break
            self._join(claim)
        if claim is not None and claim.shard not in self._known:
            self._known.add(claim.shard)
            if claim.todo[0] > 0:
                self.course.store.read(f"{claim.folder}/{mark_name(claim.todo[0] - 1)}")
        return claim

    def _feed(self, claim: Claim) -> None:
        """A claim's parts, each when the engine has room for it."""
        course, claims = self.course, self.claims
        assert claims is not None
        parts = course.parts_of(claim.shard)
        for number in list(claim.todo):
            if number >= parts:
                break
            self._read_to(claim.shard, number)
            self._commit_until(self._cursor - course.times.inside_s / self.speed)
            if self.stopping or claim.lost:
                return
            tokens, ahead_s = course.part(claim.shard, number)
            begins = max(self._cursor, course.clock.time)
            self._cursor = begins + tokens / self._tok_s
            ready = self._cursor + ahead_s / self.speed
            if self.inside:
                ready = max(ready, self.inside[-1].ready)
            self.inside.append(InEngine(claim, number, tokens, begins, self._cursor, ready))
        if claim.stop >= parts:
            self._settle()
            claims.end(claim, parts - 1 if claim.first < parts else None)
        claims.expected[claim.shard] = parts

    def _read_to(self, shard: str, number: int) -> None:
        """Let the time pass that the input takes to be read up to a part: always from its beginning, never twice."""
        at, done = self._place
        skipped = number - done if shard == at and number >= done else number
        self._place = (shard, number + 1)
        if skipped > 0:
            self.course.clock.sleep(self.course.config.read_s * skipped / self.course.parts_of(shard))

    def _commit_until(self, moment: float) -> None:
        """Commit what becomes ready up to a moment; infinity: all that is in the engine."""
        clock = self.course.clock
        while True:
            while self.inside and self.inside[0].ready <= clock.time:
                self._commit(self.inside.popleft())
            if clock.time >= moment or (moment == math.inf and not self.inside):
                return
            if self.stopping and moment < math.inf:
                return
            self._sleep_until(min(moment, self.inside[0].ready) if self.inside else moment)

    def _sleep_until(self, moment: float) -> None:
        clock = self.course.clock
        self._wakeable = True
        clock.sleep_until(moment)
        self._wakeable = False
        while clock.time < self.still_until:
            clock.sleep_until(self.still_until)

    def _commit(self, part: InEngine) -> None:
        course, claims = self.course, self.claims
        assert claims is not None
        self._settle()
        if part.number not in part.claim.todo:
            course.again_tokens += part.tokens
            return
        documents = course.documents_of(part.claim.shard, part.number)
        mark = {"docs_in": documents, "docs_out": documents, "drops": {}, "last": False, "config_hash": "simulated"}
        lines = {"jsonl": Lines(round(part.tokens * course.config.bytes_per_token))}
        if claims.commit(part.claim, part.number, mark, lines):
            course.committed_parts += 1
        else:
            course.again_tokens += part.tokens
        course.holds(self)

    def _join(self, claim: Claim) -> None:
        """Put a shard together, after a look at every mark."""
        course, claims, store = self.course, self.claims, self.course.store
        assert claims is not None
        names = [f"{claim.folder}/{mark_name(number)}" for number in range(claim.stop)]
        marks = store.read_all(names)
        if None in marks:
            claims.held.pop(claim.path, None)
            return
        found = [json.loads(mark) for mark in marks if mark is not None]
        size = sum(mark["files"]["jsonl"]["bytes"] for mark in found)
        store.read_all([f"{claim.folder}/{mark['files']['jsonl']['name']}" for mark in found], 2 * size)
        self._settle()
        counts = {"docs_in": sum(mark["docs_in"] for mark in found), "parts": len(found)}
        store.overwrite(claim.shard + MARK, json.dumps(counts).encode())
        course.finished(claim.shard)
        claims.joined(claim)

    # Signs of life.

    def _beat(self, life: int) -> None:
        """A sign of life, as a thread of the worker gives it."""
        if life != self.lives or self.claims is None:
            return
        clock, config = self.course.clock, self.course.config
        if clock.time >= self.still_until:
            clock.start(self.claims.renew)
        clock.at(clock.time + config.lease_s / 6, self._beat, life)

    def _settle(self) -> None:
        self.course.settle(self)

    def _plan_stall(self) -> None:
        course = self.course
        course.clock.at(course.clock.time + course.draw.expovariate(1 / course.config.stall_every_s), self._stall, self.lives)

    def _stall(self, life: int) -> None:
        """Everything of this worker stands still for a while, its signs of life too."""
        if life != self.lives or self.claims is None:
            return
        self._settle()
        self.still_until = self.course.clock.time + self.course.config.stall_s
        self.course.clock.at(self.still_until, self._stalled, life)
        self._plan_stall()

    def _stalled(self, life: int) -> None:
        if life == self.lives and self.claims is not None and not self.course.config.every_beat:
            self.course.clock.start(self.claims.renew)
