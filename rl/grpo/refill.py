"""Fills a batch with prompts that the std filter keeps: rounds of sampling, whole groups, every process its own share.

All processes see every group's deviation, so all decide alike and none waits for another. A process keeps the first
groups of its own that pass; what is left over goes to the queue as a prompt, its completions are dropped, so no rollout
is used twice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import gather_object
from torch import Tensor
from torch.nn.functional import pad

from rl.grpo.advantages import total
from rl.grpo.std_filter import StdFilter, StdFilterConfig, deviations
from rl.rewards.process import TokenRewards

if TYPE_CHECKING:
    from rl.grpo.trainer import RewardTrainer


@dataclass
class Rollouts:
    """One process's completions of a round."""

    output: dict[str, Any]
    """TRL's batch: tensors of B rows, and `num_items_in_batch`."""
    values: Tensor
    """[B, R] rewards."""
    segments: list[TokenRewards]
    """[B] what a process reward pays by token."""


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
        rows: training rows there are.
        seed: of the stream they are drawn from.
    """

    def __init__(self, config: StdFilterConfig, rows: int, seed: int) -> None:
        self.rule = StdFilter(config, rows, seed)

    def batch(self, trainer: "RewardTrainer", inputs: list[Any]) -> Rollouts:
        """Completions of kept prompts, as many as `inputs` asks for; some of them of other prompts."""
        group = trainer.num_generations
        world, rank = trainer.accelerator.num_processes, trainer.accelerator.process_index
        needed = len(inputs) // group
        rounds: list[Rollouts] = []
        groups: list[list[Group]] = [[] for _ in range(world)]
        for trainer.round in range(self.rule.config.max_rounds):
            rounds.append(trainer.rollouts(inputs))
            rows = gather_object([row["row_index"] for row in inputs[::group]])
            spread = deviations(total(trainer.values, trainer.reward_weights).cpu().numpy(), group)
            for number, (row, deviation) in enumerate(zip(rows, spread.tolist(), strict=True)):
                owner, place = divmod(number, needed)
                kept = self.rule.keeps(deviation)
                groups[owner].append(Group(trainer.round, place, row, deviation, kept))
            if all(sum(one.kept for one in own) >= needed for own in groups):
                break
            if trainer.round + 1 < self.rule.config.max_rounds:
                drawn = self.rule.draw(world * needed)[rank * needed : (rank + 1) * needed]
                inputs = [trainer.train_dataset[row] for row in drawn for _ in range(group)]
        trainer.round = 0
        choices = [choose(own, needed) for own in groups]
        self._log(trainer, groups, choices, len(rounds))
        self.rule.finish([one.deviation for own in groups for one in own])
        self.rule.queue += [one.row for choice in choices for one in choice.surplus]
        return self._joined(trainer, rounds, choices[rank].taken, group)

    def _log(self, trainer: "RewardTrainer", groups: list[list[Group]], choices: list[Choice], rounds: int) -> None:
        every = [one for own in groups for one in own]
        known = [one.deviation for one in every if math.isfinite(one.deviation)]
        figures = {
            "kept": sum(one.kept for one in every) / len(every),
            "rounds": rounds,
            "std": math.fsum(known) / len(known) if known else math.nan,
            "threshold": self.rule.threshold,
            "ema": self.rule.ema if self.rule.ema is not None else math.nan,
            "forced": sum(choice.forced for choice in choices),
            "queue": len(self.rule.queue),
        }
        for name, value in figures.items():
            trainer._metrics["train"][f"filter/{name}"].append(float(value))

    def _joined(self, trainer: "RewardTrainer", rounds: list[Rollouts], taken: Sequence[Group], group: int) -> Rollouts:
        places = [
            [(one.place * group) + member for one in taken if one.round == number for member in range(group)]
            for number in range(len(rounds))
        ]
        used = [(found, rows) for found, rows in zip(rounds, places, strict=True) if rows]
        output = join([(found.output, rows) for found, rows in used], trainer._tokenizer.pad_token_id)
        mask = output["completion_mask"] * output.get("tool_mask", 1)
        output["num_items_in_batch"] = trainer.accelerator.gather(mask.sum()).sum()
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
