"""Which rows of a task file were right, and resamplings of them."""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.core.baselines import EXTENDED, Version

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
