"""CountedWork of long work on standard error: a bar on a terminal, a line now and then elsewhere.

The lines come after 10, 20, 40 seconds and so on, at last every five minutes, whether or not anything got done, so that
a log says what a run waits for. A short piece of work says nothing. `NO_COLOR` takes the bar's colours off.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from common.runs.processes import launched
from common.runs.progress.pace import Pace
from common.runs.terminal import visible

T = TypeVar("T")

FIRST_S, LONGEST_S = 10.0, 300.0
"""Until the first line of a piece of work, and at most between two."""

BAR_S = 1.0
"""Work shorter than this draws no bar."""

LOOK_S = 0.5
"""How often the work that goes on is looked at."""


class CountedWork:
    """A piece of work that is counted. Use as a context manager.

    Work inside other work is told of behind it, in the same line.

    Args:
        label: what the work is called.
        total: how much there is, where it is known.
        unit: what is counted, in the plural.
        start: what was done before.
        waits: says what the work waits for, in a few words; asked now and then.
        shown: whether bar and lines are wanted; what has lines of its own is only told to those who watch.
    """

    def __init__(
        self,
        label: str = "",
        total: float | None = None,
        unit: str = "docs",
        *,
        start: float = 0,
        waits: Callable[[], str] | None = None,
        shown: bool = True,
    ) -> None:
        self.label, self.total, self.unit, self.start = label, total, unit, start
        self.waits, self.shown = waits, shown
        self.done = start
        self.note = ""
        """What else is to be said of it: the last loss, say."""
        self.began = time.monotonic()

    def begin(self, done: float, total: float | None) -> None:
        """The work itself begins: what came before, such as opening a model, says nothing of its rate."""
        self.total, self.start, self.done, self.began = total, done, done, time.monotonic()

    def at(self, done: float, note: str | None = None) -> None:
        """Say how much is done; cheap enough for every item."""
        self.done = done
        if note is not None:
            self.note = note

    @property
    def pace(self) -> Pace:
        """Share, rate and time left, now."""
        return Pace(self.done, self.total, self.unit, self.start, time.monotonic() - self.began)

    def words(self) -> str:
        """How far it is, as a person reads it."""
        return f"{self.label}: {self.pace.words()}" if self.label else self.pace.words()

    def waited_for(self) -> str:
        """What the work waits for; empty where it does not say."""
        try:
            return self.waits() if self.waits else ""
        except RuntimeError:  # what it looks at changed meanwhile; it is asked again soon
            return ""

    def __enter__(self) -> "CountedWork":
        """Begin to show it."""
        _SHOW.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Show the end."""
        _SHOW.leave(self)


def progress(
    iterable: Iterable[T],
    total: int | None = None,
    label: str = "",
    unit: str = "docs",
    waits: Callable[[], str] | None = None,
) -> Iterator[T]:
    """Pass items through, showing count, rate and time left; see `CountedWork`."""
    with CountedWork(label, total, unit, waits=waits) as work:
        for count, item in enumerate(iterable, 1):
            yield item
            work.at(count)


def going_on() -> list[CountedWork]:
    """The work that goes on in this process, from the outermost to what is inside it."""
    return list(_SHOW.open)


def waiting(text: str) -> None:
    """Say what this process waits for now, where no piece of work says it: `sampling 64 completions`."""
    _SHOW.waiting = text, time.time()


def waited_for() -> tuple[str, float]:
    """What was said last, and since when."""
    return _SHOW.waiting


def every_look(job: Callable[[], None]) -> Callable[[], None]:
    """Call something as long as it is wanted, about twice a second; returns what ends it."""
    _SHOW.add(job)
    return lambda: _SHOW.remove(job)


class LineClock:
    """When the next line is due: after 10 s, then after twice as long each time, up to five minutes."""

    def __init__(self, began: float) -> None:
        self.next, self.step = began + FIRST_S, FIRST_S

    def due(self, now: float) -> bool:
        """Whether a line is due, which then counts as said."""
        if now < self.next:
            return False
        self.step = min(2 * self.step, LONGEST_S)
        self.next = now + self.step
        return True


class _Show:
    """The one place that draws: it looks at the open work from a thread of its own, which ends when nothing is open."""

    def __init__(self) -> None:
        self.open: list[CountedWork] = []
        self.waiting = "", 0.0
        self._jobs: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._clock: LineClock | None = None
        self._said = False
        self._bar: Any = None

    def enter(self, work: CountedWork) -> None:
        with self._lock:
            if work.shown and not self._shown():
                self._clock, self._said = LineClock(work.began), False
                self.add(self._draw)
            self.open.append(work)

    def leave(self, work: CountedWork) -> None:
        with self._lock:
            self.open = [one for one in self.open if one is not work]
            if not work.shown or self._shown():
                return
            self.remove(self._draw)
            if self._bar is not None:
                self._update(work, "")
                self._bar.stop()
                self._bar = None
            elif self._said:
                _say(work.words())

    def _shown(self) -> list[CountedWork]:
        return [work for work in self.open if work.shown]

    def add(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._jobs.append(job)
            self._wake.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="progress", daemon=True)
                self._thread.start()

    def remove(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._jobs = [one for one in self._jobs if one != job]

    def _look(self) -> None:
        while True:
            self._wake.wait(LOOK_S)
            self._wake.clear()
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                for job in list(self._jobs):
                    job()

    def _draw(self) -> None:
        now = time.monotonic()
        outermost, *inside = self._shown()
        if launched()[0]:
            return
        waits = self.open[-1].waited_for()
        more = [part for part in (self.open[-1].note, f"waits for {waits}" if waits else "") if part]
        more = [*(work.words() for work in inside), *more]
        if on_terminal():
            if self._bar is None and now - outermost.began >= BAR_S:
                self._bar = _open_bar(outermost)
            if self._bar is not None:
                self._update(outermost, "; ".join(more))
        elif self._clock is not None and self._clock.due(now):
            self._said = True
            _say("; ".join([outermost.words(), *more]))

    def _update(self, work: CountedWork, more: str) -> None:
        (task,) = self._bar.task_ids
        words = visible(work.pace.words())
        self._bar.update(task, completed=work.done, total=work.total, words=words, more=visible(more))


def on_terminal() -> bool:
    """Whether bars are drawn: on a terminal that can, in the process that the user started."""
    from multiprocessing import parent_process  # not above: help is quick

    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and parent_process() is None


def _open_bar(work: CountedWork) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = [TextColumn("{task.description}", markup=False), BarColumn(bar_width=20)]
    columns += [TextColumn("{task.fields[words]}", markup=False), TextColumn("{task.fields[more]}", markup=False)]
    bars = Bars(*columns, console=Console(stderr=True, highlight=False))
    bars.add_task(visible(work.label), total=work.total, words="", more="")
    bars.start()
    return bars


def _say(line: str) -> None:
    print(visible(" ".join(line.split())), file=sys.stderr, flush=True)  # noqa: T201 - the command's output


def _forget() -> None:
    """A forked child has no such thread, and none of the work."""
    global _SHOW
    _SHOW = _Show()


_SHOW = _Show()
os.register_at_fork(after_in_child=_forget)
