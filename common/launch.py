"""One function over many shards: in this process, in several processes, or on a Ray cluster."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Literal

from common.run import progress
from common.shards import Shard

Cluster = Literal["local", "ray"]


def run_shards(
    function: Callable[[Shard], Any],
    shards: Sequence[Shard],
    *,
    workers: int = 1,
    cluster: Cluster = "local",
    label: str = "",
) -> list[Any]:
    """Call a function on each shard and return its results in the shards' order.

    The work must not depend on where it runs: any number of workers gives the same files. The first error stops the
    rest and is raised here; finished shards stay finished, so the same command goes on from there.

    Args:
        function: importable by name (a top-level function, or a `functools.partial` of one), since workers are fresh
            processes.
        shards: the work.
        workers: processes on this machine; 1 runs in this one.
        cluster: `ray` sends each shard as a task to the Ray cluster that `RAY_ADDRESS` names (or a local one);
            `workers` then caps the tasks in flight.
        label: what the progress bar calls the work.
    """
    if cluster == "ray":
        return _on_ray(function, shards, workers, label)
    if workers == 1 or len(shards) <= 1:
        return [function(shard) for shard in progress(shards, len(shards), label, "shards")]
    # spawn: a forked child would inherit locks of threads (OpenMP, tokenizers) that do not exist in it
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(shards)), mp_context=context) as pool:
        futures = [pool.submit(function, shard) for shard in shards]
        try:
            return [future.result() for future in progress(futures, len(futures), label, "shards")]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _on_ray(function: Callable[[Shard], Any], shards: Sequence[Shard], workers: int, label: str) -> list[Any]:
    try:
        import ray
    except ImportError:
        raise ValueError("cluster=ray needs the `cluster` extra: pip install -e .[cluster]") from None
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    task = ray.remote(function)
    results: dict[int, Any] = {}
    running: dict[Any, int] = {}
    queue = list(enumerate(shards))[::-1]
    for _ in progress(range(len(shards)), len(shards), label, "shards"):
        while queue and len(running) < max(workers, 1):
            number, shard = queue.pop()
            running[task.remote(shard)] = number
        (ready,), _waiting = ray.wait(list(running), num_returns=1)
        results[running.pop(ready)] = ray.get(ready)
    return [results[number] for number in range(len(shards))]
