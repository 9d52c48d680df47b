"""What a simulated run came to: documents, time beside the ideal, work done again, requests to the store, cost."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from common.pools.marks import MARK
from rephrase.simulation.worker import SimulatedWorker
from rephrase.simulation.world import World


@dataclass(frozen=True)
class SimulatedRun:
    """The figures of a run that has ended."""

    shards: int
    parts: int
    documents: int
    tokens: float
    lost_documents: int
    """Documents that are in no finished shard."""
    doubled_documents: int
    """Documents that are in one twice."""
    wall_s: float
    even_s: float
    """If the workers shared all work to the last second, less the time that restarts take."""
    ideal_s: float
    """The greater of that, and the longest claim with a restart."""
    interruptions: int
    """Machines that were taken away while they worked."""
    lost_frac: float
    """Of the work: done, and not committed before the machine was taken away."""
    doubled_frac: float
    """Of the work: committed by another worker too."""
    requests: dict[str, int]
    waited_s: float
    """That requests waited for their turn at the store, in all."""
    worker_hours: float

    @property
    def again_frac(self) -> float:
        """Work done again, of all."""
        return self.lost_frac + self.doubled_frac

    @property
    def requests_per_part(self) -> float:
        """Requests to the store for each part of the pool."""
        return sum(self.requests.values()) / self.parts


def outcome(world: World, workers: Sequence[SimulatedWorker]) -> SimulatedRun:
    """Look at what a run left in its store, and what its workers counted."""
    config, pool, times = world.config, world.pool, world.times
    parts = pool.shards * world.parts
    tokens = world.total_tokens()
    marks = [world.store.content(shard + MARK) for shard in world.numbers]
    counted = [json.loads(mark)["docs_in"] for mark in marks if mark is not None]
    whole = pool.documents
    doubled = sum(max(0, one - whole) for one in counted)
    every = config.preempt_every_s
    available = every / (every + config.restart_s) if every else 1.0
    even_s = tokens / sum(worker.speed for worker in workers) / times.tok_s / available
    longest_s = config.most_parts * times.mean_tokens / times.tok_s
    return SimulatedRun(
        shards=pool.shards,
        parts=parts,
        documents=pool.shards * whole,
        tokens=tokens,
        lost_documents=pool.shards * whole - sum(min(one, whole) for one in counted),
        doubled_documents=doubled,
        wall_s=max(world.finished_at.values(), default=math.inf),
        even_s=even_s,
        ideal_s=max(even_s, longest_s + config.restart_s),
        interruptions=world.kills,
        lost_frac=world.lost_tokens / tokens,
        doubled_frac=world.again_tokens / tokens,
        requests=dict(world.store.requests),
        waited_s=world.store.waited_s,
        worker_hours=sum(worker.over_at for worker in workers) / 3600,
    )


def lines(world: World, found: SimulatedRun, cpu_s: float) -> list[str]:
    """The figures for a terminal."""
    config, times = world.config, world.times
    hours = found.worker_hours * config.engine.devices_per_engine
    taken = f"each every {config.preempt_every_s:,.0f} s, {config.notice_s:,.0f} s of notice"
    taken = taken if config.preempt_every_s else "they never are"
    kinds = ", ".join(f"{count / found.parts:.2f} {kind}" for kind, count in sorted(found.requests.items()))
    rows = [
        ("documents lost, doubled", f"{found.lost_documents:,}, {found.doubled_documents:,} of {found.documents:,}"),
        ("wall time", f"{found.wall_s / 3600:,.2f} h"),
        ("ideal", f"{found.ideal_s / 3600:,.2f} h; all work shared evenly: {found.even_s / 3600:,.2f} h"),
        ("wall time / ideal", f"{found.wall_s / found.ideal_s:.3f}"),
        ("work done again", f"{found.again_frac:.2%}; {found.doubled_frac:.2%} since two workers did the same"),
        (
            "machines taken away",
            f"{found.interruptions:,} while at work ({taken if config.preempt_every_s else 'never'})",
        ),
        ("requests per part", f"{found.requests_per_part:.2f}: {kinds}"),
        ("requests per second", f"{sum(found.requests.values()) / found.wall_s:,.1f}; waited {found.waited_s:,.0f} s"),
        ("device hours", f"{hours:,.1f}"),
        ("US dollars", "give usd_per_hour" if config.usd_per_hour is None else f"{hours * config.usd_per_hour:,.0f}"),
        ("simulated in", f"{cpu_s:,.1f} s of CPU"),
    ]
    shape = (
        f"{found.shards:,} shards of {found.tokens / found.shards / 1e6:,.1f}M tokens in {world.parts:,} parts of up "
        f"to {config.part_docs:,} documents; {config.workers:,} workers with {config.in_flight:,} requests in flight "
        f"at {times.tok_s:,.0f} tokens/s"
    )
    width = max(len(name) for name, _ in rows)
    return [shape, "", *(f"{name:<{width}}  {value}" for name, value in rows)]
