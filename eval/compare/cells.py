"""Reasoning tasks of two runs, or of a run and a paper: paired differences, and whether they may be compared at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import stdev
from typing import Any

from eval.compare.published import SETTINGS, PublishedCell
from eval.statistics import PairedDifference, paired_difference, pass_at_k

MUST_AGREE = (
    *("engine", "dtype", "temperature", "top_p", "top_k", "max_tokens", "template", "think_open"),
    *("verifier", "mode", "judge"),
)
"""Settings of two cells that have to be the same, or their difference is not the models' alone."""

Questions = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class CellDifference:
    """One task of two runs."""

    first: float
    other: float
    paired: PairedDifference | None
    """None where no question was answered by both."""

    differs: list[str]
    """Settings that are not the same, as `name: one, other`; not empty means: not comparable."""

    error_seeds: float | None = None
    """Standard error of the difference over the seeds, where both runs are means of as many."""

    @property
    def verdict(self) -> str:
        """What may be said."""
        if self.differs:
            return f"not comparable ({'; '.join(self.differs)})"
        if self.paired is None:
            return "no shared questions"
        within = self.error_seeds is not None and abs(self.paired.value) < 2 * self.error_seeds
        if within or not self.paired.distinguishable:
            return "not distinguishable"
        return "better" if self.paired.value > 0 else "worse"


def questions_of(record_place: Path, record: Mapping[str, Any]) -> dict[str, Questions]:
    """Task to question to its scores, from the files beside a record; empty where they are not there."""
    folder = record_place.with_suffix("") / "questions"
    found: dict[str, Questions] = {}
    for task in record.get("reasoning", {}).get("cells", {}):
        path = folder / f"{task}.json"
        if path.is_file():
            found[task] = {one["id"]: one for one in json.loads(path.read_text(encoding="utf-8"))}
    return found


def differing(first: Mapping[str, Any], other: Mapping[str, Any], names: Sequence[str] = MUST_AGREE) -> list[str]:
    """Settings that two cells do not share, in words."""
    found = [name for name in names if name in first and name in other and first[name] != other[name]]
    return [_words(name, first[name], other[name]) for name in found]


def _words(name: str, one: Any, other: Any) -> str:
    return f"{name}: {_shown(one)}, {_shown(other)}"


def _shown(value: Any) -> str:
    return "none" if value in (None, "") else str(value)


def cell_difference(
    first: Mapping[str, Any],
    other: Mapping[str, Any],
    asked: tuple[Questions | None, Questions | None],
    draws: int = 4000,
    seed: int = 0,
) -> CellDifference:
    """A task's difference over the questions that both runs answered.

    Args:
        first: the cell that is compared with.
        other: the cell that is compared.
        asked: the questions of both, where they are there.
        draws: resamplings.
        seed: of the resampling.
    """
    one, two = asked
    differs = differing(first["settings"], other["settings"])
    paired = None
    if one and two:
        both = [key for key in one if key in two and one[key]["scores"] and two[key]["scores"]]
        # of runs over different questions the shared ones are compared; other wording of the same is another task
        shared = [key for key in both if one[key]["digest"] == two[key]["digest"]]
        if len(shared) < len(both):
            differs.append(f"other prompts for {len(both) - len(shared)} of {len(both)} questions")
        if shared:
            means = [[sum(side[key]["scores"]) / len(side[key]["scores"]) for key in shared] for side in (one, two)]
            paired = paired_difference(means[0], means[1], [one[key]["cluster"] for key in shared], draws, seed)
    return CellDifference(first["score"], other["score"], paired, differs, _over_seeds(first, other))


def _over_seeds(first: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    """Standard error over seeds of a difference; seed by seed, since those of one number began alike."""
    one, two = first.get("by_seed", ()), other.get("by_seed", ())
    if len(one) != len(two) or len(one) < 2:
        return None
    return stdev(after - before for before, after in zip(one, two, strict=True)) / sqrt(len(one))


@dataclass(frozen=True)
class PublishedDifference:
    """One task of a run beside a paper's cell."""

    ours: float
    theirs: float
    interval_95: list[float]
    """Of ours minus theirs, as if theirs had an error like ours and independent of it: a paper prints none."""

    differs: list[str]
    """Settings that are not the published ones."""

    note: str


def beside(cell: Mapping[str, Any], published: PublishedCell) -> PublishedDifference:
    """A run's cell minus a paper's."""
    margin = 1.959964 * 2**0.5 * cell["error_questions"]
    value = cell["score"] - published.score
    differs = differing(published.settings, cell["settings"], SETTINGS)
    if cell["settings"].get("limit"):
        differs.append(f"only {cell['questions']} questions")
    interval = [value - margin, value + margin]
    return PublishedDifference(cell["score"], published.score, interval, differs, published.note)


def pass_curve(questions: Questions) -> list[float]:
    """Unbiased pass@k for every k up to the fewest samples that a question has."""
    judged = [one["scores"] for one in questions.values() if one["scores"]]
    most = min(map(len, judged), default=0)
    counts = [(len(scores), sum(score == 1.0 for score in scores)) for scores in judged]
    return [sum(pass_at_k(n, right, k) for n, right in counts) / len(counts) for k in range(1, most + 1)]


def crossings(first: Sequence[float], other: Sequence[float]) -> list[int]:
    """The k at which the curve that was below is above for the first time.

    >>> crossings([0.1, 0.3, 0.6], [0.2, 0.3, 0.5])
    [3]
    """
    found, before = [], 0.0
    for k, (one, two) in enumerate(zip(first, other, strict=False), 1):
        now = two - one
        if now and before and (now > 0) != (before > 0):
            found.append(k)
        before = now or before
    return found
