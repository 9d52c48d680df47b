"""Several records as one: the seeds of one recipe, their bits per byte averaged document by document."""

from collections.abc import Sequence
from math import fsum, log, sqrt
from statistics import fmean, stdev

from eval.compare.differences import Loaded, read_runs
from eval.runner.bits_per_byte import TextScores


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

    An interval over documents of such a run says nothing about seeds: the standard error in the name does.

    Raises:
        ValueError: a seed has no bits per byte with the documents behind it, or other documents than the first.
    """
    texts = [run.documents for run in seeds]
    if any(one is None for one in texts):
        raise ValueError(f"{seeds[0].name} and its further seeds need bits per byte with the rows behind them")
    first, *others = [one for one in texts if one is not None]
    if any((one.ids, one.bytes) != (first.ids, first.bytes) for one in others):
        raise ValueError(f"the seeds of {seeds[0].name} were scored on different documents")
    nats = [fmean(values) for values in zip(*(one.nats for one in (first, *others)), strict=True)]
    bits = [run.record["bpb"]["bits_per_byte"] for run in seeds]
    error = stdev(bits) / sqrt(len(bits))
    mean = TextScores(first.ids, nats, first.tokens, first.bytes)
    record = {**seeds[0].record, "bpb": {"bits_per_byte": fsum(nats) / log(2) / sum(first.bytes)}}
    return Loaded(f"{seeds[0].name} and {len(others)} more (± {error:.4f} over seeds)", record, documents=mean)
