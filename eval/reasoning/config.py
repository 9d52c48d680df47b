"""How tasks of generated answers are run: engine, what differs from the published settings, judging, shares."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from common.config import HOW, CommaList, RunConfig
from common.engines.config import EngineConfig, TransformersEngineConfig
from common.runs.launch import Cluster
from eval.judges.upgrades import UpgradeConfig
from eval.reasoning.task import DecodingConfig, TaskConfig


class ReasoningConfig(RunConfig):
    """Generation and judging of reasoning tasks; what is null is as the task's file has it, which is as published."""

    engine: EngineConfig = TransformersEngineConfig()
    """What writes the answers: `transformers`, `vllm`, or `server` with a `url`."""

    samples: int | None = Field(None, ge=1)
    """Samples of each example; more may be added later, and only those are drawn then."""

    temperature: float | None = Field(None, ge=0)
    """Sampling."""

    top_p: float | None = Field(None, gt=0, le=1)
    """Sampling."""

    top_k: int | None = Field(None, ge=0)
    """Sampling; 0: all tokens."""

    max_tokens: int | None = Field(None, ge=1)
    """Longest answer in tokens."""

    template: Literal["chat", "plain"] = "chat"
    """`chat`: the model's chat template; `plain`: the turns' texts, a blank line between, as a base model is asked."""

    think_open: bool | None = None
    """Whether the model's template opens `<think>`: an answer without `</think>` was then cut off."""

    k: list[int] = []
    """The k of avg@k, pass@k, pass^k and maj@k; 1, 2, 4 … up to the samples if empty. One above them is an error."""

    modes: CommaList = ["strict"]
    """`strict`, `guru` (the published scores), or both; the first is the score of the table."""

    options: dict[str, Any] = {}
    """Settings of the verifiers by name, such as `sandbox` and `judge`; they stand over the task's own."""

    judge: UpgradeConfig = UpgradeConfig()
    """A model that is asked about answers which the rules call wrong; for tasks that name its wording."""

    task_data: Annotated[dict[str, str], HOW] = {}
    """Task to the file of its examples, where it is not found by its name."""

    missing: Literal["error", "skip"] = "error"
    """What becomes of tasks whose examples are neither here nor can be fetched; the suite's average is then partial."""

    deadline_s: Annotated[float, HOW] = Field(3600, gt=0)
    """Longest time for one sample; a stuck one is then given up, named and counted, and asked again by the next run."""

    share: Annotated[str, HOW] = ""
    """`3/8`: only the third of eight shares of the examples, for an array of jobs; the last to end writes the table."""

    workers: Annotated[int, HOW] = Field(1, ge=1)
    """Engines at once, each in a process of its own and, of GPUs, on its own; with `cluster=ray` on any node."""

    cluster: Annotated[Cluster, HOW] = "local"
    """`ray` sends the shares to the Ray cluster that RAY_ADDRESS names; the run folder must be on a shared disk."""

    threads: Annotated[int, HOW] = Field(8, ge=1)
    """Verdicts at once in each process."""

    show: Annotated[int, HOW] = Field(0, ge=0)
    """Print so many prompts of each task, with their ground truths, and stop; no model is needed."""

    @field_validator("modes")
    @classmethod
    def _known(cls, modes: list[str]) -> list[str]:
        if not modes or set(modes) - {"strict", "guru"}:
            raise ValueError("modes are strict and guru")
        return modes

    @field_validator("share")
    @classmethod
    def _one_of(cls, share: str) -> str:
        if share:
            share_of(share)
        return share

    def decoding(self, task: TaskConfig) -> DecodingConfig:
        """The task's sampling with this run's changes."""
        given = {name: getattr(self, name) for name in DecodingConfig.model_fields}
        changes = {name: value for name, value in given.items() if value is not None}
        return task.decoding.model_copy(update=changes)

    def count(self, task: TaskConfig) -> int:
        """Samples of each of a task's examples."""
        return self.samples or task.samples

    def ks(self, samples: int) -> list[int]:
        """The k that are reported.

        Raises:
            ValueError: one is above the samples.
        """
        above = [k for k in self.k if not 1 <= k <= samples]
        if above:
            raise ValueError(f"k={above[0]} needs as many samples, and {samples} are drawn: set samples={above[0]}")
        return self.k or [2**power for power in range(samples.bit_length()) if 2**power <= samples]


def share_of(text: str) -> tuple[int, int]:
    """Number, from 0, and count of a share.

    >>> share_of("3/8")
    (2, 8)

    Raises:
        ValueError: it is no share.
    """
    first, slash, count = text.partition("/")
    if not (slash and first.isdigit() and count.isdigit() and 1 <= int(first) <= int(count)):
        raise ValueError(f"share={text}: write 3/8 for the third of eight")
    return int(first) - 1, int(count)
