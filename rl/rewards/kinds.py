"""All kinds of rewards there are: the union that a run's config lists, and how each is opened."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Field

from rl.rewards import completion, general, kept, process, reference, rephrase, verifiable
from rl.rewards.base import Reward, RewardConfig

AnyRewardConfig = Annotated[
    rephrase.QualityConfig
    | rephrase.SemanticConfig
    | rephrase.StructureConfig
    | rephrase.LengthConfig
    | rephrase.FormatConfig
    | kept.KeptConfig
    | kept.NoLeakConfig
    | general.TagsConfig
    | general.RepetitionConfig
    | general.OverlongConfig
    | general.LanguageConfig
    | verifiable.VerifiableConfig
    | verifiable.ExactAnswerConfig
    | reference.ReferenceProbabilityConfig
    | completion.CompletionGainConfig
    | process.ProcessConfig,
    Field(discriminator="kind"),
]

FAMILIES = (rephrase, kept, general, verifiable, reference, completion, process)

_KINDS: dict[str, Callable[[Any], Reward]] = {reward.kind: reward for family in FAMILIES for reward in family.REWARDS}


def reward_name(config: RewardConfig) -> str:
    """The name a reward has in metrics: its own, or its kind."""
    return config.name or config.kind  # type: ignore[attr-defined]


def open_rewards(configs: Sequence[RewardConfig]) -> list[Reward]:
    """Build the rewards; models they judge with are loaded here.

    Raises:
        ValueError: a model or server that a reward needs is not there.
    """
    rewards = [_KINDS[config.kind](config) for config in configs]  # type: ignore[attr-defined]
    for reward, config in zip(rewards, configs, strict=True):
        reward.data_sources = config.data_sources
        reward.asks_servers = bool(config.needs_servers())
    return rewards
