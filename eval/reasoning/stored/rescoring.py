"""Stored samples of any stage to new verdicts and a table."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.samples import Sample, SampleFile, read_samples
from eval.compare.table import columns
from eval.reasoning.metrics import judged_by_model
from eval.reasoning.scoring import Judging, judging
from eval.reasoning.stored.config import RescoreConfig
from eval.reasoning.table import percent
from eval.statistics import clustered_error

WAITING = ("code", "codeio", "cruxeval", "judge", "reasoning_gym")
"""Verifiers that wait for a sandbox or a server: several at once pay."""

WORDINGS = {"choice": "choices", "math": "math", "judge": "math", "table": "math"}
"""Verifier to the judge's wording, where the samples' tasks name none."""


@dataclass
class Tally:
    """What came of one task's samples."""

    scores: dict[str, list[float]] = field(default_factory=dict)
    """By question."""

    stored: list[float] = field(default_factory=list)
    changed: int = 0
    samples: int = 0
    verdicts: list[Mapping[str, Any]] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def add(self, sample: Sample, verdict: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Count one sample."""
        self.samples += 1
        self.statuses[str(verdict["status"])] += 1
        if verdict["score"] is not None:
            self.scores.setdefault(sample.id, []).append(verdict["score"])
        if before.get("score") is not None:
            self.stored.append(before["score"])
        self.changed += bool(before) and before.get("score") != verdict["score"]
        if "judge" in verdict:
            self.verdicts.append(verdict)


def scored(samples: Iterable[Sample], config: RescoreConfig) -> Iterator[tuple[Sample, dict[str, Any]]]:
    """Each sample that has something to be judged by, with its verdict, in order."""
    hows: dict[str, Judging] = {}
    opened = None
    if config.judge.name:
        opened = judging(["strict"], {}, "math", config.judge).judge

    def verdict(sample: Sample) -> dict[str, Any]:
        row = {"id": sample.id, **sample.row}
        row["verifier"] = row.get("verifier") or config.verifier
        if config.think_open is not None:
            row["think_open"] = config.think_open
        wording = WORDINGS.get(row["verifier"], "")
        if wording not in hows:
            hows[wording] = judging([config.mode], config.options, wording, config.judge, opened)
        question = "\n\n".join(str(turn.get("content")) for turn in sample.messages if turn.get("role") == "user")
        return hows[wording].verdicts(row, question, sample.completion, sample.finish_reason)[config.mode]

    waiting: list[Sample] = []
    with ThreadPoolExecutor(config.threads) as pool:
        for sample in samples:
            if opened is None and (sample.row.get("verifier") or config.verifier) not in WAITING:
                yield sample, verdict(sample)
                continue
            waiting.append(sample)
            if len(waiting) == 64 * config.threads:
                yield from zip(waiting, pool.map(verdict, waiting), strict=True)
                waiting = []
        yield from zip(waiting, pool.map(verdict, waiting), strict=True)


def rescore(config: RescoreConfig) -> tuple[dict[str, Tally], Counter[str]]:
    """The tallies by task, and how many samples were left out, by reason."""
    tallies: dict[str, Tally] = {}
    left: Counter[str] = Counter()

    def wanted() -> Iterator[Sample]:
        for sample in read_samples(*config.samples):
            if config.split and sample.split != config.split:
                left["other split"] += 1
            elif sample.finish_reason == "error":
                left["no completion"] += 1
            elif "ground_truth" not in sample.row or not (sample.row.get("verifier") or config.verifier):
                left["nothing to judge by"] += 1
            else:
                yield sample

    with ExitStack() as stack:
        target = None
        if config.out:
            Path(config.out).unlink(missing_ok=True)
            target = stack.enter_context(SampleFile(config.out))
        for sample, verdict in scored(wanted(), config):
            before = sample.verdicts.get(config.mode) or {}
            name = sample.task or sample.row.get("source") or "samples"
            tallies.setdefault(name, Tally()).add(sample, verdict, before)
            if target is not None:
                sample.verdicts[config.mode] = verdict
                target.write(sample.record())
    return tallies, left


def table(tallies: Mapping[str, Tally], left: Mapping[str, int]) -> str:
    """The tallies for a terminal, in percent."""
    rows = [("task", "samples", "score", "±", "stored", "changed", "verdicts")]
    lines = []
    for task, tally in tallies.items():
        means = [sum(scores) / len(scores) for scores in tally.scores.values()]
        mean = percent(sum(means) / len(means)) if means else ""
        error = percent(clustered_error(means, range(len(means)))) if means else ""
        stored = percent(sum(tally.stored) / len(tally.stored)) if tally.stored else ""
        counts = ", ".join(f"{status} {count}" for status, count in sorted(tally.statuses.items()))
        rows.append((task, f"{tally.samples:,}", mean, error, stored, f"{tally.changed:,}", counts))
        if said := judged_by_model(tally.verdicts):
            lines.append(f"{task}: judge {', '.join(f'{name} {value}' for name, value in said.items())}")
    lines += [f"left out, {reason}: {count:,}" for reason, count in left.items()]
    return "\n".join([*columns(rows), *lines])
