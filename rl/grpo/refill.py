"""Fills a batch with prompts that the std filter keeps: rounds of sampling, whole groups, every process its own share.

All processes see every group's deviation, so all decide alike and none waits for another. A process keeps the first
groups of its own that pass; what is left over goes to the queue as a prompt, its completions are dropped, so no rollout
is used twice.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from rl.grpo.std_filter import StdFilter, StdFilterConfig
from rl.rewards.process import TokenRewards


@dataclass
class Rollouts:
    """One process's completions of a round."""

    output: dict[str, Any]
    """TRL's batch: tensors of B rows, and `num_items_in_batch`."""
    values: Tensor
    """[B, R] rewards."""
    segments: list[TokenRewards]
    """[B] what a process reward pays by token."""
    groups: list[tuple[int, float]] = field(default_factory=list)
    """Of all processes' prompts, in order: the row in the data, and the deviation of its completions' rewards."""
    order: list[tuple[int, int]] = field(default_factory=list)
    """(round, row in it) of every completion that all processes' batches are made of; [] for the rows of one round."""
    surplus: set[tuple[int, int]] = field(default_factory=set)
    """(round, row in it) of completions that would pass, but are more than the batch holds."""


@dataclass(frozen=True)
class BatchShare:
    """Which part of a batch is this process's."""

    rank: int
    world: int
    group: int
    """Completions of a prompt."""


@dataclass(frozen=True)
class Group:
    """A prompt's completions in a round, as all processes know it."""

    round: int
    place: int
    """Which of its process's groups it is."""
    row: int
    """The prompt's row in the data."""
    deviation: float
    kept: bool


@dataclass
class Choice:
    """What one process's batch is made of."""

    taken: list[Group]
    surplus: list[Group] = field(default_factory=list)
    """Kept by the rule, but more than the batch holds."""
    forced: int = 0
    """Of `taken`, those that the rule had rejected."""


def choose(groups: Sequence[Group], needed: int) -> Choice:
    """The first `needed` groups that the rule keeps; where there are too few, the rejected ones that differ most."""
    kept = [group for group in groups if group.kept]
    rejected = sorted(
        (group for group in groups if not group.kept),
        key=lambda group: -group.deviation if math.isfinite(group.deviation) else math.inf,
    )
    missing = max(needed - len(kept), 0)
    return Choice([*kept[:needed], *rejected[:missing]], kept[needed:], missing)


class Refill:
    """See the module.

    Args:
        config: the rule.
        data: training rows.
        seed: of the stream they are drawn from.
        share: what is this process's.
        pad_id: fills up token ids.
    """

    def __init__(self, config: StdFilterConfig, data: Sequence[Any], seed: int, share: BatchShare, pad_id: int) -> None:
        self.rule = StdFilter(config, len(data), seed)
        self.data, self.share, self.pad_id = data, share, pad_id

    def batch(self, inputs: list[Any], roll: Callable[[list[Any], int], Rollouts]) -> tuple[Rollouts, dict[str, float]]:
        """Completions of kept prompts, as many as `inputs` asks for, some of them of other prompts; and figures.

        Args:
            inputs: rows of this process, each as often as a prompt has completions.
            roll: samples and scores completions of such rows in the round of the given number.
        """
        share, rule = self.share, self.rule
        needed = len(inputs) // share.group
        rounds: list[Rollouts] = []
        groups: list[list[Group]] = [[] for _ in range(share.world)]
        for number in range(rule.config.max_rounds):
            rounds.append(roll(inputs, number))
            for place, (row, deviation) in enumerate(rounds[-1].groups):
                owner, own_place = divmod(place, needed)
                groups[owner].append(Group(number, own_place, row, deviation, rule.keeps(deviation)))
            if all(sum(one.kept for one in own) >= needed for own in groups):
                break
            if number + 1 < rule.config.max_rounds:
                drawn = rule.draw(share.world * needed)[share.rank * needed : (share.rank + 1) * needed]
                inputs = [self.data[row] for row in drawn for _ in range(share.group)]
        choices = [choose(own, needed) for own in groups]
        figures = self._figures(groups, choices, len(rounds))
        rule.finish([one.deviation for own in groups for one in own])
        rule.queue += [one.row for choice in choices for one in choice.surplus]
        joined = self._joined(rounds, choices[share.rank].taken)
        for rank, choice in enumerate(choices):
            # as `_joined` puts them: round after round
            joined.order += self._rows(rank, needed, sorted(choice.taken, key=lambda one: one.round))
            joined.surplus |= set(self._rows(rank, needed, choice.surplus))
        return joined, figures

    def _rows(self, rank: int, needed: int, groups: Sequence[Group]) -> list[tuple[int, int]]:
        """(round, row of all processes) of some groups of a process."""
        size = self.share.group
        return [(one.round, (rank * needed + one.place) * size + member) for one in groups for member in range(size)]

    def _figures(self, groups: list[list[Group]], choices: list[Choice], rounds: int) -> dict[str, float]:
        every = [one for own in groups for one in own]
        known = [one.deviation for one in every if math.isfinite(one.deviation)]
        return {
            "kept": sum(one.kept for one in every) / len(every),
            "rounds": float(rounds),
            "std": math.fsum(known) / len(known) if known else math.nan,
            "threshold": float(self.rule.threshold),
            "ema": float(self.rule.ema) if self.rule.ema is not None else math.nan,
            "forced": float(sum(choice.forced for choice in choices)),
            "queue": float(len(self.rule.queue)),
        }

    def _joined(self, rounds: list[Rollouts], taken: Sequence[Group]) -> Rollouts:
        size = self.share.group
        places = [
            [(one.place * size) + member for one in taken if one.round == number for member in range(size)]
            for number in range(len(rounds))
        ]
        used = [(found, rows) for found, rows in zip(rounds, places, strict=True) if rows]
        output = join([(found.output, rows) for found, rows in used], self.pad_id)
        values = torch.cat([found.values[rows] for found, rows in used])
        return Rollouts(output, values, [found.segments[row] for found, rows in used for row in rows])


def join(parts: Sequence[tuple[dict[str, Any], Sequence[int]]], pad_id: int) -> dict[str, Any]:
    """Rows of several of TRL's batches as one: prompts padded on the left, what belongs to completions on the right.

    Args:
        parts: batches and which of their rows are wanted.
        pad_id: fills up token ids; masks and numbers are filled up with 0.
    """
    joined: dict[str, Any] = {}
    for name, first in parts[0][0].items():
        if not isinstance(first, Tensor) or not first.dim():
            joined[name] = first
            continue
        tensors = [output[name][list(rows)] for output, rows in parts]
        if first.dim() > 1:
            width = max(tensor.size(1) for tensor in tensors)
            left = name.startswith("prompt_")
            fill = pad_id if name in ("prompt_ids", "completion_ids") else 0
            tensors = [
                pad(tensor, (width - tensor.size(1), 0) if left else (0, width - tensor.size(1)), value=fill)
                for tensor in tensors
            ]
        joined[name] = torch.cat(tensors)
    return joined
