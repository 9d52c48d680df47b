"""Work that each process opens once and keeps from shard to shard: an engine, a run folder, a connection."""

import multiprocessing
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, cast

from common.pools.shards import Shard


class ShardWorker(Protocol):
    """Does shards, one after another, with what it opened for all of them."""

    def __call__(self, shard: Shard) -> Any:
        """Do one shard."""
        ...

    def close(self) -> None:
        """Give back what was opened."""
        ...


W = TypeVar("W", bound=ShardWorker)


def process_number() -> int | None:
    """This process's number among all that the main one has started, from 0; None for the main process itself."""
    number = multiprocessing.current_process().name.rpartition("-")[2]
    return int(number) - 1 if number.isdigit() else None


_opened: dict[str, ShardWorker] = {}
"""The workers of this process: a process pool hands functions over by value, so what lives on must be found by name."""


class PerProcess(Generic[W]):
    """A function over shards, for `run_shards`, whose worker is opened by the first shard that a process gets.

    Leaving the `with` closes the worker of this process; those of other processes end with them.

    Args:
        open_worker: makes the worker of a process; importable by name (a class, or a `functools.partial` of one).
    """

    def __init__(self, open_worker: Callable[[], W]) -> None:
        self.open_worker = open_worker
        self.key = uuid.uuid4().hex

    @property
    def worker(self) -> W:
        """This process's, opened on first use."""
        if self.key not in _opened:
            _opened[self.key] = self.open_worker()
        return cast(W, _opened[self.key])

    def __call__(self, shard: Shard) -> Any:
        """Let this process's worker do a shard."""
        return self.worker(shard)

    def __enter__(self) -> "PerProcess[W]":
        """The function itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what this process opened."""
        worker = _opened.pop(self.key, None)
        if worker is not None:
            worker.close()
