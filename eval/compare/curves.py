"""What a training run's curves say: best checkpoint, trends of length and reward, transfer between domains.

A curve is a CSV export of W&B (`_step`, `val/test_score/SOURCE/SET`, `critic/scores/SOURCE/mean`,
`response_length/SOURCE/mean`), or the `metrics.jsonl` of a run folder of ours with such names.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.runs.folder import read_metrics
from eval.labels import distinct_labels

Points = dict[int, float]

IGNORED = ("val/generations", "run_id", "run_name", "run_created_at")
FAMILIES = {
    "validation": ("val/test_score/", "val/", "eval/score/"),
    "length": ("response_length/", "completions/mean_length"),
    "reward": ("critic/scores/", "score/", "reward"),
}
"""Family to how the names of its columns begin."""


@dataclass
class TrainingCurve:
    """The series of one training run."""

    name: str
    series: dict[str, dict[str, Points]] = field(default_factory=dict)
    """Family, then what is measured, then step to value."""

    @property
    def validation(self) -> dict[str, Points]:
        """Scores of the held-out sets."""
        return self.series.get("validation", {})


def is_curve(path: str) -> bool:
    """Whether a path names curves: a CSV file, or a run folder without a record beside it."""
    place = Path(path)
    return place.suffix == ".csv" or ((place / "metrics.jsonl").is_file() and not place.with_suffix(".json").is_file())


def read_curves(paths: Sequence[str]) -> list[TrainingCurve]:
    """Read the curves of several runs, under names that differ.

    Raises:
        ValueError: one of them cannot be read, or is named twice.
    """
    curves = [read_curve(path) for path in paths]
    for curve, label in zip(curves, distinct_labels(paths), strict=True):
        curve.name = label
    return curves


def read_curve(path: str) -> TrainingCurve:
    """Read the curves of a run.

    Raises:
        ValueError: there is no file, or it has no step or no series that is known.
    """
    place = Path(path)
    if place.suffix == ".csv":
        try:
            with place.open(encoding="utf-8-sig", newline="") as file:
                rows: list[Mapping[str, object]] = list(csv.DictReader(file))
        except OSError as error:
            raise ValueError(f"no curves at {path}: {error.strerror}") from None
    else:
        rows = list(read_metrics(place))
    curve = TrainingCurve(place.stem)
    for row in rows:
        step = _number(row.get("_step", row.get("step")))
        if step is None:
            continue
        for name, text in row.items():
            value = _number(text)
            found = _family(str(name))
            if value is not None and found:
                curve.series.setdefault(found[0], {}).setdefault(found[1], {})[int(step)] = value
    if not curve.series:
        raise ValueError(f"{path} has no step with a known series: {', '.join(p[0] for p in FAMILIES.values())}…")
    return curve


def _number(value: object) -> float | None:
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _family(name: str) -> tuple[str, str] | None:
    if name in IGNORED or name.endswith(("/max", "/min", "/std", "clip_ratio")):
        return None
    for family, beginnings in FAMILIES.items():
        for beginning in beginnings:
            if name.startswith(beginning):
                return family, name.removeprefix(beginning).removesuffix("/mean").strip("/") or name
    return None


def average_curve(curve: TrainingCurve) -> Points:
    """Plain mean of the validation sets at every step at which all of them were measured."""
    sets = list(curve.validation.values())
    steps = sorted(set.intersection(*map(set, sets))) if sets else []
    return {step: sum(points[step] for points in sets) / len(sets) for step in steps}


def best_checkpoint(curve: TrainingCurve) -> tuple[int, float] | None:
    """The step with the best plain average, the earlier of equal ones; None without a common step."""
    points = average_curve(curve)
    return max(points.items(), key=lambda one: (one[1], -one[0])) if points else None


@dataclass(frozen=True)
class Trend:
    """Where a series began and ended."""

    first: float
    last: float
    slope: float
    """Least squares, per 100 steps."""

    @property
    def word(self) -> str:
        """`grows`, `shrinks`, or `flat` where it changed by less than 5 % of where it began."""
        change = self.last - self.first
        if abs(change) < 0.05 * abs(self.first):
            return "flat"
        return "grows" if change > 0 else "shrinks"


def trend(points: Points) -> Trend:
    """Mean of the first and of the last tenth of the points (one at least), and the slope."""
    steps = sorted(points)
    some = max(1, len(steps) // 10)
    values = [points[step] for step in steps]
    middle, mean = sum(steps) / len(steps), sum(values) / len(values)
    spread = sum((step - middle) ** 2 for step in steps)
    rise = sum((step - middle) * (value - mean) for step, value in zip(steps, values, strict=True))
    slope = 100 * rise / spread if spread else 0.0
    return Trend(sum(values[:some]) / some, sum(values[-some:]) / some, slope)


def transfer_matrix(curves: Sequence[TrainingCurve]) -> dict[str, dict[str, tuple[float, float]]]:
    """What training on one thing does to another: run to validation set to its gain, and that within the column.

    The gain is the set's score at the run's best checkpoint minus its score at the first step; beside it stands where
    it lies between the column's smallest (0) and largest (1).
    """
    gains: dict[str, dict[str, float]] = {}
    for curve in curves:
        best = best_checkpoint(curve)
        if best is not None:
            first = min(average_curve(curve))
            gains[curve.name] = {name: points[best[0]] - points[first] for name, points in curve.validation.items()}
    columns = dict.fromkeys(name for row in gains.values() for name in row)
    found: dict[str, dict[str, tuple[float, float]]] = {run: {} for run in gains}
    for column in columns:
        values = [row[column] for row in gains.values() if column in row]
        low, high = min(values), max(values)
        for run, row in gains.items():
            if column in row:
                found[run][column] = (row[column], (row[column] - low) / (high - low) if high > low else 0.5)
    return found
