"""How far a download is: a line now and then, so that it reads well in a terminal and in a log."""

import sys
import time

EVERY_S = 5.0


class ProgressLines:
    """Prints `name: 120 of 800 MB, 15.2 MB/s, 45 s left` to standard error, at most every five seconds.

    Args:
        name: what is fetched.
        total: bytes that there will be, 0 if unknown.
    """

    def __init__(self, name: str, total: int = 0) -> None:
        self.name = name
        self.total = total
        self.start = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int = 0) -> None:
        """Say how far it is, if it is time to, or if it is done."""
        self.total = total or self.total
        self.first = done if self.first is None else self.first
        now = time.monotonic()
        if now - self.last < EVERY_S and done != self.total:
            return
        self.last = now
        rate = (done - self.first) / max(now - self.start, 1e-3)
        parts = [f"{done / 1e6:,.1f}" + (f" of {self.total / 1e6:,.1f} MB" if self.total else " MB")]
        if rate:
            parts.append(f"{rate / 1e6:,.1f} MB/s")
            if self.total > done:
                parts.append(f"{(self.total - done) / rate:,.0f} s left")
        print(f"{self.name}: {', '.join(parts)}", file=sys.stderr, flush=True)  # noqa: T201 - the command's output
