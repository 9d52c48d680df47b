"""The models of a trainer: the policy as it is now, frozen ones in the form the trainer gives its reference."""

from typing import TYPE_CHECKING, Any, Protocol

from eval.likelihood.open import open_scorer
from rl.adapters import adapter_of, without_adapter
from rl.rewards.likelihood import Role
from rl.scoring.models import Scoring, check_vocabulary, identity

if TYPE_CHECKING:
    from torch import nn


class ModelHolder(Protocol):
    """What is asked of a trainer: its models, and how it spreads them over devices."""

    config: Any
    """A `RewardsConfig` with `precision` beside the rewards."""

    model: Any
    ref_model: Any
    accelerator: Any
    is_deepspeed_enabled: bool
    is_fsdp_enabled: bool


class TrainerModels:
    """The models of a trainer: the policy as it is now, and others in the form the trainer gives its reference."""

    def __init__(self, trainer: ModelHolder) -> None:
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
        if name == self.config.model and adapter_of(trainer.model) and known["dtype"] == computes:
            return Scoring(open_scorer(without_adapter(trainer.model), live, collective=self.sharded), known)
        reference = trainer.ref_model  # of the same name, and there only where the loss has a KL term
        if name == self.config.model and reference is not None and known["dtype"] == computes:
            return Scoring(open_scorer(reference, live, collective=self.sharded), known)
        return Scoring(open_scorer(self._loaded(name), config, collective=self.sharded), known)

    def _loaded(self, name: str) -> "nn.Module":
        from eval.likelihood.causal_model import load_model

        trainer = self.trainer
        model = load_model(name, self.config.scorer.dtype, "cpu" if self.sharded else str(trainer.accelerator.device))
        if trainer.is_deepspeed_enabled and self.sharded:
            from trl.models import prepare_deepspeed

            return prepare_deepspeed(model, trainer.accelerator)
        if trainer.is_fsdp_enabled:
            from trl.models import prepare_fsdp

            return prepare_fsdp(model, trainer.accelerator)
        return model


def sharded(trainer: ModelHolder) -> bool:
    """Whether weights are gathered inside forward passes, so that all processes must run the same number of them."""
    if trainer.is_deepspeed_enabled:
        plugin = trainer.accelerator.state.deepspeed_plugin
        return bool(plugin is not None and plugin.zero_stage == 3)
    return bool(trainer.is_fsdp_enabled)
