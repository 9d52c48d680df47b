"""How likelihoods are computed: ScorerConfig and the server's part of it."""

from typing import Annotated, Literal

from pydantic import Field

from common.config import HOW, RunConfig


class ServerConfig(RunConfig):
    """How to ask an OpenAI-compatible server for the log-probabilities of a prompt; for frozen models only."""

    model: str = ""
    """Model name the server knows; the first one it lists if empty."""

    style: Literal["prompt_logprobs", "echo"] = "prompt_logprobs"
    """`prompt_logprobs` is vLLM's own field, which names token ids; `echo` with logprobs=1 is OpenAI's."""

    concurrency: Annotated[int, HOW] = Field(8, ge=1)
    """Requests in flight."""

    retries: Annotated[int, HOW] = Field(4, ge=0)
    """Further tries after a failed request, waiting 0.5 s, 1 s, 2 s …"""

    timeout_s: Annotated[float, HOW] = Field(120.0, gt=0)
    """Longest wait for one answer."""


class ScorerConfig(RunConfig):
    """How likelihoods are computed; the numbers agree to 1e-5 per token in float32 whatever the mode."""

    mode: Annotated[Literal["auto", "packed", "cached", "duplicate"], HOW] = "auto"
    """How likelihoods are computed. `auto`: rows up to `max_packed_tokens` are packed, longer ones use a cache; where a
    model allows neither, every text is a sequence of its own."""

    mask: Annotated[Literal["auto", "dense", "blocks"], HOW] = "auto"
    """How packed rows are masked: `dense`, or `blocks` of flex attention, which skips what nobody sees and needs no
    padding. `auto`: blocks on a GPU where the model allows them."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of a model from a folder; `auto`: as it was saved. Sums are always float32. For a live module it
    says what the module computes in, where its weights have another format."""

    device: Annotated[str, HOW] = "auto"
    """Where a model from a folder runs; `auto`: on the GPU if there is one."""

    max_tokens_per_batch: Annotated[int | None, HOW] = Field(None, ge=1)
    """Padded tokens of one forward pass; a longer row goes alone. null: 16384, on a CPU 2048 (more is slower)."""

    max_packed_tokens: Annotated[int | None, HOW] = Field(None, ge=1)
    """Longest packed row, cached beyond. null: 8192 (its mask: 64 MB), on a CPU 1024 (masks are slow there)."""

    max_scored_rows: Annotated[int, HOW] = Field(4096, ge=1)
    """Rows of one forward pass that meet the output layer: 2.5 GB in float32 at a vocabulary of 152k."""

    max_length: int | None = Field(None, ge=2)
    """Context limit in tokens; the model's own if null. A longer branch is not scored (`too_long`)."""

    temperature: float = Field(1.0, gt=0)
    """Divides the logits; 1 is the model's own distribution."""

    server: ServerConfig = ServerConfig()
    """Used when the model is a URL."""
