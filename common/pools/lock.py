"""Keep a second process of this machine off some work, or wait for it; a killed process lets go by itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.pools.storage import is_remote, local_path

GRACE_S = 3.0
"""How long to wait for a process that has just been ended: its workers let go a moment later."""


@contextmanager
def alone(folder: str | Path, what: str | None = None) -> Iterator[bool]:
    """Work in a folder while no other process of this machine does; gives whether another one had to end first.

    Args:
        folder: made if absent; it holds the lock file.
        what: named in the refusal in place of the folder.

    Raises:
        ValueError: another process is at work there.
    """
    if is_remote(str(folder)):
        yield False  # object stores have no locks; START and END keep array jobs apart
        return
    import fcntl

    place = local_path(str(folder))
    end = time.monotonic() + GRACE_S
    waited = False
    while True:
        place.mkdir(parents=True, exist_ok=True)
        with (place / "lock").open("wb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ValueError(f"another process is working on {what or folder}") from None
            else:
                yield waited
                return
        waited = True
        time.sleep(0.05)


@contextmanager
def wait(lock: Path) -> Iterator[None]:
    """Wait until no other process of this machine holds a lock file."""
    import fcntl

    with lock.open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
