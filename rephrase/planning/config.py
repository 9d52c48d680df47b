"""What `rephrase.plan` is told: a rephrase config, and what the estimate assumes."""

from typing import Annotated

from pydantic import Field

from common.config import HOW
from rephrase.config import RephraseConfig


class PlanConfig(RephraseConfig):
    """A rephrase config, and what the estimate assumes."""

    output: Annotated[str, HOW] = ""
    """Not used: a plan writes nothing."""

    gpus: Annotated[int, HOW] = Field(1, ge=1)
    """Devices that share the work."""

    run: Annotated[str | None, HOW] = None
    """A recorded run to take the rate from: its run folder, or the recycled pool that holds it."""

    benchmark: Annotated[bool, HOW] = False
    """Measure the rate here, with the config's engine and model."""

    benchmark_docs: Annotated[int, HOW] = Field(200, ge=1)
    """Documents to measure with."""

    tokens_per_s: Annotated[float | None, HOW] = Field(None, gt=0)
    """Organic tokens per second and device, where you know them; null: by `run` or `benchmark`, else as published."""

    length_ratio: Annotated[float, HOW] = Field(1.0, gt=0)
    """Completion tokens per token that is sent, where neither `run` nor `benchmark` tells."""

    start_s: Annotated[float, HOW] = Field(120, ge=0)
    """Seconds from a worker's start to its first request: the engine loads its model."""

    usd_per_hour: Annotated[float | None, HOW] = Field(None, gt=0)
    """Price of one device for an hour."""

    sample_shards: Annotated[int, HOW] = Field(8, ge=1)
    """Shards to look into, drawn by `seed`."""

    sample_mb: Annotated[float, HOW] = Field(64, ge=0)
    """Megabytes to read of them in all, as the files hold them; 0: these shards to their ends."""

    sample_docs: Annotated[int, HOW] = Field(2000, ge=1)
    """Documents among them to cut into chunks and count tokens of."""
