"""Workers that share a pool's parts by claims: in this process, in processes of this machine, or as actors of a Ray
cluster.

Each worker runs until the whole pool is done. One that dies is replaced; what it held is taken over. The first error
tells the others to commit what they have begun, and is raised. SIGTERM reaches all of them.
"""

import logging
import multiprocessing
import multiprocessing.connection
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, cast

from common.runs.launch import NAMED, Cluster, WorkerKilled, die_with_parent
from common.runs.progress.shown import CountedWork

log = logging.getLogger("repro")

STOPPED_CODE = 75
"""Exit code of a command that SIGTERM stopped: what was begun is committed, the same command goes on from there."""

MOST_DEATHS = 3
"""How often one worker's place is filled again before the run gives up."""

Tell = Callable[[str, str], None]
"""Told of the shard that a worker is `at`, and of one that is `done`."""

Work = Callable[[int, Tell], Any]
"""One worker's whole work, by its number; importable by name, since workers are fresh processes."""


class Overdue(BaseException):
    """The time between SIGTERM and the end is over; raised wherever the worker is."""


@contextmanager
def stop_on_sigterm(stop: Callable[[], object], notice_s: float = 0) -> Iterator[None]:
    """Call `stop` when SIGTERM comes, and end the block by `Overdue` if it still runs after `notice_s`, unless that is
    0."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def told(*_: object) -> None:
        stop()
        signal.setitimer(signal.ITIMER_REAL, notice_s)

    def overdue(*_: object) -> None:
        raise Overdue

    before = signal.signal(signal.SIGTERM, told), signal.signal(signal.SIGALRM, overdue)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGALRM, before[1])


class ShardsCounted:
    """How many shards are done, and which ones are in work, for whoever watches."""

    def __init__(self, counted: CountedWork) -> None:
        self.counted = counted
        self.at: dict[int, str] = {}
        counted.waits = self.names

    def tell(self, number: int, event: str, shard: str) -> None:
        """Take in what a worker says."""
        if event == "done":
            self.counted.at(self.counted.done + 1)
        else:
            self.at[number] = shard

    def names(self) -> str:
        """The shards in work, a few of them by name."""
        names = sorted(set(self.at.values()))
        return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def run_crew(
    work: Work, workers: int, counted: CountedWork, *, cluster: Cluster = "local", gpus_each: float = 0
) -> list[Any]:
    """Let workers do their work and return what each gave, in no order; a worker that was replaced gives once.

    Args:
        work: called with the worker's number, from 0; ends early, and well, when its process gets SIGTERM.
        workers: how many; 1 runs in this process.
        counted: is told how many shards are done.
        cluster: `ray` makes each worker an actor of the Ray cluster that `RAY_ADDRESS` names, or of a local one.
        gpus_each: GPUs that Ray gives each actor.

    Raises:
        WorkerKilled: workers die again and again.
    """
    if cluster == "ray":
        from common.claims.actors import run_actors

        return run_actors(work, workers, gpus_each)
    shards = ShardsCounted(counted)
    with counted:
        if workers == 1:
            return [work(0, partial(shards.tell, 0))]
        crew = _Crew(work, shards)
        with stop_on_sigterm(crew.stop):
            return crew.run(workers)


class _Crew:
    """The processes of one run."""

    def __init__(self, work: Work, shards: ShardsCounted) -> None:
        self.work = work
        self.shards = shards
        self.context = multiprocessing.get_context("spawn")  # a forked child would inherit locks of threads
        self.living: dict[Connection, tuple[int, BaseProcess]] = {}
        self.stopping = False
        self.deaths: dict[int, int] = {}

    def start(self, number: int) -> None:
        mine, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_be_worker, args=(self.work, number, theirs), name=f"Worker-{number + 1}")
        process.start()
        theirs.close()
        self.living[mine] = number, process
        if self.stopping:
            process.terminate()

    def stop(self) -> None:
        """Tell all workers to commit what they have begun."""
        self.stopping = True
        for _, process in list(self.living.values()):
            process.terminate()

    def run(self, workers: int) -> list[Any]:
        results: list[Any] = []
        errors: list[BaseException] = []
        for number in range(workers):
            self.start(number)
        try:
            while self.living:
                for heard in cast(list[Connection], multiprocessing.connection.wait(list(self.living))):
                    number, process = self.living[heard]
                    try:
                        event, value = heard.recv()
                    except EOFError:
                        del self.living[heard]
                        process.join()
                        self._replace(number, process.exitcode, errors)
                        continue
                    if event in ("at", "done"):
                        self.shards.tell(number, event, value)
                        continue
                    del self.living[heard]
                    process.join()
                    (results if event == "result" else errors).append(value)
                    if event == "error" and not self.stopping:
                        self.stop()
        finally:
            for _, process in self.living.values():
                process.kill()
        if errors:
            raise errors[0]
        return results

    def _replace(self, number: int, code: int | None, errors: list[BaseException]) -> None:
        """Fill the place of a worker that died."""
        if self.stopping:
            return
        self.deaths[number] = self.deaths.get(number, 0) + 1
        if self.deaths[number] > MOST_DEATHS:
            errors.append(
                WorkerKilled(
                    f"a worker process died {self.deaths[number]} times, the last time with code {code} (too little "
                    "memory?); what was committed stays, and the same command goes on from there"
                )
            )
            self.stop()
            return
        log.warning("a worker process died with code %s; another one takes over what it had in work", code)
        self.start(number)


def _be_worker(work: Work, number: int, answer: Connection) -> None:
    """The life of a worker's process."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C too, and ends this one
    try:
        answer.send(("result", work(number, lambda event, shard: answer.send((event, shard)))))
    except BaseException as error:
        answer.send(("error", _portable(error)))
    answer.close()


def _portable(error: BaseException) -> BaseException:
    """An error that another process can read."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
