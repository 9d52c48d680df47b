"""The workers of a run as actors of a Ray cluster: Ray finds each a node, and another one where a node dies."""

import logging
from collections.abc import Callable
from typing import Any

from common.runs.launch import WorkerKilled, open_ray

log = logging.getLogger("repro")

MOST_DEATHS = 10
"""How often one worker's place is filled again: nodes are preempted as they come and go."""


class CrewActor:
    """One worker, wherever Ray has put it."""

    def work(self, work: Callable[..., Any], number: int) -> Any:
        """Do a worker's whole work."""
        return work(number, lambda event, shard: None)


def run_actors(work: Callable[..., Any], workers: int, gpus_each: float) -> list[Any]:
    """Let actors do their work; one that dies with its node is begun again where there is room.

    The pool is done when any worker says so: who waits for a node that never comes back is not waited for.

    Args:
        work: called with the worker's number.
        workers: how many; 0: one for each share of `gpus_each` GPUs, or one per node where there are none.
        gpus_each: GPUs of one worker; none where the cluster has none.

    Raises:
        WorkerKilled: actors die again and again.
    """
    ray = open_ray()
    gpus_each = gpus_each if ray.cluster_resources().get("GPU") else 0
    kind = ray.remote(num_gpus=gpus_each, num_cpus=1, max_restarts=0)(CrewActor)
    handed = ray.put(work)
    running: dict[Any, tuple[int, Any]] = {}
    deaths: dict[int, int] = {}
    results: list[Any] = []

    def start(number: int) -> None:
        actor = kind.remote()
        running[actor.work.remote(handed, number)] = number, actor

    for number in range(workers or _places(ray, gpus_each)):
        start(number)
    while running:
        (ready,), _ = ray.wait(list(running), num_returns=1)
        number, actor = running.pop(ready)
        try:
            results.append(ray.get(ready))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None  # as it would be raised in this process
        except ray.exceptions.RayError as error:
            deaths[number] = deaths.get(number, 0) + 1
            if deaths[number] > MOST_DEATHS:
                raise WorkerKilled(
                    f"a worker of the Ray cluster died {deaths[number]} times, at last: {error}"
                ) from None
            log.warning("a worker of the Ray cluster died; its parts are taken over: %s", str(error).split("\n")[0])
            start(number)
            continue
        ray.kill(actor)
        if results[-1].all_done:
            break
    for _, actor in running.values():
        ray.kill(actor)
    return results


def _places(ray: Any, gpus_each: float) -> int:
    if gpus_each:
        return max(1, int(ray.cluster_resources().get("GPU", 0) // gpus_each))
    return max(1, sum(1 for node in ray.nodes() if node["Alive"]))
