"""What all charts share: numbers as people write them, round ticks, the frame with its axes."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 42

Point = tuple[float, float]
Limits = tuple[float, float]


@dataclass(frozen=True)
class Axes:
    """What the axes of a chart say and where they end."""

    x_label: str = "step"
    y_label: str = ""
    x: Limits | None = None
    """Ends of the x axis; None: where the data end."""
    y: Limits | None = None
    marks: Sequence[tuple[float, str]] = field(default=())
    """Upright dashed lines: place and what it is, such as a threshold."""


def short_number(value: float) -> str:
    """A number as a person would write it in a table.

    >>> [short_number(value) for value in (0.12345, 3.0, 1234, 5120233, 0.00001)]
    ['0.1235', '3', '1,234', '5,120,233', '1e-05']
    """
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 0.001:
        return f"{value:.{4 if abs(value) < 10 else 2}f}".rstrip("0").rstrip(".")
    return f"{value:.2g}"


def compact(value: float) -> str:
    """A large number in few letters, for diagrams and axes.

    >>> [compact(value) for value in (950, 285648, 5120233, 28.8e9, 0.25)]
    ['950', '286k', '5.12M', '28.8B', '0.25']
    """
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value / 1e3:.0f}k" if abs(value) >= 1e4 else short_number(value)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers between two values, about as many as wanted.

    >>> ticks(0, 30)
    [0.0, 10.0, 20.0, 30.0]
    """
    if high <= low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def finite(point: tuple[float | None, float | None]) -> bool:
    """Whether both numbers of a point are there and finite."""
    return all(value is not None and math.isfinite(value) for value in point)


def spread(values: Sequence[float], pad: float) -> Limits:
    """From the least to the greatest value, with some room around."""
    low, high = min(values), max(values)
    room = (high - low) * pad if high > low else max(abs(high) * 0.05, 0.5)
    return low - room, high + room


class Frame:
    """The plotting area: where a point lies in it, and its axes as SVG."""

    def __init__(self, axes: Axes, points: Sequence[Point], pad: float = 0.06) -> None:
        self.axes = axes
        marks = [place for place, _ in axes.marks if math.isfinite(place)]
        self.x = axes.x or spread([*(x for x, _ in points), *marks], 0.0)
        low, high = axes.y or spread([y for _, y in points], pad)
        self.y = (low if axes.y or min(y for _, y in points) < 0 else max(low, 0.0), high)  # no room below nothing

    def place(self, point: Point) -> Point:
        """Where a point lies, in the chart's own units."""
        return (
            _between(point[0], self.x, LEFT, WIDTH - RIGHT),
            _between(point[1], self.y, HEIGHT - BOTTOM, TOP),
        )

    def svg(self, body: Sequence[str], about: str, *, links: bool = False) -> str:
        """The chart with its axes; `about` is what a screen reader says. One with links inside is no mere picture."""
        role = "group" if links else "img"
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="{role}" aria-label="{html.escape(about)}">'
            f"{self._axes()}{''.join(body)}{self._marks()}</svg>"
        )

    def _axes(self) -> str:
        parts = []
        for tick in ticks(*self.y):
            _, y = self.place((self.x[0], tick))
            parts.append(
                f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{compact(tick)}</text>'
            )
        for tick in ticks(*self.x, wanted=4):
            x, _ = self.place((tick, self.y[0]))
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{compact(tick)}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        label = html.escape(self.axes.x_label)
        parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{label}</text>')
        if self.axes.y_label:
            across, label = (TOP + HEIGHT - BOTTOM) / 2, html.escape(self.axes.y_label)
            parts.append(f'<text transform="translate(12 {across}) rotate(-90)" text-anchor="middle">{label}</text>')
        return "".join(parts)

    def _marks(self) -> str:
        """Upright lines; what they are stands beside them, on the side where there is room."""
        parts = []
        for number, (place, what) in enumerate(self.axes.marks):
            if not math.isfinite(place):
                continue
            x, _ = self.place((place, self.y[0]))
            end = x > (LEFT + WIDTH) / 2
            parts.append(
                f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
                f'<text class="ink halo" x="{x + (-5 if end else 5):.1f}" y="{TOP + 12 + 15 * number}" '
                f'text-anchor="{"end" if end else "start"}">{html.escape(what)}</text>'
            )
        return "".join(parts)


def _between(value: float, limits: Limits, start: float, end: float) -> float:
    return start + (value - limits[0]) / ((limits[1] - limits[0]) or 1.0) * (end - start)
