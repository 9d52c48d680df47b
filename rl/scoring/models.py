"""Which model scores for which reward: the live policy, its initial weights, or a frozen one.

Scorers are bound on first use, after the trainer has wrapped its models. They call what the trainer calls, in its
ordinary forward pass (not TRL's fused one, which divides by the temperature), with dropout off. The initial weights
come from the model's name, never from a checkpoint, so a continued run has the same ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from common.weights import find_model, model_identity
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Scorer
from rl.rewards.base import Reward
from rl.rewards.likelihood import LikelihoodReward, Role, ScoredNow
from rl.scoring.baselines import BaselineStore, RefreshedBaselines, StoredBaselines

if TYPE_CHECKING:
    from rl.scoring.config import RewardsConfig


@dataclass(frozen=True)
class Scoring:
    """A model that scores, and what its numbers depend on beside the tokens."""

    scorer: Scorer
    identity: dict[str, Any]


class Models(Protocol):
    """Whoever opens the models that rewards score with."""

    def scoring(self, role: Role, frozen_model: str) -> Scoring:
        """The model of a role, opened once."""
        ...


def likelihood_rewards(rewards: Sequence[Any]) -> list[LikelihoodReward]:
    """Those that need a scorer."""
    return [reward for reward in rewards if isinstance(reward, LikelihoodReward)]


def bind(
    rewards: Sequence[Reward],
    models: Models,
    tokenizer: Any,
    store: BaselineStore | None = None,
    step: Callable[[], int] = lambda: 0,
) -> None:
    """Give every reward that scores with a model its scorer and its likelihoods without reasoning.

    Args:
        rewards: of a run; those without a model are passed over.
        models: opens what they need.
        tokenizer: the policy's.
        store: where likelihoods without reasoning are kept; computed each time if None.
        step: the optimizer steps so far, for `refresh_every`.
    """
    for reward in likelihood_rewards(rewards):
        config = reward.config
        own = models.scoring(config.scored_by, config.frozen_model)
        if config.baseline_by is None:
            reward.bind(own.scorer, tokenizer)
            continue
        base = models.scoring(config.baseline_by, config.frozen_model)
        if store is None:
            reward.bind(own.scorer, tokenizer, ScoredNow(base.scorer))
            continue
        stored = StoredBaselines(store, base.scorer, base.identity)
        if config.refresh_every:
            policy = models.scoring("policy", "")
            every = config.refresh_every
            reward.bind(
                own.scorer,
                tokenizer,
                RefreshedBaselines(stored, store, policy.scorer, base.identity, every, step),
            )
        else:
            reward.bind(own.scorer, tokenizer, stored)


class SavedModels:
    """Models as they lie in folders, for scoring without training: policy and initial weights are the same."""

    def __init__(self, config: "RewardsConfig") -> None:
        self.config = config
        self._open: dict[str, Scoring] = {}

    def scoring(self, role: Role, frozen_model: str) -> Scoring:
        """See `Models`."""
        name = frozen_model if role == "frozen" else self.config.model
        if name not in self._open:
            check_vocabulary(name, self.config.model)
            scorer = self.config.scorer
            self._open[name] = Scoring(open_scorer(name, scorer), identity(name, scorer))
        return self._open[name]


def identity(name: str, config: ScorerConfig) -> dict[str, Any]:
    """What a model's numbers depend on: its weights (name and revision of one from a hub), dtype, temperature, mode."""
    dtype: str = config.dtype
    revision = None
    if not name.startswith(("http://", "https://")):
        from transformers import AutoConfig

        saved = AutoConfig.from_pretrained(find_model(name))
        dtype = str(saved.dtype or "float32").removeprefix("torch.") if dtype == "auto" else dtype
        revision = getattr(saved, "_commit_hash", None)
    known = {"model": model_identity(find_model(name), revision), "dtype": dtype, "temperature": config.temperature}
    return {**known, "mode": config.mode}


def check_vocabulary(name: str, policy: str) -> None:
    """See that a frozen model reads the policy's token ids.

    Raises:
        ValueError: its tokenizer has other tokens.
    """
    if name == policy or name.startswith(("http://", "https://")):
        return
    from transformers import AutoTokenizer

    if (
        AutoTokenizer.from_pretrained(find_model(name)).get_vocab()
        != AutoTokenizer.from_pretrained(find_model(policy)).get_vocab()
    ):
        raise ValueError(f"{name} has another vocabulary than {policy}, whose token ids it would have to score")
