"""Charts as plain SVG text: lines over steps, histograms, bars. No script, no download, readable in any browser."""

import html
import math
from collections.abc import Mapping, Sequence

from eval.report.style import PALETTE

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 14, 34

Point = tuple[float, float]


def line_chart(series: Mapping[str, Sequence[Point]], *, x_label: str = "step", y_label: str = "") -> str:
    """Lines over a common x axis, one colour each, with a legend where there are several.

    Args:
        series: name → (x, y) points in the order of x; where a value is not finite the line has a gap.
        x_label: under the axis.
        y_label: beside it, with its unit.

    Returns:
        An `<svg>` element; a paragraph saying so if no point is finite.
    """
    points = [point for line in series.values() for point in line if _finite(point)]
    if not points:
        return '<p class="empty">nothing was measured</p>'
    x_low, x_high = _range([x for x, _ in points], pad=0.0)
    y_low, y_high = _range([y for _, y in points], pad=0.06)
    body = [_axes(x_low, x_high, y_low, y_high, x_label, y_label)]
    for number, (name, line) in enumerate(series.items()):
        colour = PALETTE[number % len(PALETTE)]
        for piece in _pieces(line):
            places = [(_place(x, x_low, x_high, LEFT, WIDTH - RIGHT), _place(y, y_low, y_high, HEIGHT - BOTTOM, TOP))
                      for x, y in piece]  # fmt: skip
            if len(places) == 1:
                body.append(f'<circle cx="{places[0][0]:.1f}" cy="{places[0][1]:.1f}" r="3" fill="{colour}"/>')
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            label = html.escape(name)
            body.append(
                f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"><title>{label}</title>'
                "</polyline>"
            )
    return _svg(body) + _legend(list(series)) if len(series) > 1 else _svg(body)


def histogram(series: Mapping[str, Sequence[int | float]], low: float, high: float, *, x_label: str) -> str:
    """Shares of a total over equal bins, one outline per source, so that sources of different sizes compare.

    Args:
        series: name → counts per bin, bins from `low` to `high`.
        low: left edge of the first bin.
        high: right edge of the last.
        x_label: what is counted, with its unit.
    """
    lines: dict[str, list[Point]] = {}
    for name, counts in series.items():
        total = sum(counts) or 1
        width = (high - low) / max(len(counts), 1)
        steps: list[Point] = []
        for number, count in enumerate(counts):
            share = 100 * count / total
            steps += [(low + number * width, share), (low + (number + 1) * width, share)]
        lines[name] = steps
    return line_chart(lines, x_label=x_label, y_label="% of documents")


def bar_chart(values: Mapping[str, float], *, unit: str = "") -> str:
    """Horizontal bars, the value beside each; for counts and scores."""
    if not values:
        return '<p class="empty">nothing was counted</p>'
    largest = max((abs(value) for value in values.values()), default=1) or 1
    row, left, width = 24, 190, 640
    body = []
    for number, (name, value) in enumerate(values.items()):
        y = number * row
        length = max(1.0, abs(value) / largest * (width - left - 110))
        colour = PALETTE[number % len(PALETTE)]
        shown = html.escape(short_number(value) + unit)
        body.append(
            f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect x="{left}" y="{y + 4}" width="{length:.1f}" height="{row - 8}" fill="{colour}" rx="2"/>'
            f'<text x="{left + length + 6:.1f}" y="{y + 16}">{shown}</text>'
        )
    height = row * len(values)
    return f'<svg class="bars" viewBox="0 0 {width} {height}" role="img">{"".join(body)}</svg>'


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
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 10 else f"{value:.2f}"
    return f"{value:.2g}"


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


def _finite(point: tuple[float | None, float | None]) -> bool:
    return all(value is not None and math.isfinite(value) for value in point)


def _pieces(line: Sequence[Point]) -> list[list[Point]]:
    pieces: list[list[Point]] = [[]]
    for point in line:
        if _finite(point):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _range(values: Sequence[float], pad: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * pad if high > low else max(abs(high) * 0.05, 0.5)
    return low - room, high + room


def _place(value: float, low: float, high: float, start: float, end: float) -> float:
    return start + (value - low) / (high - low) * (end - start)


def _axes(x_low: float, x_high: float, y_low: float, y_high: float, x_label: str, y_label: str) -> str:
    parts = []
    for tick in ticks(y_low, y_high):
        y = _place(tick, y_low, y_high, HEIGHT - BOTTOM, TOP)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short_number(tick)}</text>'
        )
    for tick in ticks(x_low, x_high):
        x = _place(tick, x_low, x_high, LEFT, WIDTH - RIGHT)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short_number(tick)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">{html.escape(x_label)}</text>')
    if y_label:
        across = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(
            f'<text transform="translate(12 {across}) rotate(-90)" text-anchor="middle">{html.escape(y_label)}</text>'
        )
    return "".join(parts)


def _svg(body: list[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(body)}</svg>'


def _legend(names: list[str]) -> str:
    items = "".join(
        f'<span><i style="background:{PALETTE[number % len(PALETTE)]}"></i>{html.escape(name)}</span>'
        for number, name in enumerate(names)
    )
    return f'<p class="legend">{items}</p>'
