"""What to compare, and paired differences of two runs: entries, CORE, bits per byte, with their intervals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from common.config import ADDED, CommaList, RunConfig
from eval.compare.cells import Questions, questions_of
from eval.core.aggregate import centered
from eval.core.baselines import CORE, EXTENDED, Version
from eval.labels import distinct_labels

if TYPE_CHECKING:
    from eval.core.outcomes import Outcomes
    from eval.runner.bits_per_byte import TextScores


class CompareConfig(RunConfig):
    """Which runs to compare."""

    runs: list[str]
    """Records or run folders; differences are to the first. Training curves (CSV) are read as such."""

    published: CommaList = []
    """Names of published models to show beside: CORE scores, and cells of reasoning suites (`guru7b`, `rlpr7b` …)."""

    control: Annotated[str, ADDED] = ""
    """Name of one of the runs after the first. What the first learnt on its way to each of the others, and how these
    compare with the control, is then told in words too."""

    version: Version = "v2"
    """Baselines of centred scores."""

    draws: int = Field(4000, ge=1)
    """Resamplings behind the intervals."""

    seed: int = 0
    """Seed of the resampling."""


@dataclass
class Loaded:
    """A record and the rows behind it, if they are there."""

    name: str
    record: dict[str, Any]
    outcomes: dict[str, Outcomes] = field(default_factory=dict)
    documents: TextScores | None = None
    questions: dict[str, Questions] = field(default_factory=dict)
    """Task of generated answers to its questions' scores."""

    @property
    def accuracies(self) -> dict[str, float]:
        """Fraction right by CORE entry and other ICL task."""
        return self.record["eval_metrics"].get("icl", {})


@dataclass(frozen=True)
class Difference:
    """A run's score minus the first run's."""

    value: float
    interval_95: list[float] | None
    """None where the rows behind one of the scores are not there, or not the same."""
    better: Literal["higher", "lower"] = "higher"

    @property
    def verdict(self) -> str:
        """What the interval says."""
        if self.interval_95 is None:
            return "no shared rows"
        low, high = self.interval_95
        if low <= 0 <= high:
            return "not distinguishable"
        return "better" if (low > 0) == (self.better == "higher") else "worse"


def read_runs(paths: Sequence[str]) -> list[Loaded]:
    """Read records, and give them names that differ: a record's own where no other has it.

    Raises:
        ValueError: there is no record, or one is named twice.
    """
    places = [_record_place(path) for path in paths]
    runs = [read(str(place)) for place in places]
    for run, label in zip(runs, distinct_labels(places, [run.record.get("name") for run in runs]), strict=True):
        run.name = label
    return runs


def _record_place(path: str) -> Path:
    place = Path(path)
    return place.with_name(f"{place.name}.json") if place.is_dir() else place


def read(path: str) -> Loaded:
    """Read a record, and its rows where it names a folder of them that is there.

    Raises:
        ValueError: there is no record.
    """
    place = _record_place(path)
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
        record["eval_metrics"].get("icl")
    except OSError as error:
        raise ValueError(f"no record at {place}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{place} is no evaluation record") from None
    loaded = Loaded(record.get("name") or place.stem, record, questions=questions_of(place, record))
    folder = place.parent / record["rows_folder"] if "rows_folder" in record else None
    if folder is not None and folder.is_dir():
        from eval.core.row_store import RowStore
        from eval.runner.bits_per_byte import stored

        store = RowStore(folder)
        found = {name: store.outcomes(name) for name in record.get("entries", {})}
        loaded.outcomes = {name: outcomes for name, outcomes in found.items() if outcomes is not None}
        kept = stored(folder) if "bpb" in record else None
        loaded.documents = kept[1] if kept else None
    return loaded


def compare(
    first: Loaded, other: Loaded, version: Version = "v2", draws: int = 4000, seed: int = 0
) -> dict[str, Difference]:
    """Differences of `other` to `first` in each entry both have, in CORE over those, and in bits per byte.

    Args:
        first: what is compared with.
        other: what is compared.
        version: baselines of CORE.
        draws: resamplings.
        seed: of the resampling.

    Returns:
        By entry (difference of accuracies); `CORE` or `CORE-n` over the n entries that both have; `bits per byte`.
    """
    from eval.core.outcomes import bootstrap, core_draws, interval

    names = [name for name in first.accuracies if name in other.accuracies]
    pairs = {}
    for name in names:
        pair = _shared_rows(first, other, name)
        if pair is not None:
            pairs[name] = pair
    drawn = bootstrap({(side, name): pair[side] for name, pair in pairs.items() for side in (0, 1)}, draws, seed)
    found: dict[str, Difference] = {}
    for name in names:
        value = other.accuracies[name] - first.accuracies[name]
        spread = drawn[1, name] - drawn[0, name] if name in pairs else None
        found[name] = Difference(value, interval(spread) if spread is not None else None)
    core = [name for name in CORE if name in names]
    if core:
        label = "CORE" if len(core) == len(CORE) else f"CORE-{len(core)}"
        value = _core(other, core, version) - _core(first, core, version)
        bounds = None
        if all(name in pairs for name in core):
            sides = [core_draws({name: drawn[side, name] for name in core}, core, version) for side in (0, 1)]
            bounds = interval(sides[1] - sides[0])
        found[label] = Difference(value, bounds)
    if first.record.get("bpb", {}).get("bits_per_byte") and other.record.get("bpb", {}).get("bits_per_byte"):
        found["bits per byte"] = _bits(first, other, draws, seed)
    return found


def _core(run: Loaded, names: Sequence[str], version: Version) -> float:
    values = [centered(run.accuracies[name], EXTENDED[name].baseline[version]) for name in names]
    return sum(values) / len(values)


def _shared_rows(first: Loaded, other: Loaded, name: str) -> tuple[Outcomes, Outcomes] | None:
    """The rows that both runs scored, of the same task file."""
    if name not in first.outcomes or name not in other.outcomes:
        return None
    one, two = first.outcomes[name], other.outcomes[name]
    hashes = [run.record["task_files"].get(one.file, {}).get("sha256") for run in (first, other)]
    rows = set(one.index) & set(two.index)
    if hashes[0] != hashes[1] or not rows:
        return None
    return one.only(rows), two.only(rows)


def _bits(first: Loaded, other: Loaded, draws: int, seed: int) -> Difference:
    import numpy as np

    from eval.core.outcomes import interval
    from eval.runner.bits_per_byte import resample

    value = other.record["bpb"]["bits_per_byte"] - first.record["bpb"]["bits_per_byte"]
    one, two = first.documents, other.documents
    bounds = None
    if one is not None and two is not None:
        numbers = {name: position for position, name in enumerate(two.ids)}
        shared = [
            (position, numbers[name])
            for position, name in enumerate(one.ids)
            if name in numbers and one.bytes[position] == two.bytes[numbers[name]]
        ]
        if shared:
            nats = np.array([[one.nats[a] for a, _ in shared], [two.nats[b] for _, b in shared]])
            size = np.array([[one.bytes[a] for a, _ in shared]])
            spread = resample(nats, size, draws, seed)
            bounds = interval(spread[1] - spread[0])
    return Difference(value, bounds, "lower")
