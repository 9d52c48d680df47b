"""One function over many shards: in this process, in several processes, or on a Ray cluster."""

import contextlib
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Literal

from common.pools.shards import Shard
from common.runs.folder import progress

Cluster = Literal["local", "ray"]

_kept: ContextVar[Executor | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def keep_workers(workers: int) -> Iterator[None]:
    """Let all `run_shards` of the block share their processes: imports and models are loaded once, not once a step."""
    with _pool(workers, threads=False) as pool:
        token = _kept.set(pool)
        try:
            yield
        finally:
            _kept.reset(token)


def run_shards(
    function: Callable[[Shard], Any],
    shards: Sequence[Shard],
    *,
    workers: int = 1,
    cluster: Cluster = "local",
    label: str = "",
    threads: bool = False,
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
        threads: workers on this machine are threads of this process: for work that leaves Python's lock alone.
    """
    if cluster == "ray":
        return _on_ray(function, shards, workers, label)
    if workers == 1 or len(shards) <= 1:
        return [function(shard) for shard in progress(shards, len(shards), label, "shards")]
    kept = None if threads else _kept.get()
    with contextlib.nullcontext(kept) if kept else _pool(min(workers, len(shards)), threads) as pool:
        futures = [pool.submit(function, shard) for shard in shards]
        try:
            return [future.result() for future in progress(futures, len(futures), label, "shards")]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _pool(workers: int, threads: bool) -> Executor:
    if threads:
        return ThreadPoolExecutor(workers)
    # spawn: a forked child would inherit locks of threads (OpenMP, tokenizers) that do not exist in it
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _on_ray(function: Callable[[Shard], Any], shards: Sequence[Shard], workers: int, label: str) -> list[Any]:
    try:
        import ray
    except ImportError:
        raise ValueError("cluster=ray needs the `cluster` extra: pip install -e .[cluster]") from None
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    task = ray.remote(_call)  # takes functions only, and the work may be a `functools.partial`
    work = ray.put(function)
    results: dict[int, Any] = {}
    running: dict[Any, int] = {}
    queue = list(enumerate(shards))[::-1]
    for _ in progress(range(len(shards)), len(shards), label, "shards"):
        while queue and len(running) < max(workers, 1):
            number, shard = queue.pop()
            running[task.remote(work, shard)] = number
        (ready,), _waiting = ray.wait(list(running), num_returns=1)
        try:
            results[running.pop(ready)] = ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None  # as it would be raised in this process
    return [results[number] for number in range(len(shards))]


def _call(function: Callable[[Shard], Any], shard: Shard) -> Any:
    return function(shard)


def find_gpus() -> list[str]:
    """The GPUs this process may use, without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60)
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU")]
