"""What training with rewards did to each reward on held-out rows, with its error."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean, stdev
from typing import Any

from eval.report.findings.rollouts import read_rollouts
from eval.report.stages import Stage

Gains = dict[str, dict[str, float]]


def held_out_gains(stage: Stage) -> Gains:
    """Each reward's mean at the first and at the exported evaluation, the gain, its error over rows; {} without two.

    Of a run that has not finished it is the last evaluation so far. The weighted sum stands first, as `total`.
    """
    samples = stage.path / "samples.jsonl"
    if not samples.is_file():
        return {}
    rows = [
        {
            "step": row["step"],
            "mode": "eval",
            "id": row["id"],
            "rewards": {"total": row.get("total"), **row["rewards"]},
        }
        for row in read_rollouts(samples)
        if row["mode"] == "eval"
    ]
    last = max((row["step"] for row in rows), default=None)
    return gains_between(rows, stage.done.get("best_step") if stage.done else last)


def gains_between(rows: Iterable[Mapping[str, Any]], last: int | None) -> Gains:
    """Gains from the first evaluation to the one at step `last`, row by row; a row's completions are averaged.

    Args:
        rows: of a run's `samples.jsonl`: `step`, `mode`, `id`, `rewards`.
        last: step of the evaluation to compare with.
    """
    found: defaultdict[str, defaultdict[int, defaultdict[str, list[float]]]]
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for row in rows:
        if row["mode"] == "eval":
            for name, value in row["rewards"].items():
                if value is not None:
                    found[name][row["step"]][row["id"]].append(value)
    gains: Gains = {}
    for name, steps in found.items():
        first = min(steps)
        if last is None or last == first or last not in steps:
            continue
        before, after = steps[first], steps[last]
        pairs = [(fmean(before[key]), fmean(after[key])) for key in before if key in after]
        if len(pairs) > 1:
            differences = [new - old for old, new in pairs]
            gains[name] = {
                "before": fmean(old for old, _ in pairs),
                "after": fmean(new for _, new in pairs),
                "gain": fmean(differences),
                "error": stdev(differences) / math.sqrt(len(pairs)),
                "rows": len(pairs),
            }
    return gains
