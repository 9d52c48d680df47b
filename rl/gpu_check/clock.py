"""Seconds of work on a device, and of the methods that a trainer spends them in."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


def synchronise(device: str) -> None:
    """Wait until a GPU has done what it was asked."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], Any], device: str, runs: int = 3) -> float:
    """The median seconds of some runs after one that does not count."""
    work()
    found = []
    for _ in range(runs):
        synchronise(device)
        began = time.perf_counter()
        work()
        synchronise(device)
        found.append(time.perf_counter() - began)
    return sorted(found)[len(found) // 2]


@contextmanager
def stopwatch(owner: type, names: Sequence[str], device: str) -> Iterator[dict[str, list[float]]]:
    """Inside the block, the seconds of every call of some methods of a class, by name."""
    found: dict[str, list[float]] = {name: [] for name in names}
    before = {name: owner.__dict__.get(name) for name in names}

    def timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def run(*arguments: Any, **options: Any) -> Any:
            synchronise(device)
            began = time.perf_counter()
            try:
                return method(*arguments, **options)
            finally:
                synchronise(device)
                found[name].append(time.perf_counter() - began)

        return run

    for name in names:
        setattr(owner, name, timed(name, getattr(owner, name)))
    try:
        yield found
    finally:
        for name, method in before.items():
            if method is None:
                delattr(owner, name)
            else:
                setattr(owner, name, method)
