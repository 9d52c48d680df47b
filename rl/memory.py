"""What one GPU must hold to train a policy, and so what fits on 24, 48 and 80 GB. Computed, not measured.

Usage:
    python -m rl.memory model=Qwen/Qwen3-4B
    python -m rl.memory model=Qwen/Qwen2.5-7B adapter.rank=32 adapter.bits=4 batch=1 length=4096
    python -m rl.memory model=FOLDER full=true

Counts, in bytes, with N weights of the model and P of the adapter:
    weights     4 N where all are trained (float32); else 2 N (bfloat16), N in 8 bits, or 0.52 N in 4 (NF4 with its
                scales quantised once more), embedding and output staying at 2 bytes; and 4 P
    training    12 for each trained weight: its gradient and AdamW's two moments; 6 with an 8-bit optimizer
    activations 2 B T d for each block (recomputed in the backward pass), and one block's own: 2 B T (8 d + 3 h)
    logits      8 B C V: float32, and their gradient
    rollouts    with vLLM beside it: 2 N again and a cache of 16 completions; else that cache alone
with B rows of T tokens in a pass, C of them the completion's, width d, feed-forward width h, vocabulary V. Add 2 GB for
CUDA itself and what fragments; a judge on the same card comes on top. Gradients of QLoRA's frozen layers are not kept.
"""

import json
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import RunConfig
from common.weights import find_model
from rl.adapters import AdapterConfig

CARDS = (24, 48, 80)
OVERHEAD_GB = 2.0
CACHED = 16
"""Completions whose keys and values are held at a time."""


class DecoderShape(NamedTuple):
    """What the sums need to know of a decoder."""

    dim: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool

    @property
    def attention(self) -> int:
        """Weights of a block's attention."""
        return self.dim * self.head_dim * 2 * (self.heads + self.kv_heads)

    @property
    def embeddings(self) -> int:
        """Weights of embedding and output."""
        return self.vocab * self.dim * (1 if self.tied else 2)

    @property
    def weights(self) -> int:
        """All of them, norms left out."""
        return self.layers * (self.attention + 3 * self.dim * self.hidden) + self.embeddings

    def adapter(self, rank: int) -> int:
        """Weights of an adapter at all seven linear layers of each block."""
        wide, narrow = self.heads * self.head_dim, self.kv_heads * self.head_dim
        sides = 2 * (self.dim + wide) + 2 * (self.dim + narrow) + 3 * (self.dim + self.hidden)
        return self.layers * rank * sides


KNOWN = {
    "Qwen/Qwen3-0.6B": DecoderShape(1024, 28, 3072, 16, 8, 128, 151_936, tied=True),
    "Qwen/Qwen3-1.7B": DecoderShape(2048, 28, 6144, 16, 8, 128, 151_936, tied=True),
    "Qwen/Qwen3-4B": DecoderShape(2560, 36, 9728, 32, 8, 128, 151_936, tied=True),
    "Qwen/Qwen2.5-3B": DecoderShape(2048, 36, 11_008, 16, 2, 128, 151_936, tied=True),
    "Qwen/Qwen2.5-7B": DecoderShape(3584, 28, 18_944, 28, 4, 128, 152_064, tied=False),
    "meta-llama/Llama-3.1-8B-Instruct": DecoderShape(4096, 32, 14_336, 32, 8, 128, 128_256, tied=False),
}
"""Shapes as their publishers' `config.json` has them, for machines without the files."""


class MemoryConfig(RunConfig):
    """A policy, how it is trained, and the size of one pass."""

    model: str = "Qwen/Qwen3-4B"
    """Folder, or one of the names above."""

    full: bool = False
    """All weights are trained; else an adapter."""

    adapter: AdapterConfig = AdapterConfig(rank=32)
    """The adapter that is trained."""

    batch: int = Field(4, ge=1)
    """Rows of a forward pass."""

    length: int = Field(4096, ge=1)
    """Tokens of a row."""

    completion: int = Field(2048, ge=1)
    """Tokens of the completion among these."""

    vllm: bool = True
    """Rollouts by vLLM in the same process."""

    optimizer_8bit: bool = False
    """`trl.optim: adamw_bnb_8bit`."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, print the parts, their sum and the cards that hold it."""
    config = parse(MemoryConfig, __doc__, argv, positional=("model",))
    with usage_errors():
        parts = gigabytes(config, shape_of(config.model))
    for name, value in parts.items():
        print(f"{name:<12}{value:8.1f} GB")  # noqa: T201 - the command's output
    total = sum(parts.values())
    fits = [str(card) for card in CARDS if total <= card]
    print(f"{'together':<12}{total:8.1f} GB; fits on: {', '.join(fits) + ' GB' if fits else 'none of 24, 48, 80 GB'}")  # noqa: T201


def shape_of(model: str) -> DecoderShape:
    """The shape of a model folder, or of a name that is known.

    Raises:
        ValueError: it is neither.
    """
    if model in KNOWN and not Path(model).is_dir():
        return KNOWN[model]
    path = Path(find_model(model)) / "config.json"
    if not path.is_file():
        raise ValueError(f"{model} is no folder here; known names are {', '.join(KNOWN)}")
    found = json.loads(path.read_text(encoding="utf-8"))
    heads = found["num_attention_heads"]
    return DecoderShape(
        found["hidden_size"],
        found["num_hidden_layers"],
        found["intermediate_size"],
        heads,
        found.get("num_key_value_heads") or heads,
        found.get("head_dim") or found["hidden_size"] // heads,
        found["vocab_size"],
        bool(found.get("tie_word_embeddings", False)),
    )


def gigabytes(config: MemoryConfig, shape: DecoderShape) -> dict[str, float]:
    """The parts in units of 10^9 bytes; see the module's docstring.

    >>> parts = gigabytes(MemoryConfig(full=True, vllm=False), KNOWN["Qwen/Qwen3-4B"])
    >>> round(parts["weights"], 1), round(parts["training"], 1)
    (16.1, 48.3)
    """
    trained = shape.weights if config.full else shape.adapter(config.adapter.rank)
    inner = shape.weights - shape.embeddings
    per_weight = {None: 2.0, 8: 1.0, 4: 0.52}[config.adapter.bits]
    base = 4.0 * shape.weights if config.full else per_weight * inner + 2.0 * shape.embeddings + 4.0 * trained
    tokens = config.batch * config.length
    cache = CACHED * config.length * shape.layers * 4 * shape.kv_heads * shape.head_dim
    parts = {
        "weights": base,
        "training": (6.0 if config.optimizer_8bit else 12.0) * trained,
        "activations": 2.0 * tokens * (shape.dim * shape.layers + 8 * shape.dim + 3 * shape.hidden),
        "logits": 8.0 * config.batch * config.completion * shape.vocab,
        "rollouts": cache + (2.0 * shape.weights if config.vllm else 0.0),
    }
    return {name: value / 1e9 for name, value in parts.items()} | {"overhead": OVERHEAD_GB}


if __name__ == "__main__":
    main()
