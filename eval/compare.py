"""Compare evaluated models: scores side by side, differences to the first with paired 95 % intervals.

Usage:
    python -m eval.compare results/organic.json results/recycled.json [MORE ...]
    python -m eval.compare results/mine.json --published repro_400m_recycled,411m_fineweb_edu

A RUN is a record that `eval.run` wrote, the folder beside it, or a record of DCLM. Where two runs have the rows behind
a score, rows (documents, for bits per byte) that both scored are resampled together, so what a file's hard rows do to
both cancels. A difference whose interval holds 0 is called "not distinguishable". Without rows there is no interval.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from common.config import CommaList, RunConfig, parse, usage_errors
from eval.bpb import TextScores, resample, stored
from eval.core_rows import RowStore
from eval.core_score import CORE, EXTENDED, Outcomes, Version, bootstrap, centered, core_draws, core_partial, interval


class Published(NamedTuple):
    """A CORE score from a paper or a public record; None where only one version is known."""

    v1: float | None
    v2: float | None
    source: str


_RECORD = "record of DCLM, arXiv:2406.11794"
_REPRO = "arXiv:2510.10681, its own 22 entries, baselines not stated"
PUBLISHED: dict[str, Published] = {
    "411m_c4": Published(0.1310, 0.1073, _RECORD),
    "411m_dolma": Published(0.1360, 0.1116, _RECORD),
    "411m_refinedweb_fasttext": Published(0.180, 0.158, _RECORD),
    "411m_fineweb_edu": Published(0.183, 0.159, _RECORD),
    "1b_1x_redpajama": Published(0.2570, 0.2310, _RECORD),
    "1b_1x_semdedup": Published(0.2714, 0.2465, _RECORD),
    "olmo_1b": Published(0.2972, 0.2723, _RECORD),
    "1b_5x_refinedweb": Published(0.3139, 0.2912, _RECORD),
    "1b_5x_fineweb_edu": Published(0.3379, 0.3118, _RECORD),
    "1b_5x_refinedweb_fasttext": Published(0.3605, 0.3348, _RECORD),
    "7b_1x_refinedweb_fasttext": Published(0.4466, 0.4255, _RECORD),
    "llama_1_7b": Published(0.4626, 0.4414, _RECORD),
    "deepseek_7b": Published(0.5072, 0.4914, _RECORD),
    "mistral_7b": Published(0.5743, 0.5623, _RECORD),
    "dclm_7b": Published(0.571, 0.560, _RECORD),
    "repro_400m_organic": Published(0.1899, None, _REPRO),
    "repro_400m_rewire": Published(0.2013, None, _REPRO),
    "repro_400m_recycled": Published(0.2166, None, _REPRO),
    "repro_1.4b_organic": Published(0.2858, None, _REPRO),
    "repro_1.4b_rewire": Published(0.2903, None, _REPRO),
    "repro_1.4b_recycled": Published(0.2993, None, _REPRO),
}


class CompareConfig(RunConfig):
    """Which runs to compare."""

    runs: list[str]
    """Records or run folders; differences are to the first."""

    published: CommaList = []
    """Names of published CORE scores to show beside."""

    version: Version = "v2"
    """Baselines of centred scores."""

    draws: int = Field(4000, ge=1)
    """Resamplings behind the intervals."""

    seed: int = 0
    """Of the resampling."""


@dataclass
class Loaded:
    """A record and the rows behind it, if they are there."""

    name: str
    record: dict[str, Any]
    outcomes: dict[str, Outcomes] = field(default_factory=dict)
    documents: TextScores | None = None

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


def main(argv: list[str] | None = None) -> None:
    """Read the command line, then print the table."""
    config = parse(CompareConfig, __doc__, argv, positional=("runs",))
    with usage_errors():
        unknown = [name for name in config.published if name not in PUBLISHED]
        if unknown:
            raise ValueError(f"no published score {unknown[0]!r}; known: {', '.join(PUBLISHED)}")
        runs = [read(path) for path in config.runs]
    print(render(runs, config))  # noqa: T201 - the command's output


def read(path: str) -> Loaded:
    """Read a record, and its rows where it names a folder of them that is there.

    Raises:
        ValueError: there is no record.
    """
    place = Path(path)
    if place.is_dir():
        place = place.with_name(f"{place.name}.json")
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
        record["eval_metrics"].get("icl")
    except OSError as error:
        raise ValueError(f"no record at {place}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{place} is no evaluation record") from None
    loaded = Loaded(record.get("name") or place.stem, record)
    folder = place.parent / record["rows_folder"] if "rows_folder" in record else None
    if folder is not None and folder.is_dir():
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


def render(runs: Sequence[Loaded], config: CompareConfig) -> str:
    """The table: a line per score and run after the first."""
    first, *others = runs
    lines = [_heading(runs), *_cautions(runs)]
    rows = [("task", "run", "score", "difference", "95 % interval", "")]
    for other in others:
        differences = compare(first, other, config.version, config.draws, config.seed)
        for name, difference in differences.items():
            low_high = "{:+.4f} to {:+.4f}".format(*difference.interval_95) if difference.interval_95 else ""
            score = _score(other, name, config.version)
            rows.append((name, other.name, f"{score:.4f}", f"{difference.value:+.4f}", low_high, difference.verdict))
    lines += ["", *_columns(rows)] if others else []
    lines += ["", *_columns(_core_rows(runs, config))]
    return "\n".join(lines)


def _score(run: Loaded, name: str, version: Version) -> float:
    if name == "bits per byte":
        return run.record["bpb"]["bits_per_byte"]
    if name in run.accuracies:
        return run.accuracies[name]
    return core_partial(run.accuracies, version)["mean"]


def _core_rows(runs: Sequence[Loaded], config: CompareConfig) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("model", "score", "v1", "v2", "source")]
    for run in runs:
        if run.accuracies:
            part = core_partial(run.accuracies, config.version)
            label = "CORE" if not part["missing"] else part["label"]
            rows.append((run.name, label, _shown(part["mean_v1"]), _shown(part["mean_v2"]), "this run"))
        if "bpb" in run.record:
            bits = run.record["bpb"].get("bits_per_byte")
            rows.append((run.name, "bits per byte", _shown(bits), "", "this run"))
    for name in config.published:
        published = PUBLISHED[name]
        rows.append((name, "CORE", _shown(published.v1), _shown(published.v2), published.source))
    return rows


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _heading(runs: Sequence[Loaded]) -> str:
    return f"compared with {runs[0].name}: {', '.join(run.name for run in runs[1:])}" if runs[1:] else runs[0].name


def _cautions(runs: Sequence[Loaded]) -> list[str]:
    """What differs between the runs beside the model."""
    found = []
    for key, what in (("precision", "precision"), ("seq_len", "context length"), ("limit", "rows per task file")):
        values = {str(run.record[key]) for run in runs if key in run.record}
        if len(values) > 1:
            found.append(f"caution: the runs differ in {what}: {', '.join(sorted(values))}")
    return found


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


if __name__ == "__main__":
    main()
