"""What the workers of a simulation share: the pool, the clock, the store, how long parts take, and what is counted."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from common.claims.index import ShardIndex
from common.claims.view import mark_name
from rephrase.simulation.beats import Beats
from rephrase.simulation.config import SimulateConfig
from rephrase.simulation.engine import PartTimes
from rephrase.simulation.events import VirtualTime
from rephrase.simulation.store import SimulatedStore

DRAWS = 4093
"""Different parts; a prime, so that the shards' do not begin alike."""


@dataclass(frozen=True)
class PoolShape:
    """The pool that is recycled."""

    shards: int
    documents: int
    """In each shard."""
    requests: Sequence[Sequence[float]]
    """Of documents as the pool has them: the tokens of each request."""


class World:
    """One simulated run's surroundings.

    Args:
        config: what happens.
        pool: what is recycled.
        tok_s: tokens per second of an engine.
    """

    def __init__(self, config: SimulateConfig, pool: PoolShape, tok_s: float) -> None:
        self.config = config
        self.pool = pool
        self.clock = VirtualTime()
        self.store = SimulatedStore(self.clock, config.store, config.seed)
        self.beats = Beats(self.clock, self.store, config.lease_s, config.every_beat)
        self.draw = random.Random(f"course {config.seed}")
        self.times = PartTimes(pool.requests, config.part_docs, config.in_flight, tok_s)
        self.parts = max(1, math.ceil(pool.documents / config.part_docs))
        """In each shard."""
        names = [f"s{number:07d}" for number in range(pool.shards)]
        self.numbers = {name: number for number, name in enumerate(names)}
        self.index = ShardIndex(names)
        self.lost_tokens = self.again_tokens = 0.0
        """Worked on and never committed; committed by another worker first."""
        self.kills = 0
        self.finished_at: dict[str, float] = {}
        self._committed: dict[str, bytearray] = {}
        self.mark_names = [mark_name(number) for number in range(self.parts)]
        last = pool.documents - (self.parts - 1) * config.part_docs
        self._documents = [config.part_docs] * (self.parts - 1) + [last]
        self._part_docs = config.part_docs
        self._drawn = [self.times.draw(self.draw) for _ in range(DRAWS)]

    def documents_of(self, number: int) -> int:
        """Documents in a part."""
        return self._documents[number]

    def part(self, shard: str, number: int) -> tuple[float, float]:
        """A part's tokens, and by how much it is later than the engine's work on it."""
        tokens, ahead_s = self._drawn[(self.numbers[shard] * self.parts + number) % DRAWS]
        return tokens * self._documents[number] / self._part_docs, ahead_s

    def total_tokens(self) -> float:
        """Of the whole pool."""
        return sum(self.part(shard, number)[0] for shard in self.numbers for number in range(self.parts))

    def committed(self, shard: str, number: int) -> bool:
        """Note that a part was committed; False where it was before, even if nothing is left of that."""
        parts = self._committed.setdefault(shard, bytearray(self.parts))
        before, parts[number] = parts[number], 1
        return not before

    def finished(self, shard: str) -> None:
        """A shard was put together."""
        self.finished_at.setdefault(shard, self.clock.time)

    def lifetime(self) -> float | None:
        """How long a machine stays; None: for good."""
        every = self.config.preempt_every_s
        return self.draw.expovariate(1 / every) if every else None
