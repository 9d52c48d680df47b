"""Which questions stay: rules over pass rates, measured here or stored in the rows, with a report that adds up."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from common.config import HOW, CommaList, Out, RunConfig
from common.hashing import hash_id
from common.pools.documents import write_documents
from common.runs.folder import write_json
from eval.reasoning.config import share_of
from rl.data.rows.schema import Row, canonical, write_rows
from rl.difficulty.predicates import BINS, PREDICATES, Rate, RatePair, bin_of
from rl.difficulty.published import beside
from rl.difficulty.rates import SamplerConfig, SharesMissing, measure


class DifficultyConfig(RunConfig):
    """Questions, the models whose pass rates count, and the rules that drop questions."""

    examples: CommaList = Field(min_length=1)
    """Files of rows, in any layout that `rl.data.convert` reads."""

    out: Annotated[str, HOW, Out(folder=True)]
    """Folder of `kept.parquet`, `dropped.jsonl`, `report.json` and the samples."""

    weak: str = "qwen2.5_7b"
    """Name of the weak model's pass rate in the rows, or of one of `models`."""

    strong: str = "qwen3_30b"
    """Name of the strong model's pass rate."""

    models: list[SamplerConfig] = []
    """Models to sample first; without any, the rows' own pass rates are taken and no engine is opened."""

    rules: list[str] = ["too_easy", "noisy", "anomalous", "math_small_gap", "science_small_gap"]
    """Names of rules, in the order in which a drop is attributed; see `rl.difficulty.predicates`."""

    missing: Literal["error", "keep", "drop"] = "error"
    """What becomes of a row without pass rates; it never counts as a rate of 0."""

    min_n: int = Field(1, ge=1)
    """A pass rate over fewer judged samples counts as missing."""

    most_truncated: float = Field(0.5, ge=0, le=1)
    """Bound of `high_truncation`."""

    most_unscored: float = Field(0.05, ge=0, le=1)
    """Bound of `high_infra_error`."""

    category_cap: int | None = Field(None, ge=1)
    """Before all rules, sample every category (`info.category`, else the source) down to so many rows; Guru's figure
    is about 10,000."""

    seed: int = 0
    """Seed of that sample."""

    share: Annotated[str, HOW] = ""
    """`3/8`: only draw the third of eight shares of the samples, for an array of jobs; the last to end selects."""

    explain: Annotated[str, HOW] = ""
    """Only say what the rules make of the row with this id."""

    @field_validator("models")
    @classmethod
    def _apart(cls, models: list[SamplerConfig]) -> list[SamplerConfig]:
        counts = Counter(model.name for model in models)
        twice = next((name for name, count in counts.items() if count > 1), None)
        if twice:
            raise ValueError(f"two models are called {twice!r}; their pass rates need names that differ")
        return models

    @field_validator("share")
    @classmethod
    def _one_of(cls, share: str) -> str:
        if share:
            share_of(share)
        return share

    @field_validator("rules")
    @classmethod
    def _known(cls, rules: list[str]) -> list[str]:
        unknown = next((name for name in rules if name not in PREDICATES), None)
        if unknown:
            raise ValueError(f"no rule is called {unknown!r}; there are: {', '.join(PREDICATES)}")
        return rules


@dataclass
class Selection:
    """What became of the rows."""

    kept: list[Row] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


def with_rates(rows: Sequence[Row], config: DifficultyConfig) -> list[tuple[Row, dict[str, Rate]]]:
    """Rows with the rates that are stored in them and those measured now, which are stored too; joined by id."""
    measured, waiting = {}, []
    for model in config.models:
        try:
            measured[model.name] = measure(rows, model, Path(config.out), share_of(config.share or "1/1"))
        except SharesMissing as others:  # the next model's share is drawn all the same
            waiting.append(others)
    if waiting:
        raise waiting[0]
    found: list[tuple[Row, dict[str, Rate]]] = []
    for row in rows:
        stored = json.loads(row["pass_rates"])
        rates = {name: Rate(one["n"], one["correct"]) for name, one in stored.items()}
        rates |= {name: of_model[row["id"]] for name, of_model in measured.items()}
        texts = {name: {"n": rate.n, "correct": rate.correct} for name, rate in rates.items()}
        rated: Row = {**row, "pass_rates": canonical(texts)}
        found.append((rated, rates))
    return found


def reasons(row: Row, rates: Mapping[str, Rate], config: DifficultyConfig) -> list[str] | None:
    """Names of the rules that drop a row, in the config's order; None where its pass rates are missing."""
    weak, strong = rates.get(config.weak), rates.get(config.strong)
    if weak is None or strong is None or min(weak.n, strong.n) < config.min_n:
        return None
    truncated, unscored = Fraction(str(config.most_truncated)), Fraction(str(config.most_unscored))
    case = RatePair(row["domain"], weak, strong, truncated, unscored)
    return [name for name in config.rules if PREDICATES[name](case)]


def select(rows: Sequence[Row], config: DifficultyConfig) -> Selection:
    """Apply the cap and the rules.

    Raises:
        ValueError: a row has no pass rates and `missing` is `error`, or two rows have one id.
    """
    twice = [identity for identity, count in Counter(row["id"] for row in rows).items() if count > 1]
    if twice:
        raise ValueError(f"two examples have the id {twice[0]}")
    selection = Selection()
    capped = _capped(rows, config)
    first, every, overlaps = Counter[str](), Counter[str](), Counter[str]()
    by: dict[str, dict[str, Counter[str]]] = {"source": {}, "domain": {}}
    bins = {name: Counter(dict.fromkeys(BINS, 0)) for name in (config.weak, config.strong)}
    by_id = {row["id"]: row for row in rows}
    rated = with_rates([row for row in rows if row["id"] not in capped], config)
    for row, rates in rated:
        dropped_by = reasons(row, rates, config)
        if dropped_by is None:
            if config.missing == "error":
                raise ValueError(
                    f"row {row['id']} ({row['source']}) has no pass rate of {config.weak} and {config.strong} over "
                    f"{config.min_n} samples; it has: {', '.join(rates) or 'none'}. Measure them with models=, or say "
                    "missing=keep or missing=drop"
                )
            dropped_by = ["missing"] if config.missing == "drop" else []
        else:
            for name in bins:
                bins[name][bin_of(rates[name])] += 1
        for kind, counters in by.items():
            counters.setdefault(row[kind], Counter()).update([dropped_by[0] if dropped_by else "kept"])  # type: ignore[literal-required]
        every.update(dropped_by)
        first.update(dropped_by[:1])
        overlaps.update(f"{one}+{two}" for one, two in combinations(dropped_by, 2))
        if dropped_by:
            selection.dropped.append({"id": row["id"], "source": row["source"], "reasons": dropped_by})
        else:
            selection.kept.append(row)
    for identity in capped:
        row = by_id[identity]
        selection.dropped.append({"id": identity, "source": row["source"], "reasons": ["category_cap"]})
        first["category_cap"] += 1
        every["category_cap"] += 1
        for kind, counters in by.items():
            counters.setdefault(row[kind], Counter()).update(["category_cap"])  # type: ignore[literal-required]
    selection.report = {
        "read": len(rows),
        "kept": len(selection.kept),
        "dropped_first_rule": dict(first),
        "dropped_any_rule": dict(every),
        "overlaps": dict(overlaps),
        "by_source": {name: dict(counts) for name, counts in sorted(by["source"].items())},
        "by_domain": {name: dict(counts) for name, counts in sorted(by["domain"].items())},
        "counts": beside(by["source"]),
        "pass_rates": {name: dict(counts) for name, counts in bins.items()},
    }
    return selection


def _capped(rows: Sequence[Row], config: DifficultyConfig) -> set[str]:
    """Ids of what is above the cap of its category, drawn by hash of the id."""
    if config.category_cap is None:
        return set()
    groups: dict[str, list[str]] = {}
    for row in rows:
        category = json.loads(row["info"]).get("category") or row["source"]
        groups.setdefault(str(category), []).append(row["id"])
    over: set[str] = set()
    for identities in groups.values():
        identities.sort(key=lambda identity: hash_id(identity, "category_cap", config.seed))
        over |= set(identities[config.category_cap :])
    return over


def run(rows: Sequence[Row], config: DifficultyConfig) -> Selection:
    """Select, and write the folder's files."""
    selection = select(rows, config)
    folder = Path(config.out)
    write_rows(str(folder / "kept.parquet"), selection.kept)
    write_documents(str(folder / "dropped.jsonl"), selection.dropped)
    write_json(folder / "report.json", selection.report)
    return selection
