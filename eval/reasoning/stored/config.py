"""Which stored samples to score, and how."""

from typing import Annotated, Any, Literal

from pydantic import Field

from common.config import HOW, CommaList, Out, RunConfig
from eval.judges.upgrades import UpgradeConfig
from eval.verifiers.result import Mode


class RescoreConfig(RunConfig):
    """Which samples to score, and how."""

    samples: CommaList
    """Files or folders."""

    out: Annotated[str, HOW, Out(".jsonl")] = ""
    """File for the samples with their new verdicts; nothing is written if empty."""

    mode: Mode = "strict"
    """`strict`, or `guru` for the scores that Reasoning360 published."""

    verifier: str = ""
    """Verifier of samples that name none. If empty, such samples are left out and counted."""

    split: Literal["", "train", "eval"] = ""
    """Which rows of a training run to score: `eval` are the held-out ones; all if empty."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Settings of the verifiers by name."""

    judge: UpgradeConfig = UpgradeConfig()
    """A model that is asked about the answers that rules call wrong."""

    against: str = ""
    """Samples of another model: the judge says which answers are better, pair by pair, each pair in both orders."""

    think_open: bool | None = None
    """Whether the model's template opened `<think>`; as stored if null."""

    threads: Annotated[int, HOW] = Field(8, ge=1)
    """Verdicts at once, where they wait for a sandbox or a server."""
