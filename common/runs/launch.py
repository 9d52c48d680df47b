"""One function over many shards: in this process, in several processes, or on a Ray cluster."""

import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from functools import partial
from typing import Any, Literal

from common.pools.marks import Unreadable
from common.pools.shards import Shard
from common.pools.storage import keep_listings, one_listing_each
from common.runs.per_process import process_number
from common.runs.progress.shown import progress

Cluster = Literal["local", "ray"]

NAMED = 3
"""Shards that are named when it is said what the work waits for."""

log = logging.getLogger("repro")


class WorkerKilled(ChildProcessError):
    """A worker process ended before its work did, twice."""


class _Workers:
    """The processes that several `run_shards` share; new ones where one was killed."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = _pool(workers, threads=False)

    def renew(self) -> Executor:
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = _pool(self.workers, threads=False)
        return self.pool


_kept: ContextVar[_Workers | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def keep_workers(workers: int) -> Iterator[None]:
    """Let all `run_shards` of the block share their processes: imports and models are loaded once, not once a step."""
    kept = _Workers(workers)
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)
        kept.pool.shutdown()


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
    rest and is raised here; finished shards stay finished, so the same command goes on from there. A shard that cannot
    be read at all (`Unreadable`) does not stop the others; it is raised at the end. Where a worker is killed, what it
    had in work is done again by new ones, once. Workers die with this process, whatever ends it.

    Args:
        function: importable by name (a top-level function, or a `functools.partial` of one), since workers are fresh
            processes.
        shards: the work.
        workers: processes on this machine; 1 runs in this one.
        cluster: `ray` sends each shard as a task to the Ray cluster that `RAY_ADDRESS` names (or a local one);
            `workers` then caps the tasks in flight.
        label: what the progress bar calls the work.
        threads: workers on this machine are threads of this process: for work that leaves Python's lock alone.

    Raises:
        Unreadable: not one document could be read of a shard; all others are done.
        WorkerKilled: workers are killed again and again.
    """
    if cluster == "ray":
        return _readable(_on_ray(function, shards, workers, label))
    if workers == 1 or len(shards) <= 1:
        with one_listing_each():
            return _readable(_in_turn(function, shards, label))
    kept = _kept.get()
    if threads or kept is None:
        own = _Workers(min(workers, len(shards))) if not threads else None
        with own.pool if own else _pool(min(workers, len(shards)), threads=True) as pool:
            return _readable(_in_workers(pool, own, function, shards, label))
    return _readable(_in_workers(kept.pool, kept, function, shards, label))


def _in_turn(function: Callable[[Shard], Any], shards: Sequence[Shard], label: str) -> list[Any]:
    results: list[Any] = []

    def waits() -> str:
        return _names(shards[len(results) : len(results) + 1])

    for shard in progress(shards, len(shards), label, "shards", waits):
        results.append(_call(function, shard))
    return results


def _names(shards: Sequence[Shard]) -> str:
    """What is worked on, in a few words; what is run like a shard need not have a name."""
    shown = [str(getattr(shard, "name", "")) for shard in shards[:NAMED]]
    more = f" and {len(shards) - NAMED} more" if len(shards) > NAMED else ""
    return ", ".join(filter(None, shown)) + more


def _in_workers(
    pool: Executor, workers: _Workers | None, function: Callable[[Shard], Any], shards: Sequence[Shard], label: str
) -> list[Any]:
    results: dict[int, Any] = {}
    for last in (False, True):
        left = [number for number in range(len(shards)) if number not in results]
        futures = {number: pool.submit(_call, function, shards[number]) for number in left}
        numbers = {future: number for number, future in futures.items()}
        running = partial(_running, shards, futures)
        try:
            for future in progress(as_completed(numbers), len(left), label, "shards", running):
                results[numbers[future]] = future.result()
            break
        except BrokenProcessPool:
            if last or workers is None:
                raise WorkerKilled(
                    "worker processes were killed (too little memory?); finished shards stay finished, and the same "
                    "command goes on from there"
                ) from None
            log.warning("a worker process was killed; what was in work is done again")
            results |= {number: one.result() for number, one in futures.items() if _ended_well(one)}
            pool = workers.renew()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[number] for number in range(len(shards))]


def _running(shards: Sequence[Shard], futures: Mapping[int, Future[Any]]) -> str:
    return _names([shards[number] for number, future in futures.items() if future.running() and not future.done()])


def _ended_well(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _readable(results: list[Any]) -> list[Any]:
    """The results, if no shard was unreadable."""
    failed = [result for result in results if isinstance(result, Unreadable)]
    if failed:
        more = f" (and {len(failed) - 1} more shards)" if len(failed) > 1 else ""
        raise Unreadable(f"{failed[0]}{more}; the other shards are done")
    return results


def _pool(workers: int, threads: bool) -> Executor:
    if threads:
        return ThreadPoolExecutor(workers)
    # spawn: a forked child would inherit locks of threads (OpenMP, tokenizers) that do not exist in it
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker)


def _begin_worker() -> None:
    die_with_parent()
    keep_listings()


def die_with_parent() -> None:
    """Let this worker die with its parent, whatever ends that: a worker that lives on holds memory and locks."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _on_ray(function: Callable[[Shard], Any], shards: Sequence[Shard], workers: int, label: str) -> list[Any]:
    ray = open_ray()
    task = ray.remote(_call_on_ray)  # takes functions only, and the work may be a `functools.partial`
    work = ray.put(function)
    results: dict[int, Any] = {}
    running: dict[Any, int] = {}
    queue = list(enumerate(shards))[::-1]
    waits = partial(_on_cluster, shards, running)
    for _ in progress(range(len(shards)), len(shards), label, "shards", waits):
        while queue and len(running) < max(workers, 1):
            number, shard = queue.pop()
            running[task.remote(work, shard)] = number
        (ready,), _waiting = ray.wait(list(running), num_returns=1)
        try:
            results[running.pop(ready)] = ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None  # as it would be raised in this process
    return [results[number] for number in range(len(shards))]


def _on_cluster(shards: Sequence[Shard], running: Mapping[Any, int]) -> str:
    return _names([shards[number] for number in list(running.values())])


def open_ray() -> Any:
    """Ray, connected to the cluster that `RAY_ADDRESS` names, or to one on this machine.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ValueError("cluster=ray needs the `cluster` extra: pip install -e .[cluster]") from None
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    return ray


def _call(function: Callable[[Shard], Any], shard: Shard) -> Any:
    try:
        return function(shard)
    except Unreadable as error:
        return error


def _call_on_ray(function: Callable[[Shard], Any], shard: Shard) -> Any:
    keep_listings()  # a process of Ray serves one command only
    return _call(function, shard)


def find_gpus() -> list[str]:
    """The GPUs this process may use, without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60)
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU")]


def take_gpus(gpus: Sequence[str], devices: int) -> None:
    """Leave this worker its own GPUs in sight: a pool of processes numbers them from 1, and the main one has no number.

    Args:
        gpus: those of this machine (`find_gpus`); without any, nothing changes.
        devices: how many one engine takes.
    """
    number = process_number()
    if gpus and number is not None:
        first = number * devices % len(gpus)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[first : first + devices])
