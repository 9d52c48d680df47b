"""From accuracies to CORE and Extended: baselines, centred means, what is missing, bootstrap intervals.

`centered = (accuracy - b) / (1 - b)` with `b` the accuracy of guessing; CORE is the plain mean over its 22 entries,
Extended over all 53, a category's score over its own. Two tables of baselines are in use: v1, with which the DCLM paper
and older records were made, and v2, which DCLM corrected in September 2025. Older files call the v1 score `Core`.
Source: DCLM (arXiv:2406.11794), `eval/eval_meta_data.csv` before and after the correction.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Version = Literal["v1", "v2"]
VERSIONS: tuple[Version, ...] = ("v1", "v2")

_CATEGORIES = {
    "world": "world knowledge",
    "language": "language understanding",
    "symbolic": "symbolic problem solving",
    "commonsense": "commonsense reasoning",
    "reading": "reading comprehension",
    "safety": "safety",
}

# task, category, accuracy of guessing in percent (v1, v2), `core` if one of the 22; in the order of DCLM's table
_TABLE = """
mmlu_zeroshot world 25 25
hellaswag_zeroshot language 25 25 core
jeopardy world 0 0 core
triviaqa_sm_sub world 0 0
gsm8k_cot symbolic 0 0
agi_eval_sat_math_cot symbolic 0 0
aqua_cot symbolic 0 0
svamp_cot symbolic 0 0
bigbench_qa_wikidata world 0 0 core
arc_easy world 25 25 core
arc_challenge world 25 25 core
mmlu_fewshot world 25 25
bigbench_misconceptions world 50 50
copa commonsense 50 50 core
siqa commonsense 33.3 50
commonsense_qa commonsense 20 40.3 core
piqa commonsense 50 50 core
openbook_qa commonsense 25 25 core
bigbench_novel_concepts commonsense 20 25
bigbench_strange_stories commonsense 50 50
bigbench_strategy_qa commonsense 50 50
lambada_openai language 0 0 core
hellaswag language 25 25 core
winograd language 50 50 core
winogrande language 50 50 core
bigbench_conlang_translation language 0 0
bigbench_language_identification language 9.1 25 core
bigbench_conceptual_combinations language 25 33
bigbench_elementary_math_qa symbolic 20 25
bigbench_dyck_languages symbolic 0 0 core
agi_eval_lsat_ar symbolic 20 25 core
bigbench_cs_algorithms symbolic 0 0 core
bigbench_logical_deduction symbolic 20 25
bigbench_operators symbolic 0 0 core
bigbench_repeat_copy_logic symbolic 0 0 core
simple_arithmetic_nospaces symbolic 0 0
simple_arithmetic_withspaces symbolic 0 0
math_qa symbolic 20 20
logi_qa symbolic 27 25
pubmed_qa_labeled reading 0 0
squad reading 0 0 core
agi_eval_lsat_rc reading 20 25
agi_eval_lsat_lr reading 20 25
coqa reading 0 0 core
bigbench_understanding_fables reading 20 25
boolq reading 62 62 core
agi_eval_sat_en reading 25 25
winogender_mc_female safety 50 50
winogender_mc_male safety 50 50
enterprise_pii_classification safety 50 50
bbq safety 50 50
gpqa_main world 25 25
gpqa_diamond world 25 25
"""


@dataclass(frozen=True)
class Task:
    """One task of Extended: its category and how often guessing is right, in percent, in both tables."""

    category: str
    baseline: Mapping[Version, float]
    core: bool


def _read_table(text: str) -> dict[str, Task]:
    tasks = {}
    for line in text.split("\n"):
        if line:
            name, category, v1, v2, *rest = line.split()
            tasks[name] = Task(_CATEGORIES[category], {"v1": float(v1), "v2": float(v2)}, rest == ["core"])
    return tasks


EXTENDED: dict[str, Task] = _read_table(_TABLE)
CORE: tuple[str, ...] = tuple(name for name, task in EXTENDED.items() if task.core)
CORE_SETS: dict[str, tuple[str, ...]] = {
    "core": CORE,
    # What can be scored from the task files without SQuAD and CoQA.
    "core20": tuple(name for name in CORE if name not in ("squad", "coqa")),
    # The set of arXiv:2510.10681, inferred from the sizes of its categories: the paper only says that commonsense_qa
    # was dropped. Which baselines it used is not known.
    "core_repro": (*(name for name in CORE if name != "commonsense_qa"), "mmlu_fewshot"),
}


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
    by_category = {category: _in_category(category) for category in _CATEGORIES.values()}
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


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """Which rows of a task file one model got right in one entry.

    Row `index[i]` of the file belongs to `category[i]`; the entry's accuracy is the mean over categories of the share
    that is right in each, which for a file without categories is the plain share.
    """

    file: str
    index: Sequence[int]
    correct: Sequence[bool]
    category: Sequence[str | None]

    def accuracy(self) -> float:
        """The entry's accuracy, a fraction."""
        groups: dict[str | None, list[bool]] = {}
        for category, correct in zip(self.category, self.correct, strict=True):
            groups.setdefault(category, []).append(correct)
        return math.fsum(sum(group) / len(group) for group in groups.values()) / len(groups)

    def only(self, rows: set[int]) -> "Outcomes":
        """The same outcomes on these rows of the file."""
        kept = [position for position, index in enumerate(self.index) if index in rows]
        return Outcomes(
            self.file,
            [self.index[position] for position in kept],
            [self.correct[position] for position in kept],
            [self.category[position] for position in kept],
        )


def bootstrap(outcomes: Mapping[Any, Outcomes], draws: int = 2000, seed: int = 0) -> dict[Any, Floats]:
    """Accuracies of `draws` resamplings of the task files' rows, by entry.

    Rows are drawn with replacement within each category. Entries on the same rows of one file, and two models on one
    entry, get the same draw, so differences between them are paired. A row counts only through the pattern of who got
    it right, so drawing rows is drawing a multinomial over the patterns: exact, and as cheap for 10,000 rows as for 10.

    Args:
        outcomes: by any key (an entry; or a model and an entry).
        draws: number of resamplings.
        seed: of the random numbers; a file's draws depend on it and the file's name alone.

    Returns:
        [draws] accuracies by the same keys.
    """
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for key, outcome in outcomes.items():
        groups.setdefault((outcome.file, tuple(outcome.index)), []).append(key)
    drawn: dict[Any, Floats] = {}
    for (file, _), keys in groups.items():
        random = np.random.default_rng([seed, zlib.crc32(file.encode())])
        table = np.array([outcomes[key].correct for key in keys], dtype=bool).T  # [rows, keys]
        categories = outcomes[keys[0]].category
        sums = np.zeros((draws, len(keys)))
        names = sorted(set(categories), key=str)
        for name in names:
            rows = table[[category == name for category in categories]]
            patterns, counts = np.unique(rows, axis=0, return_counts=True)
            times = random.multinomial(len(rows), counts / len(rows), size=draws)  # [draws, patterns]
            sums += times @ patterns / len(rows)
        for position, key in enumerate(keys):
            drawn[key] = sums[:, position] / len(names)
    return {key: drawn[key] for key in outcomes}


def interval(values: Floats) -> list[float]:
    """The middle 95 % of resampled values: percentiles 2.5 and 97.5."""
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def core_draws(drawn: Mapping[str, Floats], names: Sequence[str], version: Version = "v2") -> Floats:
    """[draws] mean centred accuracies over `names`, from resampled accuracies by entry."""
    chance = np.array([[EXTENDED[name].baseline[version] / 100] for name in names])  # [names, 1]
    values = np.stack([drawn[name] for name in names])  # [names, draws]
    return ((values - chance) / (1 - chance)).mean(axis=0)
