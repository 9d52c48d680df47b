"""The rewards of a batch, those that ask servers beside everything else.

A reward that asks a server begins in a thread of its own as soon as the completions are there: all of them at once, and
beside the passes for reference log-probabilities and the rewards that are computed here. Rewards made of likelihoods
stay in line, in the order of the config, since sharded weights are gathered in their passes on all processes together.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from common.runs.progress.shown import waiting
from rl.rewards.base import Message, Reward, Value
from rl.rewards.likelihood import LikelihoodReward

if TYPE_CHECKING:
    import torch

NO_COLUMNS = ("prompt", "completion", "completion_ids")
"""What a row may hold that rewards get otherwise."""


class RewardsTogether:
    """Judges batches, one after another: `begin`, then `values`."""

    def __init__(self, rewards: Sequence[Reward]) -> None:
        self.rewards = rewards
        self.beside = [one for one in rewards if one.asks_servers and not isinstance(one, LikelihoodReward)]
        self._pool = ThreadPoolExecutor(len(self.beside), "reward") if self.beside else None
        self._begun: dict[str, Future[list[Value]]] = {}
        self._batch: dict[str, Any] = {}
        self.completions: Sequence[str | list[Message]] = ()
        """Those of the batch, as the rewards read them."""

    def begin(
        self,
        prompts: Sequence[str | list[Message]],
        completions: Sequence[str | list[Message]],
        completion_ids: Sequence[Sequence[int]],
        told: Sequence[Mapping[str, Any]],
    ) -> None:
        """Let the rewards that ask servers begin.

        Args:
            prompts: [B].
            completions: [B].
            completion_ids: [B] their tokens.
            told: [B] what else is known of each, by column.
        """
        self.completions = completions
        columns = {name: [row[name] for row in told] for name in told[0] if name not in NO_COLUMNS}
        self._batch = {"prompts": prompts, "completions": completions, "completion_ids": completion_ids, **columns}
        if self._pool:
            self._begun = {one.__name__: self._pool.submit(one, **self._batch) for one in self.beside}

    def values(self, device: "torch.device | str" = "cpu") -> "torch.Tensor":
        """[B, rewards] float32; NaN where a reward has nothing to say."""
        import torch

        found: dict[str, list[Value]] = {}
        for reward in self.rewards:
            if reward.__name__ not in self._begun:
                waiting(f"reward {reward.__name__}")
                found[reward.__name__] = reward(**self._batch)
        for name, begun in self._begun.items():
            waiting(f"reward {name}, from its server")
            found[name] = begun.result()
        self._begun = {}
        columns = [
            [torch.nan if value is None else value for value in found[reward.__name__]] for reward in self.rewards
        ]
        return torch.tensor(columns, dtype=torch.float32, device=device).T.contiguous()
