"""Win counts, win rates and Bradley-Terry strengths from pairwise preferences."""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIE = "same"

ASPECTS = ("plot", "character", "creativity", "development", "language", "overall_quality")
"""What VR-CLI's annotators compared (arXiv:2503.22828)."""


@dataclass(frozen=True)
class Wins:
    """Preferences between two options."""

    first: int
    """For the one that comes first in the alphabet."""

    second: int
    ties: int

    def bradley_terry(self) -> float:
        """Probability that the second is preferred, ties out: `wins / (wins + losses)`, which is Bradley-Terry's
        estimate for two options; not a number where all are ties."""
        decided = self.first + self.second
        return self.second / decided if decided else math.nan

    def win_rate(self) -> float:
        """Share of all comparisons, ties among them, that the second won; not a number without any."""
        total = self.first + self.second + self.ties
        return self.second / total if total else math.nan


def read_annotations(path: str | Path) -> list[dict[str, Any]]:
    """Rows of an annotation file: `options` ("a,b"), for each aspect the winner's name or `same`, genre flags.

    Raises:
        ValueError: the file has no such columns, or a winner is none of the two options.
    """
    with Path(path).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or "options" not in rows[0]:
        raise ValueError(f"{path} holds no annotations: a column `options` is needed")
    for number, row in enumerate(rows):
        options = row["options"].split(",")
        for aspect in (name for name in ASPECTS if name in row):
            if row[aspect] not in (*options, TIE):
                raise ValueError(f"{path}, row {number}: {aspect} is {row[aspect]!r}, neither of {options} nor {TIE!r}")
    return rows


def count(rows: Iterable[Mapping[str, Any]], aspect: str = "overall_quality") -> dict[tuple[str, str], Wins]:
    """Counts by pair, the pair in alphabetical order."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        first, second = sorted(row["options"].split(","))
        found[first, second][row[aspect]] += 1
    return {pair: Wins(won[pair[0]], won[pair[1]], won[TIE]) for pair, won in sorted(found.items())}


def strengths(counts: Mapping[tuple[str, str], Wins], rounds: int = 10_000) -> dict[str, float]:
    """Bradley-Terry strengths of all options together, ties out; they sum to 1.

    Maximum likelihood under `P(a over b) = s_a / (s_a + s_b)`, by Hunter's minorisation (Ann. Stat. 2004):
    `s_a <- wins_a / sum_b n_ab / (s_a + s_b)`. An option that never wins goes to 0.

    Args:
        counts: decided comparisons by pair.
        rounds: most iterations; it ends when nothing moves by 1e-12.
    """
    names = sorted({name for pair in counts for name in pair})
    wins: Counter[str] = Counter()
    for (first, second), found in counts.items():
        wins[first] += found.first
        wins[second] += found.second
    now = dict.fromkeys(names, 1 / len(names)) if names else {}
    for _ in range(rounds):
        weight: dict[str, float] = dict.fromkeys(names, 0.0)
        for (first, second), found in counts.items():
            together = now[first] + now[second]
            share = (found.first + found.second) / together if together else 0.0
            weight[first] += share
            weight[second] += share
        new = {name: wins[name] / weight[name] if weight[name] else now[name] for name in names}
        total = sum(new.values()) or 1.0
        new = {name: value / total for name, value in new.items()}
        moved = max((abs(new[name] - now[name]) for name in names), default=0.0)
        now = new
        if moved < 1e-12:
            break
    return now


def table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per pair and aspect: counts, Bradley-Terry and win percent of the second option over the first."""
    found = []
    for aspect in (name for name in ASPECTS if rows and name in rows[0]):
        for (first, second), counts in count(rows, aspect).items():
            found.append(
                {
                    "aspect": aspect,
                    "first": first,
                    "second": second,
                    "first_wins": counts.first,
                    "second_wins": counts.second,
                    "ties": counts.ties,
                    "bradley_terry_pct": 100 * counts.bradley_terry(),
                    "win_pct": 100 * counts.win_rate(),
                }
            )
    return found
