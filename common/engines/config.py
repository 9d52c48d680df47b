"""The configs of the three back-ends and their union."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from common.config import HOW, RunConfig


class Capabilities(RunConfig):
    """What a stage may ask of any back-end's config."""

    @property
    def devices_per_engine(self) -> int:
        """GPUs that one engine takes."""
        return 1

    @property
    def batches_shape_output(self) -> bool:
        """Whether the output depends on which requests share a batch, so that a part of a shard starts a new one."""
        return False

    def tokenizer_folder(self, model: str) -> str | None:
        """Where the tokenizer of a model lies, if it is known."""
        return model


class TransformersEngineConfig(Capabilities):
    """Generation with transformers in this process: any machine, any model, batches of similar length."""

    kind: Literal["transformers"] = "transformers"

    batch_size: int = Field(32, ge=1)
    """Sequences decoded together. Hashed: a batch's shape moves the last bits of its sums."""

    window: int = Field(256, ge=1)
    """Requests waiting; a batch takes those of similar length among them."""

    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, or `auto`: the first GPU if there is one."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: float32 on CPU, what the model's files hold elsewhere."""

    threads: Annotated[int, HOW] = Field(1, ge=0)
    """CPU threads; 0 leaves torch's own choice. A small model is fastest on one, with one worker per core."""

    chat_template_kwargs: dict[str, Any] = {}
    """Handed to the chat template, such as `{enable_thinking: false}` for Qwen3."""

    @property
    def batches_shape_output(self) -> bool:
        """A batch's shape moves the last bits of its sums."""
        return True


class VLLMEngineConfig(Capabilities):
    """Generation with vLLM in this process; the options keep vLLM's names."""

    kind: Literal["vllm"] = "vllm"

    in_flight: Annotated[int, HOW] = Field(2048, ge=1)
    """Requests handed to the engine at a time; at least `max_num_seqs`, or the GPU waits."""

    max_model_len: int | None = Field(None, ge=1)
    """Prompt and completion together, in tokens; the model's own limit if null."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the weights and activations."""

    tensor_parallel_size: int = Field(1, ge=1)
    """GPUs per engine. Up to 8B parameters, one engine per GPU is faster."""

    gpu_memory_utilization: Annotated[float, HOW] = Field(0.9, gt=0, le=1)
    """Share of the GPU's memory for weights and cache."""

    max_num_seqs: Annotated[int | None, HOW] = Field(None, ge=1)
    """Sequences decoded together; vLLM's default if null."""

    max_num_batched_tokens: Annotated[int | None, HOW] = Field(None, ge=1)
    """Tokens in one forward pass; vLLM's default if null."""

    enforce_eager: Annotated[bool, HOW] = False
    """No graph capture: starts sooner, runs slower."""

    options: dict[str, Any] = {}
    """More of vLLM's engine arguments by name, such as `speculative_config`."""

    chat_template_kwargs: dict[str, Any] = {}
    """Handed to the chat template, such as `{enable_thinking: false}` for Qwen3."""

    @property
    def devices_per_engine(self) -> int:
        """As many as share each layer's weights."""
        return self.tensor_parallel_size


class ServerEngineConfig(Capabilities):
    """Generation by a running OpenAI-compatible server (vLLM, SGLang, llama.cpp, a hosted service)."""

    kind: Literal["server"] = "server"

    url: Annotated[str, HOW] = "http://127.0.0.1:8000/v1"
    """Base URL, with `/v1`."""

    api_key_env: Annotated[str | None, HOW] = None
    """Environment variable that holds the key, if the server wants one."""

    tokenizer: str | None = None
    """Folder of the model's tokenizer, to measure prompts before they are sent; without it only characters count."""

    max_model_len: int | None = Field(None, ge=1)
    """Prompt and completion together, in tokens; asked of the server if null, where it says so (vLLM does)."""

    in_flight: Annotated[int, HOW] = Field(256, ge=1)
    """Requests at a time; 256 to 512 is the least that keeps a GPU server busy."""

    timeout_s: Annotated[float, HOW] = Field(600, gt=0)
    """Longest wait for one answer, in seconds."""

    retries: Annotated[int, HOW] = Field(5, ge=0)
    """Further attempts when the connection fails or the server says that it is busy or broken."""

    backoff_s: Annotated[float, HOW] = Field(1.0, ge=0)
    """Wait before the first retry; it doubles with each, up to a minute, and is shortened at random by up to half."""

    start_timeout_s: Annotated[float, HOW] = Field(30, ge=0)
    """How long the server may take to answer at the start, in seconds."""

    extra_body: dict[str, Any] = {}
    """More fields of the request body, such as `{chat_template_kwargs: {enable_thinking: false}}`."""

    def tokenizer_folder(self, model: str) -> str | None:
        """The one that the config names: a server's model name is no folder."""
        return self.tokenizer


def _by_name(value: Any) -> Any:
    """`engine=server` names a kind; a `url` can only mean a server."""
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, dict) and "kind" not in value and "url" in value:
        return {"kind": "server", **value}
    return value


EngineConfig = Annotated[
    Annotated[TransformersEngineConfig | VLLMEngineConfig | ServerEngineConfig, Field(discriminator="kind")],
    BeforeValidator(_by_name),
]
