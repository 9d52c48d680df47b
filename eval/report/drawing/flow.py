"""A diagram from above to below: boxes, and arrows with a label each; what comes later stands lower."""

import html
from collections.abc import Sequence
from typing import NamedTuple

from eval.report.drawing.colours import colour_class

BOX_WIDTH, GAP_X = 196, 28
LINE, GAP_Y = 18, 62
LONGEST = 27
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


def flow_chart(boxes: Sequence[FlowBox], links: Sequence[FlowLink], about: str) -> str:
    """The diagram as an `<svg>` element; `about` is what a screen reader says.

    A box stands one row below the lowest box that leads to it. What would lead back up is left out of the placing.
    """
    rows = _rows(boxes, links)
    height, places = 8.0, {}
    width = max(len(row) for row in rows) * (BOX_WIDTH + GAP_X) - GAP_X + 8
    for row in rows:
        tall = max(_tall(box) for box in row)
        start = (width - len(row) * (BOX_WIDTH + GAP_X) + GAP_X) / 2
        for number, box in enumerate(row):
            places[box.name] = (start + number * (BOX_WIDTH + GAP_X), height, _tall(box))
        height += tall + GAP_Y
    height -= GAP_Y - 8
    drawn = [_arrow(link, places, links) for link in links if link.source in places and link.target in places]
    drawn += [_box(box, *places[box.name]) for box in boxes]
    drawn += [_label(link, places, links) for link in links if link.lines and link.target in places]
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    label = html.escape(about)
    size = f"max-width:{width * 1.15:.0f}px;min-width:{width * 0.8:.0f}px"  # smaller, its words could not be read
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" style="{size}" role="img" aria-label="{label}">'
        f"{head}{''.join(drawn)}</svg>"
    )


def _tall(box: FlowBox) -> int:
    return 16 + LINE * (1 + len(box.lines))


def _rows(boxes: Sequence[FlowBox], links: Sequence[FlowLink]) -> list[list[FlowBox]]:
    """Boxes by row, each near the middle of what leads to it."""
    names = {box.name for box in boxes}
    sources: dict[str, list[str]] = {name: [] for name in names}
    for link in links:
        if link.source in names and link.target in names and link.source != link.target:
            sources[link.target].append(link.source)
    depth: dict[str, int] = {}

    def deep(name: str, above: tuple[str, ...] = ()) -> int:
        if name not in depth:
            before = [deep(one, (*above, name)) for one in sources[name] if one not in above]
            depth[name] = 1 + max(before, default=-1)
        return depth[name]

    for box in boxes:
        deep(box.name)
    # what nothing leads to stands right above what it leads to, not far away at the top
    for name in names:
        targets = [depth[link.target] for link in links if link.source == name and link.target in depth]
        if not sources[name] and targets:
            depth[name] = min(targets) - 1
    rows: list[list[FlowBox]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for box in boxes:
        rows[depth[box.name]].append(box)
    column: dict[str, float] = {}
    for row in rows:
        middles = [
            (_mean([column.get(one, 0.0) for one in sources[box.name]], float(number)), number)
            for number, box in enumerate(row)
        ]
        row[:] = [row[number] for _, number in sorted(middles)]
        column |= {box.name: number - (len(row) - 1) / 2 for number, box in enumerate(row)}
    return [row for row in rows if row]


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _ports(link: FlowLink, places: dict[str, tuple[float, float, int]], links: Sequence[FlowLink]) -> tuple[float, ...]:
    """Where an arrow leaves and arrives: arrows of one box side by side, in the order of where they come from."""

    def port(box: str, others: list[str], other: str) -> float:
        ordered = sorted(dict.fromkeys(others), key=lambda name: places[name][0])
        share = (ordered.index(other) + 0.5) / len(ordered)
        return places[box][0] + BOX_WIDTH * share

    out = [one.target for one in links if one.source == link.source and one.target in places]
    into = [one.source for one in links if one.target == link.target and one.source in places]
    x0, y0 = port(link.source, out, link.target), places[link.source][1] + places[link.source][2]
    x1, y1 = port(link.target, into, link.source), places[link.target][1]
    return x0, y0, x1, y1


def _arrow(link: FlowLink, places: dict[str, tuple[float, float, int]], links: Sequence[FlowLink]) -> str:
    x0, y0, x1, y1 = _ports(link, places, links)
    bend = GAP_Y * 0.55
    return (
        f'<path class="arrow" stroke-width="1.6" marker-end="url(#head)" '
        f'd="M{x0:.0f} {y0:.0f}C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"/>'
    )


def _label(link: FlowLink, places: dict[str, tuple[float, float, int]], links: Sequence[FlowLink]) -> str:
    """A link's lines, right above where its arrow arrives."""
    _, _, x, y = _ports(link, places, links)
    start = y - 12 - 15 * (len(link.lines) - 1)
    left = x < places[link.target][0] + BOX_WIDTH / 2 - 1
    where = f'x="{x + (-7 if left else 7):.0f}" text-anchor="{"end" if left else "start"}"'
    return "".join(
        f'<text class="ink halo small" {where} y="{start + 15 * number:.0f}">{html.escape(line)}</text>'
        for number, line in enumerate(link.lines)
    )


def _box(box: FlowBox, x: float, y: float, tall: int) -> str:
    lines = "".join(
        f'<text x="{x + 10:.0f}" y="{y + 22 + LINE * (number + 1):.0f}">{html.escape(_cut(line))}</text>'
        for number, line in enumerate(box.lines)
    )
    return (
        f'<g class="{colour_class(box.colour)}"><rect class="box" x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" '
        f'height="{tall}" rx="7"/></g><text class="ink bold" x="{x + 10:.0f}" y="{y + 22:.0f}">'
        f"{html.escape(_cut(box.name))}</text>{lines}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
