"""How a run grows with its workers, in virtual time; the picture of rephrase/README.md is drawn from it.

`REPRO_DRAW=rephrase/simulation.svg python -m pytest tests/bench/test_simulation_picture.py -m bench -s` writes it.
Nothing here depends on the machine but the seconds that it takes.
"""

import html
import math
import os
from pathlib import Path

import pytest

from eval.report.drawing.frame import Axes
from eval.report.drawing.series import Series, line_chart
from eval.report.style import LIGHT
from rephrase.simulation.config import SimulateConfig
from rephrase.simulation.course import run_workers
from rephrase.simulation.outcome import outcome
from rephrase.simulation.pool import pool_shape
from rephrase.simulation.world import World

SHARDS, WORKERS = 8, (1, 3, 8, 20, 50, 130)
CASES = {
    "machines stay": {"preempt_every_s": 0},
    "each is taken away every 2 hours, without notice": {},
    "and the store takes 1 s for a request": {"store": {"latency_s": 1.0}},
    "and a tenth of the workers has half the speed": {"slow_share": 0.1},
}
WIDTH, HEIGHT = 400, 250


def simulated(workers, **values):
    config = SimulateConfig(workers=workers, shards=SHARDS, **values)
    world = World(config, pool_shape(config), 13_000)
    return outcome(world, run_workers(world))


def picture(charts, names):
    """One SVG that stands alone: charts side by side, the legend below."""
    style = f"text{{font:13px sans-serif;fill:{LIGHT['soft']}}}.rule{{stroke:{LIGHT['rule']}}}"
    style += "".join(f".c{number}{{color:{LIGHT[f'c{number}']}}}" for number in range(len(names)))
    parts = [
        drawn.replace("<svg ", f'<svg x="{number * WIDTH}" y="0" width="{WIDTH}" height="{HEIGHT}" ', 1)
        for number, drawn in enumerate(charts)
    ]
    for number, name in enumerate(names):
        y = HEIGHT + 18 + 20 * number
        stroke = Series(name, [], number, number).stroke
        parts.append(f'<line {stroke} x1="62" x2="92" y1="{y - 4}" y2="{y - 4}"/>')
        parts.append(f'<text x="100" y="{y}">{html.escape(name)}</text>')
    width, height = WIDTH * len(charts), HEIGHT + 24 + 20 * len(names)
    paper = f'<rect width="{width}" height="{height}" fill="{LIGHT["paper"]}"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return f"{head}<style>{style}</style>{paper}{''.join(parts)}</svg>\n"


@pytest.mark.bench
def test_how_a_run_grows_with_its_workers():
    late, again, asked = [], [], []
    for number, (name, values) in enumerate(CASES.items()):
        runs = [(math.log10(workers), simulated(workers, **values)) for workers in WORKERS]
        for workers, (_, found) in zip(WORKERS, runs, strict=True):
            assert (found.lost_documents, found.doubled_documents) == (0, 0)
            figures = f"{found.wall_s / found.ideal_s:.3f} x ideal, {found.again_frac:.2%} again"
            print(f"\n{name}, {workers} workers: {figures}, {found.requests_per_part:.1f} requests a part", end="")  # noqa: T201
        late.append(Series(name, [(x, found.wall_s / found.ideal_s) for x, found in runs], number, number))
        again.append(Series(name, [(x, 100 * found.again_frac) for x, found in runs], number, number))
        asked.append(Series(name, [(x, found.requests_per_part) for x, found in runs], number, number))
    label = f"workers on {SHARDS} shards, as a power of ten"
    charts = [
        line_chart(late, Axes(label, "wall time / ideal")),
        line_chart(again, Axes(label, "% of the work done again")),
        line_chart(asked, Axes(label, "store requests per part")),
    ]
    if os.environ.get("REPRO_DRAW"):
        Path(os.environ["REPRO_DRAW"]).write_text(picture(charts, list(CASES)), encoding="utf-8")
