"""A run folder belongs to one launch at a time: one lock for every stage that trains or evaluates."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.pools.lock import alone
from common.runs.processes import has_launcher, launched

LOOK_S = 0.5
"""How often a worker looks for its launcher: well below the time that a second start waits."""


@contextmanager
def hold(folder: str | Path) -> Iterator[None]:
    """Keep every other launch off a run folder while this one works in it.

    The first process holds the folder for all of its launch. A process that a launcher started ends with it: a worker
    left over from a killed launcher would go on writing beside the next start.

    Raises:
        ValueError: another launch is at work there.
    """
    if has_launcher():
        threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    if launched()[0]:
        yield
        return
    with alone(folder):
        yield


def _follow(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGKILL)
