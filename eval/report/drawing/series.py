"""Lines over steps, histograms, clouds of points, bars: each as an `<svg>` element, readable in any browser."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eval.report.drawing.colours import colour_class
from eval.report.drawing.frame import Axes, Frame, Point, finite, short_number
from eval.report.style import PALETTE

DASHES = ("", "7 4", "2 3", "9 3 2 3")
"""Forms of a line, which tell it apart without its colour."""

MOST_POINTS = 500
"""Points that a line is drawn with; of more, the least and greatest of each stretch. The CSV has them all."""

NOTHING = '<p class="empty">Nothing was measured.</p>'


@dataclass(frozen=True)
class Series:
    """One line, histogram or cloud of a chart."""

    name: str
    points: Sequence[Point]
    """(x, y) in the order of x; where a value is not finite the line has a gap."""
    colour: int = 0
    """Its number in the palette (`Colours.of`)."""
    dash: int = 0
    """Its number among `DASHES`."""
    faint: bool = False
    """Drawn thin and pale: the single values behind a mean."""
    links: Mapping[float, str] = field(default_factory=dict)
    """x → address that a dot at the point there opens, such as a step's samples."""

    @property
    def stroke(self) -> str:
        """Its form as attributes; a colour that comes a second time is dashed another way."""
        dash = DASHES[(self.dash + self.colour // len(PALETTE)) % len(DASHES)]
        form = f' stroke-dasharray="{dash}"' if dash else ""
        width = ' stroke-width="1" stroke-opacity="0.45"' if self.faint else ' stroke-width="2"'
        return f'class="{colour_class(self.colour)}" stroke="currentColor" fill="none"{width}{form}'


def line_chart(series: Sequence[Series], axes: Axes) -> str:
    """Lines over a common x axis; a paragraph saying so if no point is finite."""
    points = [point for one in series for point in one.points if finite(point)]
    if not points:
        return NOTHING
    frame = Frame(axes, points)
    body = []
    for one in series:
        for piece in _pieces(one.points):
            places = [frame.place(point) for point in thinned(piece)]
            if len(places) == 1:
                (x, y), colour = places[0], colour_class(one.colour)
                body.append(f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="currentColor"/>')
            drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            body.append(f'<polyline points="{drawn}" {one.stroke}><title>{html.escape(one.name)}</title></polyline>')
    dots = [_linked(one, point, frame, axes) for one in series for point in one.points if point[0] in one.links]
    return frame.svg(body + [dot for dot in dots if dot], _told(series, axes), links=any(dots))


def _linked(one: Series, point: Point, frame: Frame, axes: Axes) -> str:
    """A dot that opens what a point links to."""
    if not finite(point):
        return ""
    x, y = frame.place(point)
    label = html.escape(f"{one.name}, {axes.x_label} {short_number(point[0])}: {short_number(point[1])}; open it")
    return (
        f'<a href="{html.escape(one.links[point[0]])}" aria-label="{label}"><title>{label}</title>'
        f'<circle class="{colour_class(one.colour)}" cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="currentColor"/></a>'
    )


def scatter(series: Sequence[Series], axes: Axes, labels: Mapping[Point, str] | None = None) -> str:
    """A dot for each point; dots of several series differ in form too."""
    points = [point for one in series for point in one.points if finite(point)]
    if not points:
        return NOTHING
    frame = Frame(axes, points)
    body = []
    for number, one in enumerate(series):
        shape = SHAPES[number % len(SHAPES)]
        for point in filter(finite, one.points):
            x, y = frame.place(point)
            label = f"<title>{html.escape(labels[point])}</title>" if labels and point in labels else ""
            body.append(
                f'<path class="{colour_class(one.colour)}" d="M{x:.1f} {y:.1f}{shape}" fill="currentColor" '
                f'fill-opacity="0.55">{label}</path>'
            )
    return frame.svg(body, _told(series, axes))


SHAPES = ("m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", "m-3 -3h6v6h-6z", "m0 -4l4 7h-8z", "m0 -4l4 4l-4 4l-4 -4z")
"""Circle, square, triangle, diamond, around the place of a point."""


def steps(counts: Sequence[float], edges: Sequence[float]) -> list[Point]:
    """The outline of a histogram in percent of its total, so that sources of different sizes compare.

    >>> steps([1, 3], [0, 1, 2])
    [(0, 25.0), (1, 25.0), (1, 75.0), (2, 75.0)]
    """
    total = sum(counts) or 1
    outline: list[Point] = []
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        outline += [(left, 100 * count / total), (right, 100 * count / total)]
    return outline


def bar_chart(values: Mapping[str, float], *, unit: str = "", colours: Mapping[str, int] | None = None) -> str:
    """Horizontal bars, name above and value beside each; for counts and shares."""
    if not values:
        return '<p class="empty">Nothing was counted.</p>'
    largest = max((abs(value) for value in values.values()), default=1) or 1
    row, width = 40, 400
    body = []
    for number, (name, value) in enumerate(values.items()):
        y = number * row
        length = max(1.5, abs(value) / largest * (width - 100))
        colour = colour_class((colours or {}).get(name, 0))
        body.append(
            f'<text class="ink" x="0" y="{y + 14}">{html.escape(name)}</text>'
            f'<rect class="{colour}" x="0" y="{y + 20}" width="{length:.1f}" height="13" fill="currentColor" rx="2"/>'
            f'<text x="{length + 6:.1f}" y="{y + 31}">{html.escape(short_number(value) + unit)}</text>'
        )
    told = "; ".join(f"{name}: {short_number(value)}{unit}" for name, value in values.items())
    height = row * len(values)
    label = html.escape(f"Bars. {told}")
    return f'<svg class="bars" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{"".join(body)}</svg>'


def running_mean(points: Sequence[Point], over: int) -> list[Point]:
    """Means of the last `over` finite values at each point: what a noisy line does on the whole.

    >>> running_mean([(0, 1.0), (1, 3.0), (2, float("nan")), (3, 5.0)], 2)
    [(0, 1.0), (1, 2.0), (3, 4.0)]
    """
    kept = [point for point in points if finite(point)]
    found, total = [], 0.0
    for number, (x, y) in enumerate(kept):
        total += y - (kept[number - over][1] if number >= over else 0.0)
        found.append((x, total / min(number + 1, over)))
    return found


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """As many points as can be seen: first and last, and of each stretch the least and the greatest."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        heights = [y for _, y in stretch]
        ends = {heights.index(min(heights)), heights.index(max(heights))}
        ends |= {0} if start == 0 else set()
        ends |= {len(stretch) - 1} if start + size >= len(points) else set()
        kept += [stretch[at] for at in sorted(ends)]
    return kept


def legend(series: Sequence[Series], points: bool = False) -> str:
    """A line of names with their colours and forms; empty for a single one that needs none."""
    shown = [one for one in series if not one.faint]
    if len(shown) < 2:
        return ""
    items = []
    for number, one in enumerate(shown):
        key = f'<line x1="1" x2="25" y1="5" y2="5" {one.stroke}/>'
        if points:
            shape = SHAPES[number % len(SHAPES)]
            key = f'<path class="{colour_class(one.colour)}" d="M13 5{shape}" fill="currentColor"/>'
        items.append(f'<span><svg viewBox="0 0 26 10" aria-hidden="true">{key}</svg>{html.escape(one.name)}</span>')
    return f'<p class="legend">{"".join(items)}</p>'


def _pieces(line: Sequence[Point]) -> list[list[Point]]:
    pieces: list[list[Point]] = [[]]
    for point in line:
        if finite(point):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _told(series: Sequence[Series], axes: Axes) -> str:
    """A chart in words: what is over what, and where each series begins and ends."""
    parts = [f"{axes.y_label or 'Values'} over {axes.x_label}."]
    for one in series:
        known = [point for point in one.points if finite(point)]
        if known and not one.faint:
            (x0, y0), (x1, y1) = known[0], known[-1]
            parts.append(
                f"{one.name}: {short_number(y0)} at {short_number(x0)}, {short_number(y1)} at {short_number(x1)}."
            )
    return " ".join(parts)
