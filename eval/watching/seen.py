"""What is to be seen of a run in its folder: its kind, its metrics, where it is, its last warnings, how it ended.

Files that grow are read on from where the last look ended, so that a look at a long run costs no more than at a short
one.
"""

import json
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.config import read_yaml
from common.runs.progress.state import FILE, Now, read_now, read_processes

KINDS = {
    "rewards": "reinforcement learning",
    "gradient_accumulation_steps": "fine-tuning",
    "global_bs": "pretraining",
    "source_ref_paths": "filtering",
    "part_docs": "rephrasing",
    "check_first": "tokenising",
    "output_file": "evaluation",
}
"""A field that only one kind of run has → what the run does."""

WARNINGS = 5
"""Warnings that are shown."""

QUIET_S = 600.0
"""A run of an earlier version, which does not say where it is, counts as ended after so long without a sign."""

_LOGGED = re.compile(r"^\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d),\d+ (?:WARNING|ERROR|CRITICAL) [\w.]+: (.*)")


@dataclass
class Seen:
    """One look at a run."""

    folder: Path
    kind: str = "run"
    now: Now = field(default_factory=Now)
    others: list[Now] = field(default_factory=list)
    """Processes that work for the run."""

    first: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] = field(default_factory=dict)
    """The first and the last value of each metric."""

    steps: Mapping[str, int] = field(default_factory=dict)
    """The step of each metric's last value."""

    warnings: list[tuple[str, str]] = field(default_factory=list)
    """Time and text, the last ones."""

    warned: int = 0
    """How many there were in all."""

    ended: str = ""
    """How the run ended, in words; empty while it goes on."""

    failed: bool = False


class Watched:
    """A run folder that is looked at again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = folder / "config.yaml"
        values = read_yaml(config.read_text(encoding="utf-8")) if config.is_file() else {}
        self.config: dict[str, Any] = values if isinstance(values, dict) else {}
        self._metrics, self._log = GrowingFile(folder / "metrics.jsonl"), GrowingFile(folder / "log.txt")
        self._first: dict[str, Any] = {}
        self._last: dict[str, Any] = {}
        self._steps: dict[str, int] = {}
        self._times: deque[tuple[float, float]] = deque(maxlen=20)
        self._warnings: deque[tuple[str, str]] = deque(maxlen=WARNINGS)
        self._warned = 0

    def look(self) -> Seen:
        """What is to be seen now."""
        for line in self._metrics.lines():
            self._take(line)
        for line in self._log.lines():
            if found := _LOGGED.match(line):
                self._warnings.append((found[1], found[2]))
                self._warned += 1
        kind = next((word for key, word in KINDS.items() if key in self.config), "run")
        now = read_now(self.folder)
        seen = Seen(
            self.folder,
            kind,
            now or self._guessed(),
            read_processes(self.folder),
            self._first,
            self._last,
            self._steps,
            list(self._warnings),
            self._warned,
        )
        seen.ended, seen.failed = _ending(self.folder, seen.now, known=now is not None)
        return seen

    def _take(self, line: str) -> None:
        try:
            row = json.loads(line)
        except ValueError:
            return
        if not isinstance(row, dict):
            return
        step = row.get("step")
        if isinstance(step, int | float) and isinstance(row.get("time"), int | float):
            self._times.append((step, row["time"]))
        for key, value in row.items():
            if value is not None:
                self._first.setdefault(key, value)
                self._last[key] = value
                if isinstance(step, int):
                    self._steps[key] = step

    def _guessed(self) -> Now:
        """Where a run is that does not say it: from the steps it has logged."""
        now = Now(began=self._times[0][1] if self._times else 0.0)
        if len(self._times) > 1:
            (before, then), (step, now.updated) = self._times[0], self._times[-1]
            rate = {"start": before, "seconds": now.updated - then}
            now.work = [{"label": "", "done": step, "total": self._total(), "unit": "steps", "note": "", **rate}]
        return now

    def _total(self) -> int | None:
        steps = self.config.get("max_steps")
        return steps if isinstance(steps, int) and steps > 0 else None


class GrowingFile:
    """A text file that another process adds lines to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0

    def lines(self) -> Iterator[str]:
        """The whole lines that came since the last time; from the start again where the file was made anew."""
        try:
            size = self.path.stat().st_size
            if size < self._at:
                self._at = 0
            with self.path.open("rb") as file:
                file.seek(self._at)
                content = file.read(size - self._at)
        except OSError:
            return
        whole = content.rfind(b"\n") + 1
        self._at += whole
        yield from content[:whole].decode("utf-8", errors="replace").split("\n")[:-1]


def _ending(folder: Path, now: Now, known: bool) -> tuple[str, bool]:
    """How a run ended, and whether it failed; ("", False) while it goes on."""
    if now.state == "failed":
        return f"failed: {now.why}", True
    if now.ended and _preempted(folder):
        return "stopped before its last step; the same command goes on from there", False
    if now.ended:
        return "finished", False
    if known and now.alive is False:
        return f"stopped: its process {now.pid} is gone. The same command goes on from there", True
    if not known and (folder / "done.json").is_file():
        return "finished", False
    if not known:
        files = [folder / name for name in ("metrics.jsonl", "log.txt") if (folder / name).is_file()]
        quiet = time.time() - max((file.stat().st_mtime for file in files), default=0.0)
        if quiet > QUIET_S:
            return "ended, or stopped: nothing was written for a long time", False
    return "", False


def _preempted(folder: Path) -> bool:
    """Whether pretraining says so in its record."""
    record = folder / "record.json"
    try:
        return json.loads(record.read_text(encoding="utf-8")).get("status") == "preempted"
    except (OSError, ValueError):
        return False


def find_run(path: str) -> Path:
    """The run folder that is meant: the path itself, or the run inside it that last gave a sign.

    A pool keeps its run in a folder of its own (`POOL/_rephrase`), pretraining below `logs`, an evaluation in a folder
    beside its record (`results/mine.json`).

    Raises:
        ValueError: no run is there.
    """
    place = Path(path)
    if place.suffix == ".json":
        place = place.with_suffix("")
    if not place.is_dir():
        raise ValueError(f"no run at {path}: there is no such folder")
    if (place / "run.json").is_file():
        return place
    found = [file.parent for pattern in ("*/run.json", "*/*/run.json") for file in place.glob(pattern)]
    if not found:
        raise ValueError(f"no run at {path}: neither it nor a folder in it has a run.json")
    return max(found, key=_sign)


def _sign(folder: Path) -> float:
    files = [folder / name for name in (FILE, "metrics.jsonl", "run.json")]
    return max(file.stat().st_mtime for file in files if file.is_file())
