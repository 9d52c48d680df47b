"""The configs of the three back-ends and their union."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from common.config import ADDED, HOW, RunConfig


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

    @property
    def wants_probe(self) -> bool:
        """Whether something that shapes the output is still to be chosen by measuring (`common.engines.drafts`)."""
        return False

    def tokenizer_folder(self, model: str) -> str | None:
        """Where the tokenizer of a model lies, if it is known."""
        return model


class TransformersEngineConfig(Capabilities):
    """Generation with transformers in this process: any machine, any model; slots are filled again as texts end."""

    kind: Literal["transformers"] = "transformers"

    batch_size: int = Field(32, ge=1)
    """Sequences decoded together. Hashed: a batch's shape moves the last bits of its sums."""

    window: int = Field(256, ge=1)
    """Requests taken in; those of similar length among them are decoded together."""

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

    speculation: Annotated[Literal["off", "ngram", "suffix", "auto"], ADDED] = "off"
    """Drafts that the model checks several tokens at a time: from the request's own text (`ngram`), from all texts so
    far (`suffix`, needs arctic-inference). `auto` measures once per output pool and takes them only where they pay."""

    draft_tokens: Annotated[int, ADDED] = Field(5, ge=1)
    """Tokens of a draft, at most."""

    draft_schedule: Annotated[list[tuple[int, int, int]], ADDED] = []
    """Tokens of a draft by batch size: [first size, last size, tokens] each; where vLLM can; empty: always as many."""

    options: dict[str, Any] = {}
    """More of vLLM's engine arguments by name."""

    chat_template_kwargs: dict[str, Any] = {}
    """Handed to the chat template, such as `{enable_thinking: false}` for Qwen3."""

    @model_validator(mode="after")
    def _say_it_once(self) -> "VLLMEngineConfig":
        if self.speculation != "off" and "speculative_config" in self.options:
            raise ValueError("give engine.speculation or engine.options.speculative_config, not both")
        return self

    @property
    def devices_per_engine(self) -> int:
        """As many as share each layer's weights."""
        return self.tensor_parallel_size

    @property
    def wants_probe(self) -> bool:
        """Whether the drafts are still to be chosen."""
        return self.speculation == "auto"


def _joined(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


class ServerEngineConfig(Capabilities):
    """Generation by a running OpenAI-compatible server (vLLM, SGLang, llama.cpp, a hosted service)."""

    kind: Literal["server"] = "server"

    url: Annotated[str, HOW, BeforeValidator(_joined)] = "http://127.0.0.1:8000/v1"
    """Base URL, with `/v1`; a list, or several with commas between, are servers of the same model."""

    api_key_env: Annotated[str | None, HOW] = None
    """Environment variable that holds the key, if the server wants one."""

    tokenizer: str | None = None
    """Folder of the model's tokenizer, to measure prompts before they are sent; without it only characters count."""

    max_model_len: int | None = Field(None, ge=1)
    """Prompt and completion together, in tokens; asked of the server if null, where it says so (vLLM does)."""

    in_flight: Annotated[int, HOW] = Field(256, ge=1)
    """Requests at a time, to all servers together; 256 to 512 for each is the least that keeps a GPU server busy."""

    timeout_s: Annotated[float, HOW] = Field(600, gt=0)
    """Longest wait for one answer, in seconds."""

    retries: Annotated[int, HOW] = Field(5, ge=0)
    """Further attempts when the connection fails or the server says that it is busy or broken."""

    backoff_s: Annotated[float, HOW] = Field(1.0, ge=0)
    """Wait before the first retry; it doubles with each, up to a minute, and is shortened at random by up to half."""

    start_timeout_s: Annotated[float, HOW] = Field(30, ge=0)
    """How long the server may take to answer at the start, in seconds."""

    look_s: Annotated[float, HOW] = Field(10, gt=0)
    """With several servers: seconds between two looks at a silent one. A server that misses two looks in a row is left
    alone."""

    second_after: Annotated[float, HOW] = Field(4, ge=0)
    """With several servers: a request that takes so many times as long as usual is sent to a second one too; 0:
    never."""

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
