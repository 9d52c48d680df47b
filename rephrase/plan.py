"""Estimate what rephrasing a pool takes: tokens, device hours, disk, wall time, cost, and how far off that may be.

Usage:
    python -m rephrase.plan POOL CONFIG.yaml gpus=8 usd_per_hour=2.5
    python -m rephrase.plan POOL CONFIG.yaml run=RECYCLED           # the rate that a run recorded
    python -m rephrase.plan POOL CONFIG.yaml benchmark=true         # measures the rate on 200 documents first
    python -m rephrase.plan POOL CONFIG.yaml tokens_per_s=9000

    python -m rephrase.plan simulate POOL CONFIG.yaml workers=100   # the run itself, in virtual time
    python -m rephrase.plan simulate workers=1000 shards=20000 notice_s=120

Tokens are counted in a sample of the pool, and every figure has its interval. Without a rate of your own it is the
published one of the 4B rephraser on H100s (arXiv:2510.10681), which other models and devices do not have.

`simulate` runs the code that claims, leases and commits against a simulated clock, store and engine, with machines that
are taken away, stragglers and a slow store. `simulate --help` lists what may happen.
"""

import time

from common.command import entry_point, parse, usage_errors, words_of
from rephrase.planning.config import PlanConfig
from rephrase.simulation.config import SimulateConfig


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then estimate or simulate."""
    words = words_of(argv)
    if words[:1] == ["simulate"]:
        simulate(words[1:])
        return
    config = parse(PlanConfig, __doc__, words, positional=("input",), plan=lambda config: {"reads": config.input})
    from common.pools.shards import list_shards
    from rephrase.planning.estimate import estimate, remarks, table
    from rephrase.planning.rates import find_rate
    from rephrase.planning.sample import PoolSample

    with usage_errors():
        shards = list_shards(config.input, config.start, config.end)
        rate = find_rate(config, shards)
        sample = PoolSample(shards, config)
    found = estimate(config, sample, rate)
    print("\n".join([table(found.figures), "", *remarks(config, sample, rate, found)]))  # noqa: T201 - the output


def simulate(words: list[str]) -> None:
    """Read the rest of the command line, then simulate."""
    config = parse(SimulateConfig, __doc__, words, positional=("input",), plan=lambda config: {"reads": config.input})
    from common.pools.shards import list_shards
    from rephrase.planning.rates import find_rate
    from rephrase.simulation.course import run_workers
    from rephrase.simulation.outcome import lines, outcome
    from rephrase.simulation.pool import pool_shape
    from rephrase.simulation.world import World

    with usage_errors():
        if config.benchmark and not config.input:
            raise ValueError("benchmark=true needs a pool to take documents from")
        rate = find_rate(config, list_shards(config.input) if config.benchmark else [])
        world = World(config, pool_shape(config), rate.tok_s)
    began = time.process_time()
    workers = run_workers(world)
    cpu_s = time.process_time() - began
    found = outcome(world, workers)
    print("\n".join([*lines(world, found, cpu_s), "", f"rate: {rate.source}"]))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
