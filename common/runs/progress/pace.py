"""Share, rate and time left of work that is counted, as numbers and in words."""

from dataclasses import dataclass


@dataclass
class Pace:
    """How far work is."""

    done: float = 0
    total: float | None = None
    unit: str = "docs"
    """A plural word: `docs`, `shards`, `steps`."""

    start: float = 0
    """What was done before this process began: it says nothing of the rate."""

    seconds: float = 0.0
    """Since this process began."""

    @property
    def share(self) -> float | None:
        """Of the whole, from 0 to 1; None where the total is not known."""
        return min(self.done / self.total, 1.0) if self.total else None

    @property
    def rate(self) -> float | None:
        """Units per second; None before anything is done."""
        done = self.done - self.start
        return done / self.seconds if done > 0 and self.seconds > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds left at the rate so far; None where total or rate are not known."""
        if not self.total or self.rate is None:
            return None
        return max(self.total - self.done, 0) / self.rate

    def words(self) -> str:
        """All of it as a person reads it.

        >>> Pace(120, 800, "shards", seconds=60).words()
        '120 of 800 shards (15 %), 2.0 shards/s, 5 min 40 s left'
        >>> Pace(3, 4, "steps", start=1, seconds=100).words()
        '3 of 4 steps (75 %), 50 s per step, 50 s left'
        >>> Pace(12, unit="docs", seconds=4).words()
        '12 docs, 3.0 docs/s'
        """
        parts = [f"{number(self.done)} of {number(self.total)} {self.unit}" if self.total else self._counted()]
        if self.share is not None:
            parts[0] += f" ({int(100 * self.share)} %)"
        if self.rate is not None:
            parts.append(self._rate_words(self.rate))
        if self.left_s:
            parts.append(f"{duration(self.left_s)} left")
        return ", ".join(parts)

    def _counted(self) -> str:
        return f"{number(self.done)} {self.unit}"

    def _rate_words(self, rate: float) -> str:
        if rate >= 1:
            return f"{rate:,.1f} {self.unit}/s"
        return f"{duration(1 / rate)} per {self.unit.removesuffix('s')}"


def number(value: float) -> str:
    """A count: whole, or with one place.

    >>> number(12000), number(12.34)
    ('12,000', '12.3')
    """
    return f"{value:,.1f}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"


def duration(seconds: float) -> str:
    """A time in its two largest units.

    >>> [duration(each) for each in (0.42, 8.04, 59.6, 340, 7265, 200_000)]
    ['0.42 s', '8 s', '60 s', '5 min 40 s', '2 h 1 min', '2 d 7 h']
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    for size, name, smaller, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {name} {int(seconds % size // smaller)} {small}"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
