"""A diagram from above to below: boxes, and arrows with a label each; what comes later stands lower."""

import html
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from eval.report.drawing.colours import colour_class

BOX_WIDTH, LANE, GAP_X = 224, 20, 44
LINE, GAP_Y = 18, 64
LONGEST = 30
"""Characters that fit a box's line."""


class FlowBox(NamedTuple):
    """One thing of a diagram."""

    name: str
    lines: Sequence[str]
    """What is written below its name."""
    colour: int = 0


class FlowLink(NamedTuple):
    """An arrow from one box to another."""

    source: str
    target: str
    lines: Sequence[str] = ()
    """What is written beside it."""


class _Place(NamedTuple):
    """Where a box stands, or a lane in which an arrow passes a row of boxes."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def flow_chart(boxes: Sequence[FlowBox], links: Sequence[FlowLink], about: str) -> str:
    """The diagram as an `<svg>` element; `about` is what a screen reader says.

    A box stands one row below the lowest box that leads to it; an arrow over several rows passes the boxes between in a
    lane of its own.
    """
    names = {box.name for box in boxes}
    drawn_links = [link for link in links if {link.source, link.target} <= names and link.source != link.target]
    depth = _depths(boxes, drawn_links)
    ways = {link[:2]: _way(link, depth) for link in drawn_links if depth[link.target] > depth[link.source]}
    rows = _rows(boxes, ways, depth)
    places, width, height = _places(rows, {box.name: box for box in boxes})
    drawn = [_arrow(_points(way, ways, places)) for way in ways.values()]
    drawn += [_box(box, places[box.name]) for box in boxes]
    for link in drawn_links:
        if link.lines and link[:2] in ways:
            drawn.append(_label(link, _points(ways[link[:2]], ways, places), places[link.target]))
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    size = f"max-width:{width * 1.15:.0f}px;min-width:{width * 0.8:.0f}px"  # smaller, its words could not be read
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" style="{size}" role="img" aria-label="{html.escape(about)}">'
        f"{head}{''.join(drawn)}</svg>"
    )


def _depths(boxes: Sequence[FlowBox], links: Sequence[FlowLink]) -> dict[str, int]:
    """The row of each box: one below the lowest that leads to it; a beginning stands right above what it leads to."""
    sources: dict[str, list[str]] = {box.name: [] for box in boxes}
    for link in links:
        sources[link.target].append(link.source)
    depth: dict[str, int] = {}

    def deep(name: str, above: tuple[str, ...] = ()) -> int:
        if name not in depth:
            before = [deep(one, (*above, name)) for one in sources[name] if one not in above]
            depth[name] = 1 + max(before, default=-1)
        return depth[name]

    for box in boxes:
        deep(box.name)
    for box in boxes:
        targets = [depth[link.target] for link in links if link.source == box.name]
        if targets and not sources[box.name]:
            depth[box.name] = max(min(targets) - 1, 0)
    return depth


def _way(link: FlowLink, depth: dict[str, int]) -> list[str]:
    """The box that an arrow leaves, its lanes in the rows between, and the box where it arrives."""
    lanes = [f"{link.source}\n{link.target}\n{row}" for row in range(depth[link.source] + 1, depth[link.target])]
    return [link.source, *lanes, link.target]


def _rows(boxes: Sequence[FlowBox], ways: dict[tuple[str, str], list[str]], depth: dict[str, int]) -> list[list[str]]:
    """Boxes and lanes by row, each near the middle of what leads to it."""
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for box in boxes:
        rows[depth[box.name]].append(box.name)
    before: dict[str, list[str]] = {}
    for (source, _), way in ways.items():
        for number, (one, two) in enumerate(itertools.pairwise(way)):
            before.setdefault(two, []).append(one)
            if number + 2 < len(way):
                rows[depth[source] + number + 1].append(two)
    column: dict[str, float] = {}
    for row in rows:
        middles = [
            (_mean([column.get(one, 0.0) for one in before.get(name, [])], number - (len(row) - 1) / 2), number)
            for number, name in enumerate(row)
        ]
        row[:] = [row[number] for _, number in sorted(middles)]
        column |= {name: number - (len(row) - 1) / 2 for number, name in enumerate(row)}
    return [row for row in rows if row]


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _places(rows: Sequence[Sequence[str]], boxes: dict[str, FlowBox]) -> tuple[dict[str, _Place], float, float]:
    """Where everything stands, and the size of the whole."""
    widths = [sum(BOX_WIDTH if name in boxes else LANE for name in row) + GAP_X * (len(row) - 1) for row in rows]
    whole, y = max(widths) + 8, 6.0
    places = {}
    for row, width in zip(rows, widths, strict=True):
        tall = max(_tall(boxes[name]) for name in row if name in boxes) if any(name in boxes for name in row) else LINE
        x = (whole - width) / 2
        for name in row:
            own = BOX_WIDTH if name in boxes else LANE
            places[name] = _Place(x, y, own, _tall(boxes[name]) if name in boxes else tall)
            x += own + GAP_X
        y += tall + GAP_Y
    return places, whole, y - GAP_Y + 6


def _tall(box: FlowBox) -> int:
    return 16 + LINE * (1 + len(box.lines))


def _points(
    way: Sequence[str], ways: dict[tuple[str, str], list[str]], places: dict[str, _Place]
) -> list[tuple[float, float]]:
    """The points that an arrow runs through; arrows of one box leave and arrive side by side."""
    out = [one[1] for one in ways.values() if one[0] == way[0]]
    into = [one[-2] for one in ways.values() if one[-1] == way[-1]]
    first, last = places[way[0]], places[way[-1]]
    points = [(first.x + first.width * _share(out, way[1], places), first.y + first.height)]
    for name in way[1:-1]:
        lane = places[name]
        points += [(lane.middle, lane.y), (lane.middle, lane.y + lane.height)]
    return [*points, (last.x + last.width * _share(into, way[-2], places), last.y)]


def _share(others: Sequence[str], other: str, places: dict[str, _Place]) -> float:
    ordered = sorted(dict.fromkeys(others), key=lambda name: places[name].middle)
    return (ordered.index(other) + 0.5) / len(ordered)


def _arrow(points: Sequence[tuple[float, float]]) -> str:
    """A line through the points: curved between rows, straight along them."""
    (x, y), bend = points[0], GAP_Y * 0.55
    path = f"M{x:.0f} {y:.0f}"
    for number, (x1, y1) in enumerate(points[1:]):
        if number % 2:
            path += f"L{x1:.0f} {y1:.0f}"
        else:
            path += f"C{x:.0f} {y + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"
        x, y = x1, y1
    return f'<path class="arrow" stroke-width="1.6" marker-end="url(#head)" d="{path}"/>'


def _label(link: FlowLink, points: Sequence[tuple[float, float]], target: _Place) -> str:
    """A link's lines, right above where its arrow arrives, on the side that is free."""
    x, y = points[-1]
    start = y - 12 - 15 * (len(link.lines) - 1)
    left = x < target.middle - 1
    where = f'x="{x + (-7 if left else 7):.0f}" text-anchor="{"end" if left else "start"}"'
    return "".join(
        f'<text class="ink halo small" {where} y="{start + 15 * number:.0f}">{html.escape(line)}</text>'
        for number, line in enumerate(link.lines)
    )


def _box(box: FlowBox, place: _Place) -> str:
    x, y = place.x, place.y
    lines = "".join(
        f'<text x="{x + 10:.0f}" y="{y + 22 + LINE * (number + 1):.0f}">{html.escape(_cut(line))}</text>'
        for number, line in enumerate(box.lines)
    )
    return (
        f'<g class="{colour_class(box.colour)}"><rect class="box" x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" '
        f'height="{place.height:.0f}" rx="7"/></g><text class="ink bold" x="{x + 10:.0f}" y="{y + 22:.0f}">'
        f"{html.escape(_cut(box.name))}</text>{lines}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
