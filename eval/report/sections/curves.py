"""Charts of metrics over steps, several runs in one: what the sections about training are made of."""

import re
from collections.abc import Iterable, Sequence

from eval.report.drawing.figure import lines_figure
from eval.report.drawing.frame import Axes, Point
from eval.report.drawing.series import Series, running_mean
from eval.report.names import Name, metric
from eval.report.pairs.links import READER, step_path
from eval.report.sections.view import View
from eval.report.stages import Stage

SMOOTHED = 40
"""Points from which a line gets a running mean, over a twentieth of them."""


SAMPLES_EVERY = 10
"""`samples_every` of `rl.train`, where a run's config does not say it."""

MOST_DOTS = 60
"""Points of a line that open their samples; of more, every so many."""


def curve(view: View, runs: Sequence[Stage], keys: Sequence[str], title: str = "", about: str = "") -> str:
    """A chart of one metric, or of some that belong together, in all runs that logged it; nothing if none did.

    Args:
        view: for the colours.
        runs: the runs to overlay.
        keys: the first gives name, unit and the solid line; each further one is dashed in its run's colour.
        title: in place of the metric's name.
        about: in place of what the name says on how to read it.
    """
    name = metric(keys[0])
    series: list[Series] = []
    for run in runs:
        for number, key in enumerate(keys):
            points = scaled(_whole(run, key), name.factor)
            if any(value == value for _, value in points):
                label = _label(run, key, number, len(runs), len(keys))
                links = sample_links(run, key, points)
                series += _with_mean(Series(label, points, view.colours.of(run.name), number, links=links))
    if not series:
        return ""
    axes = Axes("step", name.unit)
    smoothed = any(one.faint for one in series)
    told = [
        about or name.about,
        "Pale: each step; strong: running mean." if smoothed else "",
        "A dot opens the samples of its step while `bash scripts/view.sh RUN` runs." if _any_links(series) else "",
    ]
    note = " ".join(filter(None, told))
    return lines_figure(title or name.text, series, axes, note=note)


def sample_links(run: Stage, key: str, points: Sequence[Point]) -> dict[float, str]:
    """Where the reader shows the samples behind a total reward: step → address, for the steps that were written."""
    if key not in ("reward", "eval_reward") or not (run.path / "samples.jsonl").is_file():
        return {}
    every = run.config.get("samples_every")
    every = every if isinstance(every, int) and every > 0 else SAMPLES_EVERY
    held_out = key == "eval_reward"
    steps = [int(step) for step, value in points if value == value and (held_out or step == 1 or step % every == 0)]
    split = "eval" if held_out else "train"
    thin = max(1, -(-len(steps) // MOST_DOTS))
    return {float(step): READER + step_path(run.path.name, step, split) for step in steps[::thin]}


def _any_links(series: Sequence[Series]) -> bool:
    return any(one.links for one in series)


def curves(view: View, runs: Sequence[Stage], wanted: Iterable[str | Sequence[str]]) -> list[str]:
    """A chart for each metric that is there: keys, or groups of keys for one chart, or patterns `/…/` of keys."""
    known = list(dict.fromkeys(key for run in runs for key in run.metric_keys()))
    drawn = []
    for one in wanted:
        if isinstance(one, str) and one.startswith("/"):
            keys = [key for key in known if re.fullmatch(one.strip("/"), key)]
            drawn += [curve(view, runs, [key]) for key in keys]
        else:
            group = [one] if isinstance(one, str) else list(one)
            there = [key for key in group if key in known]
            drawn.append(curve(view, runs, there) if there else "")
    return [one for one in drawn if one]


def scaled(points: Sequence[Point], factor: float) -> list[Point]:
    """Points in the unit that they are shown in."""
    return list(points) if factor == 1 else [(x, y * factor) for x, y in points]


def shown_name(name: Name) -> str:
    """A name with its unit, for tables."""
    return f"{name.text} ({name.unit})" if name.unit and name.unit not in name.text.lower() else name.text


def _whole(run: Stage, key: str) -> list[Point]:
    """A metric's points; of a share by value (`name/part/value`) also the steps at which no answer had that value."""
    points = run.series(key)
    name, _, value = key.rpartition("/")
    if "/" not in name or value in ("mean", "std") or key.startswith(("rewards/", "eval_", "val/", "filter/")):
        return points
    known = dict(points)
    steps = {step for other in run.metric_keys() if other.startswith(f"{name}/") for step, _ in run.series(other)}
    return [(step, known.get(step, 0.0)) for step in sorted(steps)]


def _label(run: Stage, key: str, number: int, runs: int, keys: int) -> str:
    part = {True: "held out", False: "training"}[key.startswith(("eval_", "eval/"))]
    if keys == 1:
        return run.name
    return f"{run.name}, {part}" if runs > 1 else part


def _with_mean(one: Series) -> list[Series]:
    if len(one.points) < SMOOTHED or one.dash:
        return [one]
    over = max(2, len(one.points) // 20)
    pale = Series(f"{one.name}, each step", one.points, one.colour, one.dash, faint=True, links=one.links)
    return [pale, Series(one.name, running_mean(one.points, over), one.colour, one.dash)]
