"""What rewards are made of in a config: the part of a run that `rl.score` and `rl.baselines` read too."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from common.config import HOW, RunConfig
from eval.likelihood.config import ScorerConfig
from rephrase.text.prompts import PromptName, SystemName
from rl.rewards.kinds import AnyRewardConfig, reward_name


class PromptConfig(RunConfig):
    """What the policy is asked."""

    name: PromptName = "repro"
    """The request's wording."""

    system: SystemName = "assistant"
    """The request's system line."""

    no_think: bool = False
    """Qwen3's ` /no_think` at the end of the system line."""

    prompt_file: str = ""
    """File with `{text}` where the document goes; used in place of the named prompt."""


class RewardsConfig(RunConfig):
    """The rewards of a run, and what they score with."""

    model: str
    """Policy: a Hugging Face folder, or a hub's `owner/name[@REVISION]`."""

    out: Annotated[str, HOW] = ""
    """The run's folder; `{out}` in any other value stands for it."""

    prompt: PromptConfig = PromptConfig()
    """What the policy is asked about each row's text; rows of conversations bring their prompts."""

    rewards: list[AnyRewardConfig] = Field(min_length=1)
    """What a completion earns."""

    reward_weights: list[float]
    """One weight per reward; 0 logs a reward without training on its value (`process` pays by token, so 0)."""

    scorer: ScorerConfig = ScorerConfig()
    """How rewards that score with a model get their likelihoods."""

    baselines: Annotated[str, HOW] = ""
    """Parquet file of likelihoods without reasoning (`rl.baselines`); `{out}/baselines.parquet` if empty."""

    @model_validator(mode="before")
    @classmethod
    def _name_the_folder(cls, values: Any) -> Any:
        out = values.get("out") if isinstance(values, dict) else None
        return replace_text(values, "{out}", out) if isinstance(out, str) else values

    @model_validator(mode="after")
    def _check_rewards(self) -> "RewardsConfig":
        rewards, weights = len(self.rewards), len(self.reward_weights)
        if weights != rewards:
            raise ValueError(f"{weights} reward_weights for {rewards} rewards; give one each")
        names = [reward_name(reward) for reward in self.rewards]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two rewards are called {twice!r}; give one a name")
        return self

    @property
    def baselines_file(self) -> str:
        """Where likelihoods without reasoning are kept."""
        return self.baselines or f"{self.out}/baselines.parquet"


def replace_text(value: Any, mark: str, text: str) -> Any:
    """A value with every string inside it, at any depth, rewritten."""
    if isinstance(value, str):
        return value.replace(mark, text)
    if isinstance(value, dict):
        return {key: replace_text(item, mark, text) for key, item in value.items()}
    if isinstance(value, list):
        return [replace_text(item, mark, text) for item in value]
    return value
