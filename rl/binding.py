"""Which model scores for which reward: the live policy, its initial weights, or a frozen one.

Scorers are bound on first use, after the trainer has wrapped its models. They call what the trainer calls, in its
ordinary forward pass (not TRL's fused one, which divides by the temperature), with dropout off. The initial weights
come from the model's name, never from a checkpoint, so a continued run has the same ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from eval.likelihood import Scorer, ScorerConfig, open_scorer
from rl.baselines import BaselineStore, RefreshedBaselines, StoredBaselines, model_identity
from rl.rewards.base import Reward
from rl.rewards.likelihood import LikelihoodReward, Role, ScoredNow

if TYPE_CHECKING:
    from torch import nn

    from rl.config import RLConfig
    from rl.trainer import RewardTrainer


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

    def __init__(self, config: "RLConfig") -> None:
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


class TrainerModels:
    """The models of a trainer: the policy as it is now, and others in the form the trainer gives its reference."""

    def __init__(self, trainer: "RewardTrainer") -> None:
        self.trainer, self.config = trainer, trainer.config
        self.sharded = sharded(trainer)
        self._open: dict[tuple[Role, str], Scoring] = {}

    def scoring(self, role: Role, frozen_model: str) -> Scoring:
        """See `Models`."""
        place = (role, frozen_model if role == "frozen" else "")
        if place not in self._open:
            self._open[place] = self._scoring(*place)
        return self._open[place]

    def weights(self) -> dict[str, str]:
        """What identifies the weights that do not move, by role."""
        return {role: scoring.identity["model"] for (role, _), scoring in self._open.items() if scoring.identity}

    def _scoring(self, role: Role, frozen_model: str) -> Scoring:
        config, trainer = self.config.scorer, self.trainer
        computes = "bfloat16" if self.config.precision == "bf16" else "float32"
        live = config.model_copy(update={"dtype": computes})
        if role == "policy":
            return Scoring(open_scorer(trainer.model, live, collective=self.sharded), {})
        name = frozen_model or self.config.model
        check_vocabulary(name, self.config.model)
        known = identity(name, config)
        if name.startswith(("http://", "https://")):
            return Scoring(open_scorer(name, config), known)
        reference = trainer.ref_model  # of the same name, and there only where the loss has a KL term
        if name == self.config.model and reference is not None and known["dtype"] == computes:
            return Scoring(open_scorer(reference, live, collective=self.sharded), known)
        return Scoring(open_scorer(self._loaded(name), config, collective=self.sharded), known)

    def _loaded(self, name: str) -> "nn.Module":
        from eval.causal_model import load_model

        trainer = self.trainer
        model = load_model(name, self.config.scorer.dtype, "cpu" if self.sharded else str(trainer.accelerator.device))
        if trainer.is_deepspeed_enabled and self.sharded:
            from trl.models import prepare_deepspeed

            return prepare_deepspeed(model, trainer.accelerator)
        if trainer.is_fsdp_enabled:
            from trl.models import prepare_fsdp

            return prepare_fsdp(model, trainer.accelerator)
        return model


def sharded(trainer: "RewardTrainer") -> bool:
    """Whether weights are gathered inside forward passes, so that all processes must run the same number of them."""
    if trainer.is_deepspeed_enabled:
        plugin = trainer.accelerator.state.deepspeed_plugin
        return bool(plugin is not None and plugin.zero_stage == 3)
    return bool(trainer.is_fsdp_enabled)


def identity(name: str, config: ScorerConfig) -> dict[str, Any]:
    """What a model's numbers depend on: its weights (name and revision of one from a hub), dtype, temperature, mode."""
    dtype, revision = config.dtype, None
    if not name.startswith(("http://", "https://")):
        from transformers import AutoConfig

        saved = AutoConfig.from_pretrained(name)
        dtype = str(saved.dtype or "float32").removeprefix("torch.") if dtype == "auto" else dtype
        revision = getattr(saved, "_commit_hash", None)
    known = {"model": model_identity(name, revision), "dtype": dtype, "temperature": config.temperature}
    return {**known, "mode": config.mode}


def check_vocabulary(name: str, policy: str) -> None:
    """See that a frozen model reads the policy's token ids.

    Raises:
        ValueError: its tokenizer has other tokens.
    """
    if name == policy or name.startswith(("http://", "https://")):
        return
    from transformers import AutoTokenizer

    if AutoTokenizer.from_pretrained(name).get_vocab() != AutoTokenizer.from_pretrained(policy).get_vocab():
        raise ValueError(f"{name} has another vocabulary than {policy}, whose token ids it would have to score")
