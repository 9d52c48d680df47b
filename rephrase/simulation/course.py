"""A whole run in virtual time: workers that come and go, until every shard is done."""

import gc

from rephrase.simulation.worker import SimulatedWorker
from rephrase.simulation.world import World


def run_workers(world: World) -> list[SimulatedWorker]:
    """Start all workers and let everything happen, until the last of them has found that the pool is done."""
    config = world.config
    slow = round(config.slow_share * config.workers)
    speeds = [config.slow_speed] * slow + [1.0] * (config.workers - slow)
    workers = [SimulatedWorker(world, number, speed) for number, speed in enumerate(speeds)]
    for worker in workers:
        worker.start()
    gc.disable()  # next to nothing that is made here refers to itself, and looking for it takes a tenth of the time
    try:
        world.clock.run()
    finally:
        gc.enable()
    return workers
