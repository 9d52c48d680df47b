"""Length-sorted batches, stage after stage."""

import random
from collections.abc import Iterator, Sequence

from rl.sft.config import SFTRunConfig

SORTED_BATCHES = 50
"""Rows are sorted by length within this many batches, so that order stays random and padding small."""


def batches_of(
    rows: Sequence[int], lengths: Sequence[int], batch_tokens: int, rng: random.Random
) -> Iterator[list[int]]:
    """Batches of rows of similar length, for ever: shuffled rows, sorted within windows, batches shuffled again.

    Args:
        rows: numbers of the rows.
        lengths: tokens per row, by row number.
        batch_tokens: rows times longest row of a batch stay within this; a longer row is a batch of its own.
        rng: decides the order.
    """
    average = sum(lengths[row] for row in rows) / len(rows)
    window = max(1, round(SORTED_BATCHES * batch_tokens / average))
    while True:
        order = rng.sample(list(rows), len(rows))
        for start in range(0, len(order), window):
            part = sorted(order[start : start + window], key=lengths.__getitem__)
            batches: list[list[int]] = [[]]
            for row in part:
                if batches[-1] and (len(batches[-1]) + 1) * lengths[row] > batch_tokens:
                    batches.append([])
                batches[-1].append(row)
            rng.shuffle(batches)
            yield from batches


def curriculum(config: SFTRunConfig, lengths: Sequence[int], ranges: dict[str, range]) -> list[list[int]]:
    """Row numbers of every step's batch, stage after stage."""
    rng = random.Random(config.seed)
    batches: list[list[int]] = []
    lengths = list(lengths)
    for stage in config.stages:
        rows = [row for path in stage.data for row in ranges[path]]
        endless = batches_of(rows, lengths, stage.batch_tokens, rng)
        batches += [next(endless) for _ in range(stage.steps)]
    return batches
