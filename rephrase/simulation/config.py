"""What a simulation is told: how many workers, how often they are taken away, how large the pool is."""

from typing import Annotated

from pydantic import Field

from common.config import HOW, RunConfig
from rephrase.planning.config import PlanConfig


class StoreConfig(RunConfig):
    """How a simulated store behaves; the defaults are those of an object store in the same region."""

    latency_s: float = Field(0.05, ge=0)
    """Mean time of a request, in seconds; single ones vary as an exponential does."""

    late_s: float = Field(0.0, ge=0)
    """How long a new name may be missing from listings."""

    requests_per_s: float = Field(0.0, ge=0)
    """Most requests that the store serves in a second, of all workers together; those beyond wait. 0: any number."""

    mb_per_s: float = Field(500.0, gt=0)
    """Megabytes a second that one worker reads or writes."""


class SimulateConfig(PlanConfig):
    """A plan, and what may happen while it is carried out. A worker is one engine."""

    input: str = ""
    """The pool, whose documents are sampled; empty: documents of `doc_tokens`."""

    model: str = ""
    """As for the run; needed where a pool is sampled."""

    workers: Annotated[int, HOW] = Field(100, ge=1)
    """Engines that work at once."""

    shards: Annotated[int, HOW] = Field(0, ge=0)
    """Shards in the pool; 0: as many as `input` holds, or 600."""

    shard_tokens: Annotated[float, HOW] = Field(0, ge=0)
    """Tokens in each; 0: as `input` holds, or 120 million, as DCLM-RefinedWeb's."""

    doc_tokens: Annotated[float, HOW] = Field(1200, gt=0)
    """Mean tokens of a document where no pool is sampled; their logarithms spread by 1."""

    in_flight: Annotated[int, HOW] = Field(512, ge=1)
    """Requests that an engine works on at a time."""

    preempt_every_s: Annotated[float, HOW] = Field(7200, ge=0)
    """Mean time until a worker's machine is taken away, in seconds; 0: never."""

    notice_s: Annotated[float, HOW] = Field(0, ge=0)
    """Seconds between a worker's SIGTERM and its end; 0: there is no SIGTERM."""

    restart_s: Annotated[float, HOW] = Field(120, ge=0)
    """Seconds from the end of a worker to the first request of the one that replaces it."""

    read_s: Annotated[float, HOW] = Field(3, ge=0)
    """Seconds to read a shard through, to get to the parts that were claimed."""

    bytes_per_token: Annotated[float, HOW] = Field(4.4, gt=0)
    """Bytes of a committed part for each of its tokens."""

    lease_s: Annotated[float, HOW] = Field(90, gt=0)
    """After so long without a sign of life a worker's claims are free."""

    most_parts: Annotated[int, HOW] = Field(8, ge=1)
    """Parts in one claim."""

    slow_share: Annotated[float, HOW] = Field(0.0, ge=0, le=1)
    """Share of the workers that are stragglers."""

    slow_speed: Annotated[float, HOW] = Field(0.5, gt=0, le=1)
    """A straggler's speed, beside that of the others."""

    stall_every_s: Annotated[float, HOW] = Field(0, ge=0)
    """Mean time until a worker stands still, with all that it holds; 0: never."""

    stall_s: Annotated[float, HOW] = Field(200, ge=0)
    """How long it then stands still."""

    store: Annotated[StoreConfig, HOW] = StoreConfig()
    """The store that holds the pool."""

    every_beat: Annotated[bool, HOW] = False
    """Let every sign of life happen by itself; else those that nobody looks at are only counted, which is faster."""
