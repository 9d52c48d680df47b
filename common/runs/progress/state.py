"""Where a run is, in its folder: `progress.json`, which `eval.watch` reads; a process of a pool has a file of its own.

The file says which process works, what it counts and what it waits for, and in the end how the run ended. It is for
those who look on: nothing that a run does depends on it.
"""

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.pools.storage import atomic_write
from common.runs.progress.pace import Pace
from common.runs.progress.shown import every_look, going_on, waited_for
from common.runs.redaction import redacted

FILE, PATTERN = "progress.json", "progress-*.json"


@dataclass
class Now:
    """What `progress.json` says."""

    state: str = "running"
    """`running`, `finished` or `failed`."""

    why: str = ""
    """What a failed run ended with."""

    pid: int = 0
    host: str = ""
    began: float = 0.0
    """Seconds since 1970, as are all times here."""

    updated: float = 0.0
    """When something last moved."""

    work: list[dict[str, Any]] = field(default_factory=list)
    """The work that goes on, from the outermost inwards: label, done, total, unit, start, seconds, note."""

    waits: str = ""
    """What the run waits for; empty where it does not say."""

    waits_since: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether the run said that it ended."""
        return self.state != "running"

    @property
    def alive(self) -> bool | None:
        """Whether the process that writes is there; None where that cannot be known, from another machine."""
        if self.host != platform.node():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def paces(self) -> list[tuple[str, Pace, str]]:
        """Label, pace and note of each piece of work."""
        names = ("done", "total", "unit", "start", "seconds")
        return [(one["label"], Pace(**{name: one[name] for name in names}), one["note"]) for one in self.work]


class FolderProgress:
    """Writes a run's `progress.json` as long as the run is open."""

    def __init__(self, folder: Path) -> None:
        from common.runs.per_process import process_number  # not above: it brings multiprocessing, and help is quick

        number = process_number()
        self.path = folder / (FILE if number is None else f"progress-{number + 1}.json")
        if number is None:
            for left in folder.glob(PATTERN):  # of an earlier run's processes
                left.unlink(missing_ok=True)
        self.began = time.time()
        self.last: tuple[Any, ...] = ()
        self.waits = "", 0.0
        self._write(self._now())
        self._end = every_look(self.look)

    def look(self) -> None:
        """Write what changed since the last look."""
        now = self._now()
        moved = tuple((one["label"], one["done"], one["note"]) for one in now.work), now.waits
        if moved != self.last:
            self.last = moved
            self._write(now)

    def close(self, error: BaseException | None = None) -> None:
        """Say how the run ended."""
        self._end()
        failed = error is not None and not (isinstance(error, SystemExit) and not error.code)
        why = redacted(f"{type(error).__name__}: {error}") if failed else ""
        self._write(Now("failed" if failed else "finished", str(why)[:2000], work=self._now().work))

    def _now(self) -> Now:
        open_ = going_on()
        work = [
            {"label": one.label, "note": one.note, **{name: getattr(one.pace, name) for name in _PACE}} for one in open_
        ]
        said, since = waited_for()
        waits = next((text for one in reversed(open_) if (text := one.waited_for())), "") or said
        if waits != self.waits[0]:
            self.waits = waits, since if waits == said else time.time()
        return Now(work=work, waits=waits, waits_since=self.waits[1])

    def _write(self, now: Now) -> None:
        now.pid, now.host, now.began, now.updated = os.getpid(), platform.node(), self.began, time.time()
        with contextlib.suppress(OSError), atomic_write(str(self.path)) as target:  # a full disk stops who needs it
            target.write(json.dumps(vars(now), ensure_ascii=False).encode())


@contextlib.contextmanager
def in_pool_process(folder: Path) -> Iterator[None]:
    """Let a process of a pool say in the run's folder where it is; the main one's run does so itself."""
    from common.runs.per_process import process_number

    if process_number() is None:
        yield
        return
    told = FolderProgress(folder)
    try:
        yield
    finally:
        told.close()


_PACE = ("done", "total", "unit", "start", "seconds")


def read_now(folder: Path) -> Now | None:
    """What a run's folder says of where it is; None where it says nothing (a run of an earlier version)."""
    return _read(folder / FILE)


def read_processes(folder: Path) -> list[Now]:
    """The same of the processes that work for the run and are there."""
    found = [_read(path) for path in sorted(folder.glob(PATTERN))]
    return [one for one in found if one is not None and one.alive is not False and not one.ended]


def _read(path: Path) -> Now | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Now(**{name: said[name] for name in vars(Now()) if name in said})
    except (OSError, ValueError, TypeError):
        return None
