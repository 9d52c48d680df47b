"""An object store in virtual time: every request takes a while, may wait its turn, and may be late to show in listings.

It is a `ClaimStore`, so the code that claims and commits cannot tell it from a real one. It keeps names, small contents
and times; of what is written as lines it keeps the length alone. A request counts when it is sent, and does what it
does when its answer comes; a worker that is killed in between may or may not have done it.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from sys import intern
from types import MappingProxyType
from typing import Any

from greenlet import GreenletExit, getcurrent

from common.pools.storage import StoredFile
from rephrase.simulation.config import StoreConfig
from rephrase.simulation.events import VirtualTime


class SimulatedStore:
    """A pool's files.

    Args:
        clock: the simulation's.
        config: how the store behaves.
        seed: of its latencies.
    """

    local = False

    def __init__(self, clock: VirtualTime, config: StoreConfig, seed: int = 0) -> None:
        self.clock = clock
        self.config = config
        self.folders: dict[str, dict[str, StoredFile]] = {}
        self.contents: dict[str, dict[str, bytes]] = {}
        """By folder, as the listings are."""
        self.requests: Counter[str] = Counter()
        self.waited_s = 0.0
        """For a turn, where the store serves so many requests a second and no more."""
        self.at_once = False
        """Requests take no time: of signs of life that are made up for."""
        self.before_listing: Callable[[str], object] = lambda folder: None
        # what each of millions of requests looks at
        self._draw = random.Random(f"store {seed}").random
        self._bytes_per_s = 1e6 * config.mb_per_s
        self._latency_s = config.latency_s
        self._requests_per_s = config.requests_per_s
        self._free_at = 0.0
        self._began: dict[str, float] = {}
        """Name → when it was new; kept where names are late to show."""

    def list(self, folder: str) -> Mapping[str, StoredFile]:
        """The files in a folder, not below it, as far as they show; without those of lines, which nobody looks for and
        which would be half of all names."""
        self._serve("list")
        self.before_listing(folder)
        found = self.folders.get(folder, {})
        if not self.config.late_s:
            return MappingProxyType(found)
        seen, began = self.clock.time - self.config.late_s, self._began
        return {name: about for name, about in found.items() if began.get(f"{folder}/{name}", 0.0) <= seen}

    def create(self, name: str, content: bytes, durable: bool = False) -> bool:
        """Write a file that is not there."""
        self._serve("create")
        folder, _, last = name.rpartition("/")
        if last in self.folders.get(folder, ()):
            return self.contents[folder][last] == content
        self.put(name, content)
        return True

    def overwrite(self, name: str, content: bytes) -> None:
        """Write a file anew."""
        self._serve("overwrite")
        self.put(name, content)

    def put(self, name: str, content: bytes) -> None:
        """What a write does once it is served."""
        folder, _, last = name.rpartition("/")
        if folder not in self.folders:
            self.folders[folder], self.contents[folder] = {}, {}
        last = intern(last)  # shards share most names: one copy of each stays where it is quickly found
        self.folders[folder][last] = StoredFile(len(content), self.clock.time)
        self.contents[folder][last] = content
        if self.config.late_s:
            self._began.setdefault(name, self.clock.time)

    def write(self, name: str, lines: Iterable[bytes]) -> dict[str, Any]:
        """Write a file of any length; of lines that are `Lines` only the length is there."""
        size = lines.bytes if isinstance(lines, Lines) else sum(map(len, lines))
        self._serve("write", size, wait=False)
        return {"bytes": size, "digest": ""}

    def read(self, name: str) -> bytes | None:
        """A small file; None where there is none."""
        self._serve("read")
        return self.content(name)

    def content(self, name: str) -> bytes | None:
        """What a file holds, for who looks from outside: that is no request."""
        folder, _, last = name.rpartition("/")
        found = self.contents.get(folder)
        return None if found is None else found.get(last)

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        self._serve("exists")
        folder, _, last = name.rpartition("/")
        return last in self.folders.get(folder, {})

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with all in it."""
        self._serve("remove")
        whole = self.folders.pop(name, {})
        self.contents.pop(name, None)
        folder, _, last = name.rpartition("/")
        for files in (self.folders.get(folder), self.contents.get(folder)):
            if files is not None:
                files.pop(last, None)
        if self.config.late_s:
            for one in [name, *(f"{name}/{last}" for last in whole)]:
                self._began.pop(one, None)

    def read_all(self, folder: str, names: Sequence[str]) -> Sequence[bytes | None]:
        """Several small files of a folder one after the other; what they hold when the last one was read."""
        self._serve("read", 0.0, len(names))
        return list(map(self.contents.get(folder, {}).get, names))

    def pass_on(self, count: int, size: float) -> None:
        """Read so many files one after the other and write what they hold: `size` bytes, both ways together."""
        self._serve("read", size, count)

    def _serve(self, kind: str, size: float = 0.0, count: int = 1, wait: bool = True) -> None:
        """Count requests, and let their time pass: now, or with that of the next one, as nobody looks in between."""
        process: Any = getcurrent()
        if getattr(process, "dead_at", None) is not None:
            raise GreenletExit
        self.requests[kind] += count
        if self.at_once:
            return
        clock = self.clock
        begins = clock.time
        if self._requests_per_s:
            begins = max(begins, self._free_at)
            self._free_at = begins + count / self._requests_per_s
            self.waited_s += begins - clock.time
        took = size / self._bytes_per_s
        if self._latency_s:
            took += self._latency_s * (count if count > 1 else -math.log(1 - self._draw()))
        busy = getattr(process, "busy_until", 0.0)
        ends = (busy if busy > begins else begins) + took
        if wait:
            clock.sleep_until(ends)
        else:
            process.busy_until = ends


class Lines:
    """What stands for the lines of a part: so many bytes, which are nowhere."""

    def __init__(self, size: int) -> None:
        self.bytes = size

    def __iter__(self) -> Any:
        """There is nothing to go through."""
        raise RuntimeError("the lines of a simulated part are not there to be read")
