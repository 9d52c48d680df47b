"""Several records as one: the seeds of one recipe, averaged document by document or question by question."""

from collections.abc import Sequence
from math import fsum, log, sqrt
from statistics import fmean, stdev

from eval.compare.cells import Questions
from eval.compare.differences import Loaded, read_runs
from eval.runner.bits_per_byte import TextScores
from eval.statistics import clustered_error


def read_groups(paths: Sequence[str]) -> list[Loaded]:
    """Read records; paths with commas between are seeds of one recipe and become one run (`mean_of_seeds`).

    Raises:
        ValueError: there is no record, one is named twice, or seeds cannot be averaged.
    """
    groups = [path.split(",") for path in paths]
    runs = iter(read_runs([one for group in groups for one in group]))
    seeds = [[next(runs) for _ in group] for group in groups]
    return [group[0] if len(group) == 1 else mean_of_seeds(group) for group in seeds]


def mean_of_seeds(seeds: Sequence[Loaded]) -> Loaded:
    """One run whose nats for each document are the seeds' mean; its name tells the spread over seeds.

    Seeds with reasoning tasks are one run in which each question has all seeds' samples (`mean_of_answers`).

    An interval over documents of such a run says nothing about seeds: the standard error in the name does.

    Raises:
        ValueError: a seed has no bits per byte with the documents behind it, or other documents than the first.
    """
    if all(run.questions for run in seeds):
        return mean_of_answers(seeds)
    texts = [run.documents for run in seeds]
    if any(one is None for one in texts):
        raise ValueError(
            f"{seeds[0].name} and its further seeds need bits per byte or reasoning tasks, with the rows behind them"
        )
    first, *others = [one for one in texts if one is not None]
    if any((one.ids, one.bytes) != (first.ids, first.bytes) for one in others):
        raise ValueError(f"the seeds of {seeds[0].name} were scored on different documents")
    nats = [fmean(values) for values in zip(*(one.nats for one in (first, *others)), strict=True)]
    bits = [run.record["bpb"]["bits_per_byte"] for run in seeds]
    error = stdev(bits) / sqrt(len(bits))
    mean = TextScores(first.ids, nats, first.tokens, first.bytes)
    record = {**seeds[0].record, "bpb": {"bits_per_byte": fsum(nats) / log(2) / sum(first.bytes)}}
    return Loaded(f"{seeds[0].name} and {len(others)} more (± {error:.4f} over seeds)", record, documents=mean)


def mean_of_answers(seeds: Sequence[Loaded]) -> Loaded:
    """One run with all seeds' samples of each question; its cells hold the seeds' means, and the score of each seed.

    Raises:
        ValueError: a seed answered other tasks or other questions than the first.
    """
    first, *others = seeds
    if any(run.questions.keys() != first.questions.keys() for run in others):
        raise ValueError(f"the seeds of {first.name} answered different tasks")
    questions = {task: _all_samples(task, seeds) for task in first.questions}
    cells = {}
    for task, asked in questions.items():
        own = [run.record["reasoning"]["cells"][task] for run in seeds]
        judged = [one for one in asked.values() if one["scores"]]
        means = [fmean(one["scores"]) for one in judged]
        cells[task] = {
            **own[0],
            "score": fmean(one["score"] for one in own),
            "by_seed": [one["score"] for one in own],
            "error_questions": clustered_error(means, [one["cluster"] for one in judged]),
            "tokens": _means([one.get("tokens", {}) for one in own], ("mean",)),
            "thinking": _means([one.get("thinking", {}) for one in own], ("answers", "score_with", "score_without")),
        }
    record = {**first.record, "reasoning": {**first.record["reasoning"], "cells": cells}}
    names = {str(run.record.get("name")) for run in seeds}
    name = names.pop() if len(names) == 1 else f"{first.name} and {len(others)} more"
    return Loaded(name, record, questions=questions)


def _all_samples(task: str, seeds: Sequence[Loaded]) -> Questions:
    asked = [run.questions[task] for run in seeds]
    if any(_digests(other) != _digests(asked[0]) for other in asked[1:]):
        raise ValueError(f"the seeds of {seeds[0].name} answered different questions of {task}")
    return {
        key: {**one, "scores": [score for other in asked for score in other[key]["scores"]]}
        for key, one in asked[0].items()
    }


def _digests(asked: Questions) -> dict[str, str]:
    return {key: one["digest"] for key, one in asked.items()}


def _means(figures: Sequence[dict[str, float | None]], keys: Sequence[str]) -> dict[str, float | None]:
    """The mean of each figure over the seeds that have it."""
    found: dict[str, float | None] = {}
    for key in keys:
        values = [value for one in figures if (value := one.get(key)) is not None]
        found[key] = fmean(values) if values else None
    return found
