"""From accuracies to CORE and Extended: baselines, centred means, what is missing, bootstrap intervals.

`centered = (accuracy - b) / (1 - b)` with `b` the accuracy of guessing; CORE is the plain mean over its 22 entries,
Extended over all 53, a category's score over its own. Two tables of baselines are in use: v1, with which the DCLM paper
and older records were made, and v2, which DCLM corrected in September 2025. Older files call the v1 score `Core`.
Source: DCLM (arXiv:2406.11794), `eval/eval_meta_data.csv` before and after the correction.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from eval.core.baselines import CATEGORIES, CORE, EXTENDED, VERSIONS, Version


def centered(accuracy: float, baseline_percent: float) -> float:
    """`(accuracy - b) / (1 - b)`, b = percent / 100: 0 for guessing, 1 for always right, below 0 for worse.

    Raises:
        ValueError: the accuracy is no fraction. Percentages are refused, they would pass for excellent scores.

    >>> centered(0.625, 25)
    0.5
    """
    if not 0 <= accuracy <= 1:
        hint = ": write it as a fraction, not as a percentage" if 1 < accuracy <= 100 else ""
        raise ValueError(f"an accuracy lies between 0 and 1, not {accuracy}{hint}")
    chance = baseline_percent / 100
    return (accuracy - chance) / (1 - chance)


def mean_centered(accuracies: Mapping[str, float], names: Sequence[str], version: Version = "v2") -> float | str:
    """The mean centred accuracy over `names`, or DCLM's sentence that says which of them are missing."""
    missing = [name for name in names if name not in accuracies]
    if missing:
        return f"N/A due to missing tasks: {missing}"
    values = [centered(accuracies[name], EXTENDED[name].baseline[version]) for name in names]
    return math.fsum(values) / len(values)


def partial(accuracies: Mapping[str, float], names: Sequence[str], version: Version = "v2") -> dict[str, Any]:
    """The mean over those of `names` that are there, with what is missing: never to be read as the whole score."""
    there = [name for name in names if name in accuracies]
    mean = mean_centered(accuracies, there, version) if there else None
    return {"mean": mean, "n": len(there), "missing": [name for name in names if name not in accuracies]}


def aggregate(accuracies: Mapping[str, float], version: Version = "v2") -> dict[str, Any]:
    """All summary scores of DCLM's record, under its keys, and the labelled partial ones.

    Args:
        accuracies: fraction right by task name; names outside Extended's table ride along unused.
        version: which baselines the keys without a version in their name use.

    Returns:
        `Core*`, `Extended*`, `low_variance_datasets*` (DCLM's name for CORE's mean) and the categories. A score some of
        whose tasks are missing is the "N/A due to missing tasks: [...]" text; `core_partial` and
        `task_categories_partial` then hold the mean over the rest, the number of its tasks and the missing ones.

    Raises:
        ValueError: a value is no fraction.
    """
    for name, value in accuracies.items():
        if not 0 <= value <= 1:
            hint = ": write fractions, not percentages" if 1 < value <= 100 else ""
            raise ValueError(f"{name}: an accuracy lies between 0 and 1, not {value}{hint}")
    by_category = {category: _in_category(category) for category in CATEGORIES.values()}
    scores: dict[str, Any] = {"missing tasks": [name for name in EXTENDED if name not in accuracies]}
    core_raw = [accuracies[name] for name in CORE if name in accuracies]
    complete = len(core_raw) == len(CORE)
    core = {each: mean_centered(accuracies, CORE, each) for each in VERSIONS}
    extended = {each: mean_centered(accuracies, tuple(EXTENDED), each) for each in VERSIONS}
    scores["low_variance_datasets"] = math.fsum(core_raw) / len(CORE) if complete else core[version]
    scores["low_variance_datasets_centered"] = core[version]
    scores["aggregated_task_categories_centered"] = {
        category: mean_centered(accuracies, names, version) for category, names in by_category.items()
    }
    scores["task_categories_partial"] = {
        category: partial(accuracies, names, version)
        for category, names in by_category.items()
        if any(name not in accuracies for name in names)
    }
    for each in VERSIONS:
        scores[f"Core_{each}"] = core[each]
        scores[f"Extended_{each}"] = extended[each]
    scores["Core"] = core[version]
    scores["Extended"] = extended[version]
    if not complete:
        scores["core_partial"] = core_partial(accuracies, version)
    scores["eval_version"] = version
    return scores


def core_partial(accuracies: Mapping[str, float], version: Version = "v2") -> dict[str, Any]:
    """CORE over the entries that are there, labelled with their number: `CORE-20` without SQuAD and CoQA."""
    rest = partial(accuracies, CORE, version)
    means = {f"mean_{each}": partial(accuracies, CORE, each)["mean"] for each in VERSIONS}
    return {"label": f"CORE-{rest['n']}", **rest, **means, "eval_version": version}


def _in_category(category: str) -> tuple[str, ...]:
    return tuple(name for name, task in EXTENDED.items() if task.category == category)
