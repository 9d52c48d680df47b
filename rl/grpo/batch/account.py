"""What each completion of a batch earned and of what, as `samples.jsonl` has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rl.rewards.base import Reward, combine, failure, message_text, parts
from rl.rewards.process import ProcessReward
from rl.scoring.models import likelihood_rewards

OURS = ("finish_reason", "completion_tokens", "prompt_ids", "row_index")
"""Columns that the trainer adds to the data's."""


@dataclass(frozen=True)
class Account:
    """How a batch is accounted for."""

    rewards: Sequence[Reward]
    """Those that have judged the batch."""

    weights: dict[str, float]
    """By the rewards' names."""

    process: ProcessReward | None
    """The one that pays by token."""

    written: bool
    """Whether the batch goes into the file. Every process gets all rows, so the data's columns and token ids are left
    out where nothing is written."""

    def rows(
        self, told: Sequence[dict[str, Any]], completions: Sequence[Any], completion_ids: Sequence[list[int]]
    ) -> list[dict[str, Any]]:
        """A row for each of this process's completions.

        Args:
            told: what the rewards were told of each beside its text.
            completions: as the rewards read them.
            completion_ids: their tokens.
        """
        scores = {reward.__name__: reward.last for reward in self.rewards}
        totals = combine(scores, self.weights)
        columns = [name for name in told[0] if name not in OURS] if self.written else ["id"]
        rows = [
            {
                **{name: row.get(name) for name in columns},
                "completion": message_text(completion),
                "finish_reason": row["finish_reason"],
                "tokens": row["completion_tokens"],
                "rewards": {name: found.values[index] for name, found in scores.items()},
                "parts": parts(scores, index),
                "total": totals[index],
                "skipped": failure(scores, self.weights, index),
            }
            for index, (row, completion) in enumerate(zip(told, completions, strict=True))
        ]
        if self.written and likelihood_rewards(self.rewards):  # `rl.score` then finds the tokens that were scored
            for row, ids in zip(rows, completion_ids, strict=True):
                row["completion_ids"] = ids
        if self.process:
            for row, segments in zip(rows, self.process.token_rewards or [], strict=True):
                row["segments"] = segments
        return rows
