"""Score CORE entries and make DCLM's record: what eval.run, a trainer and the commands call."""

import hashlib
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.runs.processes import processes
from eval.core.aggregate import aggregate, centered, partial
from eval.core.baselines import CORE, CORE_SETS, EXTENDED, VERSIONS, Version
from eval.core.entries import Entry, entries_of
from eval.core.files import TaskFile, find_files
from eval.core.outcomes import Outcomes, bootstrap, core_draws, interval
from eval.core.prompts import items
from eval.core.row_store import RowStore
from eval.core.scoring import ScoredItem, outcomes_of, score_items
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Scorer
from eval.models.open import SEQ_LEN, Tokenizer, context_length, tokenizer_hash

if TYPE_CHECKING:
    from torch import nn

Record = dict[str, Any]


def evaluate(
    model: "str | Path | nn.Module",
    tokenizer: Tokenizer,
    tasks: Sequence[str] = ("core",),
    data: str | Path = ".",
    limit: int | None = None,
    *,
    name: str = "",
    scorer: ScorerConfig | None = None,
    **options: Any,
) -> Record:
    """Score a model on CORE entries: what a trainer calls for the module it is training, which keeps its mode.

    Stages that may not import `eval` are handed this function, `functools.partial(evaluate, tokenizer=tokenizer,
    tasks=["core20"], data=DIR, limit=50)`, or start `python -m eval.run` on an export. Under torch.distributed all
    processes must call it.

    Args:
        model: folder, or a module that takes what `eval.likelihood.open_scorer` says.
        tokenizer: the model's.
        tasks: names of entries or of sets of them (`core`, `core20`, `core_repro`).
        data: folder with the task files.
        limit: score this many rows of each file; prompts stay those of the whole file.
        name: what the record calls the model.
        scorer: how likelihoods are computed.
        options: further fields of `CoreRun`; `seq_len` is at most the model's context if not given.

    Returns:
        The record that `CoreRun.score` makes, with its header.

    Raises:
        ValueError: an unknown task, no task files, a bad row.
        WorkFailed: a row could not be scored.
    """
    # A module that several processes train may be sharded: then all of them run it, or none.
    sharded = processes()[1] > 1 and not isinstance(model, str | Path)
    options.setdefault("seq_len", min(SEQ_LEN, context_length(model) or SEQ_LEN))
    run = CoreRun(tasks, data, limit, **options)
    shown = str(model) if isinstance(model, str | Path) else type(model).__name__
    return {
        **header(name, shown),
        **run.score(lambda: open_scorer(model, scorer, collective=sharded), tokenizer),
    }


def header(name: str, model: str) -> Record:
    """What a record begins with."""
    created = datetime.now(UTC).strftime("%Y_%m_%d-%H_%M_%S")  # DCLM's form
    return {"name": name, "uuid": str(uuid.uuid4()), "model": model, "creation_date": created, "eval_metrics": {}}


@dataclass(frozen=True)
class CoreRun:
    """CORE entries to score, and how."""

    tasks: Sequence[str]
    """Names of entries or of sets of them."""

    data: str | Path
    """Folder with the task files."""

    limit: int | None = None
    """Score this many rows of each file, drawn by `seed`."""

    seed: int = 0
    """Seed of the rows that are drawn, and of the bootstrap."""

    seq_len: int = SEQ_LEN
    """Tokens of context and answer together."""

    version: Version = "v2"
    """Baselines behind the keys without a version in their name."""

    draws: int = 2000
    """Resamplings behind the intervals."""

    store: RowStore | None = None
    """Finished entries are read from here and new ones stored."""

    stamp: Mapping[str, Any] = field(default_factory=dict)
    """What tells this run from another (model hash, precision); finished entries with another one do not count."""

    on_entry: Callable[[str, dict[str, Any]], None] | None = None
    """Called with the name and figures of each entry that was scored now."""

    def score(self, opened: Callable[[], Scorer], tokenizer: Tokenizer) -> Record:
        """Score the entries and aggregate them to DCLM's record.

        Args:
            opened: gives the scorer; not called if every entry is stored already.
            tokenizer: the model's.

        Returns:
            DCLM's keys for the scores, and `entries`, `task_files`, `intervals_95` and the stamps.

        Raises:
            ValueError: an unknown task, no task files, a bad row.
            WorkFailed: a row could not be scored.
        """
        entries = entries_of(self.tasks)
        files, missing = find_files(entries, self.data)
        keep = {name: chosen_rows(name, file, self.limit, self.seed) for name, file in files.items()}
        identity = {"tokenizer_sha256": tokenizer_hash(tokenizer), "seq_len": self.seq_len, **self.stamp}
        scorer: Scorer | None = None
        figures: dict[str, dict[str, Any]] = {}
        outcomes: dict[str, Outcomes] = {}
        for entry in entries:
            if entry.file not in files:
                continue
            file, rows = files[entry.file], keep[entry.file]
            key = _key(entry, file, rows, identity)
            done = self.store.figures(entry.name) if self.store else None
            known = self.store.outcomes(entry.name) if self.store and done and done["key"] == key else None
            if done and known is not None:
                figures[entry.name], outcomes[entry.name] = done, known
                continue
            scorer = scorer or opened()
            scored, facts = score_entry(entry, file, tokenizer, scorer, self.seq_len, rows)
            figures[entry.name] = {"key": key, **facts}
            outcomes[entry.name] = outcomes_of(entry, scored)
            if self.store and processes()[0] == 0:
                self.store.write(entry.name, scored, figures[entry.name])
            if self.on_entry:
                self.on_entry(entry.name, figures[entry.name])
        return {
            **self._scores(figures, outcomes),
            **_coverage(self.tasks, entries, files, missing, self.limit, keep),
            "entries": figures,
            "task_files": {
                name: {"sha256": file.sha256, "rows": len(file.rows), "bytes": file.bytes}
                for name, file in files.items()
            },
            **identity,
        }

    def _scores(self, figures: dict[str, dict[str, Any]], outcomes: dict[str, Outcomes]) -> Record:
        """DCLM's scores with their intervals; each entry's figures get theirs."""
        drawn = bootstrap(outcomes, self.draws, self.seed)
        for name, values in drawn.items():
            figures[name]["interval_95"] = interval(values)
        accuracies = {name: facts["accuracy"] for name, facts in figures.items()}
        return {
            "eval_metrics": {"icl": accuracies},
            **aggregate(accuracies, self.version),
            **_intervals(drawn, self.version),
            "core_sets": {
                task: {each: partial(accuracies, CORE_SETS[task], each) for each in VERSIONS}
                for task in self.tasks
                if task in CORE_SETS
            },
        }


def chosen_rows(name: str, file: TaskFile, limit: int | None, seed: int) -> set[int] | None:
    """Numbers of the rows to score, drawn from the seed and the file's name; None for all of them."""
    if limit is None or limit >= len(file.rows):
        return None
    return set(random.Random(f"{seed} {name}").sample(range(len(file.rows)), limit))


def score_entry(
    entry: Entry, file: TaskFile, tokenizer: Tokenizer, scorer: Scorer, seq_len: int, rows: set[int] | None
) -> tuple[list[ScoredItem], dict[str, Any]]:
    """Score one entry; returns its items and the figures that are kept about it."""
    began = time.monotonic()
    asked = items(entry, file.rows, tokenizer, seq_len=seq_len, only=rows)
    scored = score_items(asked, entry.kind, scorer, entry.name)
    outcomes = outcomes_of(entry, scored)
    pairs = [pair for item in asked for pair in zip(item.contexts, item.answers, strict=True)]
    groups = sorted({category for category in outcomes.category if category is not None})
    figures: dict[str, Any] = {
        "accuracy": outcomes.accuracy(),
        "file": entry.file,
        "rows": len(asked),
        "rows_in_file": len(file.rows),
        "rows_published": entry.rows,
        "sequences": len(pairs),
        "tokens": sum(len(context) + len(answer) for context, answer in pairs),
        "seconds": round(time.monotonic() - began, 3),
    }
    if entry.name in EXTENDED:
        baselines = EXTENDED[entry.name].baseline
        figures |= {f"centered_{each}": centered(figures["accuracy"], baselines[each]) for each in VERSIONS}
    if groups:
        parts = {group: outcomes.only(_rows_of(outcomes, group)) for group in groups}
        figures["categories"] = {group: part.accuracy() for group, part in parts.items()}
    return scored, figures


def _rows_of(outcomes: Outcomes, group: str) -> set[int]:
    return {index for index, category in zip(outcomes.index, outcomes.category, strict=True) if category == group}


def _key(entry: Entry, file: TaskFile, rows: set[int] | None, identity: Mapping[str, Any]) -> str:
    """Changes when anything changes that an entry's numbers depend on."""
    chosen = None if rows is None else sorted(rows)
    parts = [entry.name, entry.shots, entry.delimiter, file.sha256, chosen, dict(identity)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _intervals(drawn: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """95 % intervals of CORE, or of what of it is there."""
    names = [name for name in CORE if name in drawn]
    if not names:
        return {}
    values = {each: core_draws(drawn, names, each) for each in VERSIONS}
    label = "Core" if len(names) == len(CORE) else "core_partial"
    found: dict[str, Any] = {f"{label}_{each}": interval(values[each]) for each in VERSIONS}
    return {"intervals_95": found, "standard_error": float(values[version].std())}


def _coverage(
    tasks: Sequence[str],
    entries: Sequence[Entry],
    files: Mapping[str, TaskFile],
    missing: Sequence[str],
    limit: int | None,
    keep: Mapping[str, set[int] | None],
) -> dict[str, Any]:
    """What of the published benchmark was scored, so that a part is not read as the whole."""
    scored = {entry.name: len(keep[entry.file] or files[entry.file].rows) for entry in entries if entry.file in files}
    short = {entry.name: [scored[entry.name], entry.rows] for entry in entries if entry.name in scored}
    return {
        "tasks": list(tasks),
        "missing_files": [f"{name}.jsonl" for name in missing],
        "limit": limit,
        "rows_scored_of_published": {name: pair for name, pair in short.items() if pair[0] != pair[1]},
    }
