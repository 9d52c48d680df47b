"""GpuCheckConfig: which parts are measured, how large, and what counts as equal."""

from typing import Annotated, Literal

from pydantic import Field

from common.config import ADDED, HOW, CommaList, Out, RunConfig

PARTS = ("pretraining", "scoring", "rollouts", "infer", "step")
"""In the order in which they run: the first three need torch, transformers and accelerate only."""


class GpuCheckConfig(RunConfig):
    """What to measure."""

    part: Annotated[CommaList, HOW] = []
    """Some of pretraining, scoring, rollouts, infer and step; all if empty."""

    out: Annotated[str, HOW, Out(folder=True)] = "runs/gpu_check"
    """Folder for gpu_check.json, the table and made-up data; parts whose figures it holds are not measured again."""

    minutes: Annotated[float, HOW] = Field(9.0, gt=0)
    """No part begins after so many minutes; the same command then goes on with those that are left."""

    device: Annotated[Literal["cuda", "cpu"], ADDED] = "cuda"
    """`cpu` measures tiny models; it shows that the check runs, and nothing about a GPU."""

    scales: CommaList = ["411m_1x", "1b_1x"]
    """Scales whose models pretrain."""

    steps: int = Field(50, gt=1)
    """Steps of pretraining; the first does not count."""

    global_bs: int = Field(64, gt=0)
    """Contexts per step of pretraining, over all devices."""

    curve_steps: int = Field(50, ge=0)
    """Steps of the bf16 and fp32 loss curves, of 8 contexts each; 0 leaves them out."""

    curve_tolerance: float = Field(0.05, gt=0)
    """Largest relative difference between the two curves, as means of 10 steps."""

    logp_tolerance: Annotated[float, ADDED] = Field(0.05, gt=0)
    """Largest mean difference of log-probabilities in bf16 from those in fp32, in nats per token."""

    same_tolerance: Annotated[float, ADDED] = Field(2e-3, gt=0)
    """Largest difference between packed and per-sequence log-probabilities in fp32, in nats."""

    data_config: str = ""
    """A tokenised set to pretrain on; empty: a made-up one."""

    model: Annotated[str, ADDED] = ""
    """Model folder for scoring, rollouts and infer; empty: random weights in the shape of a 0.6B Qwen3."""

    rollouts: Annotated[int, ADDED] = Field(64, ge=1)
    """Completions of a batch, eight of each prompt."""

    tokens: Annotated[int, ADDED] = Field(256, ge=1)
    """Tokens of each completion."""
