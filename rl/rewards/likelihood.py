"""What the likelihood rewards share: token ids of rollouts, a scorer bound by whoever runs them, and baselines."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from eval.likelihood import Scorer, Trunk
from eval.spans import Tokenizer, encode_continuation
from rl.rewards.base import Batch, Message, Reward, Value


class Baselines(Protocol):
    """Where likelihoods without reasoning come from: `rl.baselines.BaselineStore`, or a scorer asked each time."""

    def logprobs(self, trunks: Sequence[Trunk]) -> "list[np.ndarray | str]":
        """For each trunk's only branch the log-probabilities of its scored tokens, or why there are none."""
        ...


class ScoredNow:
    """Baselines without a store: the scorer is asked each time."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def logprobs(self, trunks: Sequence[Trunk]) -> list[np.ndarray | str]:
        """See `Baselines`."""
        return scored_logprobs(self.scorer, trunks)


def scored_logprobs(scorer: Scorer, trunks: Sequence[Trunk]) -> list[np.ndarray | str]:
    """Log-probabilities of the scored tokens of each trunk's first branch, [m] each; a text says why there are none."""
    found: list[np.ndarray | str] = []
    for trunk, scores in zip(trunks, scorer.score(trunks), strict=True):
        found.append(scores.error or scores.branches[0].logprobs[np.asarray(trunk.branches[0].scored, bool)])
    return found


class LikelihoodReward(Reward):
    """A reward made of log-probabilities; `bind` comes before the first call."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._scorer: Scorer | None = None
        self._baselines: Baselines | None = None
        self._tokenizer: Tokenizer = None
        self.token_rewards: list[list[tuple[int, float]]] | None = None
        """[B] of (completion token index, reward), for a reward that pays before the end; of the last call."""

    def bind(self, scorer: Scorer, tokenizer: Tokenizer, baselines: Baselines | None = None) -> None:
        """Say who scores.

        Args:
            scorer: over the model of the reward's `role`.
            tokenizer: the policy's; its chat template writes the prompts.
            baselines: likelihoods without reasoning, from the initial weights; the scorer itself if None.
        """
        self._scorer, self._tokenizer = scorer, tokenizer
        self._baselines = baselines or ScoredNow(scorer)

    @property
    def scorer(self) -> Scorer:
        """The bound scorer.

        Raises:
            ValueError: nothing is bound.
        """
        if self._scorer is None:
            raise ValueError(f"reward {self.__name__!r} scores with a model: bind a scorer to it first")
        return self._scorer

    @property
    def baselines(self) -> Baselines:
        """The bound baselines."""
        return self._baselines or ScoredNow(self.scorer)

    def __call__(
        self,
        prompts: Sequence[str | list[Message]],
        completions: Sequence[str | list[Message]],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[Value]:
        """TRL's form; the token ids it hands over are kept for `score`."""
        if completion_ids is not None:
            columns["completion_ids"] = [list(ids) for ids in completion_ids]
        return super().__call__(prompts, completions, **columns)

    def prompt_ids(self, batch: Batch, row: int) -> list[int]:
        """The ids that generation used if they are known (column `prompt_ids`), else those of the chat template."""
        if "prompt_ids" in batch.columns:
            return list(batch.columns["prompt_ids"][row])
        return self.encode_prompt(batch.prompts[row])

    def encode_prompt(self, prompt: str | list[Message]) -> list[int]:
        """Token ids of a prompt: a text as it is, messages through the chat template."""
        text = prompt
        if not isinstance(prompt, str):
            text = self._tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        return list(self._tokenizer.encode(text, add_special_tokens=isinstance(prompt, str)))

    def completion_ids(self, batch: Batch, row: int) -> list[int]:
        """What the policy wrote, as it wrote it; a recorded text is encoded again."""
        if "completion_ids" in batch.columns:
            return list(batch.columns["completion_ids"][row])
        return encode_continuation(self._tokenizer, batch.completions[row])


def references(value: Any) -> list[str]:
    """The reference texts of a row: one, several, or none."""
    found = [value] if isinstance(value, str) else list(value or [])
    return [text for text in found if isinstance(text, str) and text.strip()]
