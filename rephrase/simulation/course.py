"""A whole run in virtual time: workers that come and go, until every shard is done; then what became of the documents."""

import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from common.claims.index import ShardIndex
from common.pools.marks import MARK
from rephrase.simulation.config import SimulateConfig
from rephrase.simulation.engine import PartTimes
from rephrase.simulation.events import VirtualTime
from rephrase.simulation.store import SimulatedStore
from rephrase.simulation.worker import SimulatedWorker

DRAWS = 4093
"""Different parts; a prime, so that the shards' do not begin alike."""

THREAD_S = 0.001
"""By so much a thread's pause is longer than asked for."""


@dataclass(frozen=True)
class PoolShape:
    """The pool that is recycled."""

    shards: int
    documents: int
    """In each shard."""
    requests: Sequence[Sequence[float]]
    """Of documents as the pool has them: the tokens of each request."""


class Course:
    """One simulated run.

    Args:
        config: what happens.
        pool: what is recycled.
    """

    def __init__(self, config: SimulateConfig, pool: PoolShape, tok_s: float) -> None:
        self.config = config
        self.pool = pool
        self.clock = VirtualTime()
        self.store = SimulatedStore(self.clock, config.store, config.seed)
        self.store.before_listing = self._listed
        self.draw = random.Random(f"course {config.seed}")
        self.times = PartTimes(pool.requests, config.part_docs, config.in_flight, tok_s)
        self.parts = max(1, math.ceil(pool.documents / config.part_docs))
        names = [f"s{number:07d}" for number in range(pool.shards)]
        self.numbers = {name: number for number, name in enumerate(names)}
        self.index = ShardIndex(names)
        self.lost_tokens = self.again_tokens = 0.0
        """Worked on and never committed; committed by another worker first."""
        self.kills = self.committed_parts = 0
        self.finished_at: dict[str, float] = {}
        self._drawn = [self.times.draw(self.draw) for _ in range(DRAWS)]
        self._holders: dict[str, set[SimulatedWorker]] = defaultdict(set)
        self._folders: dict[SimulatedWorker, set[str]] = defaultdict(set)
        slow = round(config.slow_share * config.workers)
        self.workers = [
            SimulatedWorker(self, number, config.slow_speed if number < slow else 1.0)
            for number in range(config.workers)
        ]

    def run(self) -> "Outcome":
        """From the start of all workers to the end of the last one."""
        began = time.process_time()
        for worker in self.workers:
            worker.start()
        self.clock.run()
        return Outcome(self, time.process_time() - began)

    # The pool.

    def parts_of(self, shard: str) -> int:
        """Parts in a shard."""
        return self.parts

    def documents_of(self, shard: str, number: int) -> int:
        """Documents in a part."""
        return min(self.config.part_docs, self.pool.documents - number * self.config.part_docs)

    def part(self, shard: str, number: int) -> tuple[float, float]:
        """A part's tokens, and by how much it is later than the engine's work on it."""
        tokens, ahead_s = self._drawn[(self.numbers[shard] * self.parts + number) % DRAWS]
        return tokens * self.documents_of(shard, number) / self.config.part_docs, ahead_s

    def total_tokens(self) -> float:
        """Of the whole pool."""
        return sum(self.part(shard, number)[0] for shard in self.numbers for number in range(self.parts))

    def finished(self, shard: str) -> None:
        """A shard was put together."""
        self.finished_at.setdefault(shard, self.clock.time)

    def lifetime(self) -> float | None:
        """How long a machine stays; None: for good."""
        every = self.config.preempt_every_s
        return self.draw.expovariate(1 / every) if every else None

    # Signs of life that nobody saw: who lists a folder finds them made up for.

    @property
    def beat_s(self) -> float:
        """Between two signs of life of a worker's thread."""
        return self.config.lease_s / 6 + THREAD_S

    def holds(self, worker: SimulatedWorker) -> None:
        """Note in which folders a worker holds claims."""
        held = worker.claims.held if worker.claims is not None else {}
        now = {claim.folder for claim in held.values()}
        before = self._folders[worker]
        if now == before:
            return
        for folder in before - now:
            self._holders[folder].discard(worker)
            if not self._holders[folder]:
                del self._holders[folder]
        for folder in now - before:
            self._holders[folder].add(worker)
        self._folders[worker] = now

    def left(self, worker: SimulatedWorker) -> None:
        """A worker's process is no more."""
        worker.claims = None
        self.holds(worker)

    def _listed(self, folder: str) -> None:
        for worker in self._holders.get(folder, ()):
            self.settle(worker)

    def settle(self, worker: SimulatedWorker) -> None:
        """Let a worker's signs of life be given that are due by now; of each claim only the last one is real."""
        claims, clock, store = worker.claims, self.clock, self.store
        now, lease_s = clock.time, self.config.lease_s
        if self.config.every_beat or claims is None or now < worker.still_until:
            return
        beat, due = self.beat_s, []
        for claim in claims.held.values():
            if now - claim.seen_s < lease_s / 3:
                continue
            if now - claim.seen_s > lease_s and worker.still_until > claim.seen_s:
                continue  # it stood still; its thread looks whether the claim is lost
            first = worker.beat_from + beat * math.ceil((claim.seen_s + lease_s / 3 - worker.beat_from) / beat)
            if first > now:
                continue
            more = int((now - first) / (2 * beat))
            if more:
                store.requests["overwrite"] += more
                claim.seen_s = first + 2 * beat * (more - 1)
            due.append(first + 2 * beat * more)
        if not due:
            return
        store.at_once = True
        for moment in sorted(set(due)):
            clock.time = moment
            claims.renew()
        clock.time = now
        store.at_once = False


class Outcome:
    """What a simulated run came to.

    Args:
        course: after its end.
        cpu_s: that the simulation took.
    """

    def __init__(self, course: Course, cpu_s: float) -> None:
        config = course.config
        self.cpu_s = cpu_s
        self.shards = course.pool.shards
        self.documents = course.pool.shards * course.pool.documents
        self.parts = course.pool.shards * course.parts
        self.tokens = course.total_tokens()
        marks = [course.store.contents.get(shard + MARK) for shard in course.numbers]
        counted = [json.loads(mark)["docs_in"] for mark in marks if mark is not None]
        self.lost_documents = self.documents - sum(min(one, course.pool.documents) for one in counted)
        self.doubled_documents = sum(max(0, one - course.pool.documents) for one in counted)
        self.doubled_documents += max(0, course.committed_parts - self.parts) * config.part_docs
        self.wall_s = max(course.finished_at.values(), default=math.inf)
        self.kills = course.kills
        speed = sum(worker.speed for worker in course.workers) * course.times.tok_s
        every = config.preempt_every_s
        available = every / (every + config.restart_s) if every else 1.0
        longest = config.most_parts * course.times.mean_tokens / course.times.tok_s
        self.even_s = self.tokens / speed / available
        """If all workers shared the work to the last second."""
        self.ideal_s = max(self.even_s, longest + config.restart_s)
        self.again_frac = (course.lost_tokens + course.again_tokens) / self.tokens
        self.doubled_work_frac = course.again_tokens / self.tokens
        self.requests = dict(course.store.requests)
        self.requests_per_part = sum(self.requests.values()) / self.parts
        self.waited_s = course.store.waited_s
