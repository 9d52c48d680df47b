"""What the likelihood rewards share: token ids of rollouts, a scorer bound by whoever runs them, and baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from common.tokens.chat import chat_ids
from eval.likelihood.spans import THOUGHT, Tokenizer, answer_lead, decode, encode_continuation, opens_thinking
from eval.likelihood.trunks import Scorer, Trunk
from rl.rewards.base import Batch, Message, Reward, RewardConfig

if TYPE_CHECKING:
    import numpy as np

Role = Literal["policy", "initial", "frozen"]
"""Whose likelihoods: the weights that wrote the rollout, those of step 0, or a named model's."""


class LikelihoodConfig(RewardConfig):
    """What all rewards made of likelihoods share."""

    role: Role = "policy"
    """Whose likelihoods: the weights that wrote the rollout, those of step 0, or `frozen_model`'s."""

    frozen_model: str = ""
    """Of role `frozen`: folder, hub name or a server's URL, with the policy's vocabulary; the initial policy if empty.
    """

    refresh_every: int = Field(0, ge=0)
    """Score the likelihoods without reasoning again with the policy every so many steps; 0: never (published)."""

    def model_post_init(self, context: Any) -> None:
        """Check that a named model is asked for."""
        if self.frozen_model and self.role != "frozen":
            raise ValueError(f"frozen_model {self.frozen_model} is used with role frozen only, not {self.role}")

    @property
    def scored_by(self) -> Role:
        """The role whose model scores rollouts; a frozen model that has no name is the initial policy."""
        return "initial" if self.role == "frozen" and not self.frozen_model else self.role

    @property
    def baseline_by(self) -> Role | None:
        """The role whose model scores without reasoning and is stored; None for a reward that stores nothing."""
        return "frozen" if self.scored_by == "frozen" else "initial"

    @property
    def other_role(self) -> bool:
        """Whether other weights than the policy's are needed."""
        return self.scored_by != "policy" or self.baseline_by is not None

    def needs_servers(self) -> list[str]:
        """The frozen model's URL, if it is one."""
        return [self.frozen_model] if self.frozen_model.startswith(("http://", "https://")) else []


class Baselines(Protocol):
    """Where likelihoods without reasoning come from: `rl.baselines.BaselineStore`, or a scorer asked each time."""

    def logprobs(self, trunks: Sequence[Trunk]) -> list[np.ndarray | str]:
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
    """Log-probabilities of the scored tokens of every branch, trunk by trunk, [m] each; a text says why none are."""
    import numpy as np

    found: list[np.ndarray | str] = []
    for trunk, scores in zip(trunks, scorer.score(trunks), strict=True):
        for number, branch in enumerate(trunk.branches):
            found.append(scores.error or scores.branches[number].logprobs[np.asarray(branch.scored, bool)])
    return found


class LikelihoodReward(Reward):
    """A reward made of log-probabilities; `bind` comes before the first call."""

    config: LikelihoodConfig

    def __init__(self, config: LikelihoodConfig) -> None:
        super().__init__(config.name)
        self.config = config
        self._scorer: Scorer | None = None
        self._baselines: Baselines | None = None
        self._tokenizer: Tokenizer = None
        self._lead = ""
        self.token_rewards: list[list[tuple[int, float]]] | None = None
        """[B] of (completion token index, reward), for a reward that pays before the end; of the last call."""

    def bind(self, scorer: Scorer, tokenizer: Tokenizer, baselines: Baselines | None = None) -> None:
        """Say who scores.

        Args:
            scorer: over the model of the reward's `role`.
            tokenizer: the policy's; its chat template writes the prompts.
            baselines: likelihoods without reasoning; from the scorer itself if None.

        Raises:
            ValueError: the chat template renders a question otherwise once its answer follows.
        """
        self._scorer, self._tokenizer = scorer, tokenizer
        self._lead = answer_lead(tokenizer)
        self._baselines = baselines or ScoredNow(scorer)

    def baseline_trunks(self, batch: Batch, row: int) -> list[Trunk]:
        """What of a row is scored without reasoning and stored, one trunk of one branch for each text."""
        del batch, row
        return []

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

    def prompt_ids(self, batch: Batch, row: int) -> list[int]:
        """The ids that generation used if they are known (column `prompt_ids`), else those of the chat template."""
        if "prompt_ids" in batch.columns:
            return list(batch.columns["prompt_ids"][row])
        return self.encode_prompt(batch.prompts[row])

    def unreasoned_lead(self, prompt_ids: Sequence[int]) -> str:
        """What stands between a prompt and an answer that no thinking precedes: the end of opened thinking, or what
        the chat template writes there."""
        if opens_thinking(self._tokenizer, prompt_ids):
            return f"\n{THOUGHT}\n\n"
        return "" if decode(self._tokenizer, prompt_ids[-16:]).rstrip().endswith(THOUGHT) else self._lead

    def encode_prompt(self, prompt: str | list[Message]) -> list[int]:
        """Token ids of a prompt: a text as it is, messages through the chat template."""
        if isinstance(prompt, str):
            return list(self._tokenizer.encode(prompt, add_special_tokens=True))
        return chat_ids(self._tokenizer, prompt)

    def completion_ids(self, batch: Batch, row: int) -> list[int]:
        """What the policy wrote, as it wrote it; a recorded text is encoded again."""
        if "completion_ids" in batch.columns:
            return list(batch.columns["completion_ids"][row])
        return encode_continuation(self._tokenizer, batch.completions[row])


UNWRITABLE = "unwritable"
"""Why a row is skipped whose text the tokenizer cannot write exactly."""


def references(value: Any) -> list[str]:
    """The reference texts of a row: one, several, or none."""
    found = [value] if isinstance(value, str) else list(value or [])
    return [text for text in found if isinstance(text, str) and text.strip()]
