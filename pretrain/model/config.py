"""The shape of a model: open_lm's decoder, its parameter counts, and the presets and files that describe one."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from common.config import RunConfig, load, read_yaml
from common.scales import VOCABULARY, hidden_width
from common.shipped import configs_folder

CONFIGS = configs_folder() / "pretrain"


class ModelConfig(RunConfig):
    """An open_lm decoder: pre-norm blocks, full-width q/k norm, RoPE, SwiGLU, untied output, no biases."""

    dim: int = Field(gt=0)
    """Width of the residual stream."""

    layers: int = Field(gt=0)
    """Number of blocks."""

    heads: int = Field(gt=0)
    """Attention heads; there is no grouping of keys and values."""

    vocab_size: int | None = Field(VOCABULARY, gt=0)
    """Rows of the embedding and of the output; null: as many as the tokenised set's tokenizer has."""

    seq_len: int | None = Field(2048, gt=0)
    """Trained length in tokens; null: the tokenised set's."""

    ffn_hidden: int | None = Field(None, gt=0)
    """Width inside the feed-forward part; null: 256 * ceil(int(8 * dim / 3) / 256)."""

    norm: Literal["layer_norm", "rms_norm"] = "layer_norm"
    """`layer_norm` subtracts the mean and has a gain only (open_lm's `gain_only_lp_layer_norm`)."""

    norm_eps: float = Field(1e-5, gt=0)
    """Added to the variance before the root."""

    qk_norm: bool = True
    """Norm over the full width of queries and of keys, before the head split and RoPE."""

    tied: bool = False
    """The output uses the embedding's matrix."""

    rope_theta: float = Field(10000.0, gt=0)
    """Base of the rotary frequencies."""

    rope_freqs: Literal["exact", "bf16"] = "exact"
    """`bf16` rounds the rotary frequencies to bfloat16, as open_lm's bf16 runs did without meaning to."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.dim % (2 * self.heads):
            raise ValueError(f"dim {self.dim} is no multiple of 2 * heads = {2 * self.heads}, which RoPE needs")
        return self

    @property
    def hidden(self) -> int:
        """Width inside the feed-forward part."""
        return self.ffn_hidden or hidden_width(self.dim)

    def known_vocab(self) -> int:
        """The vocabulary, which by now must be known."""
        if self.vocab_size is None:
            raise ValueError("this model takes its vocabulary from a tokenised set; give vocab_size=N")
        return self.vocab_size


def load_model_config(name: str) -> ModelConfig:
    """A preset from configs/pretrain/models, or a YAML/JSON file, with our keys or open_lm's.

    Raises:
        ValueError: no such preset or file, or it asks for a variant that is not built here.
    """
    file = Path(name) if name.endswith((".yaml", ".yml", ".json")) else CONFIGS / "models" / f"{name}.yaml"
    if not file.is_file():
        raise ValueError(f"no model {name!r}; there are {', '.join(model_names())}, a YAML file, or hf:PATH")
    values = read_yaml(file.read_text(encoding="utf-8"))
    if isinstance(values, dict) and "hidden_dim" in values:
        return from_open_lm_json(values)
    return load(ModelConfig, [file])


def from_open_lm_json(values: dict[str, Any]) -> ModelConfig:
    """Our form of an open_lm model JSON (`hidden_dim`, `n_layers`, `n_heads`, `seq_len`, `vocab_size`, …).

    Raises:
        ValueError: the JSON asks for a variant that is not built here.
    """
    norms = {"gain_only_lp_layer_norm": "layer_norm", "gain_only_layer_norm": "layer_norm", "rms_norm": "rms_norm"}
    norm = values.get("model_norm", "gain_only_lp_layer_norm")
    ffn = values.get("ffn_type", "swiglu_torch")
    embedding = values.get("positional_embedding_type", "rotary")
    wrong = [
        f"{key}={value}"
        for key, value, known in (
            ("model_norm", norm, norms),
            ("ffn_type", ffn, ("swiglu", "swiglu_torch")),
            ("positional_embedding_type", embedding, ("rotary",)),
            ("post_embed_norm", values.get("post_embed_norm", False), (False,)),
            ("moe_freq", values.get("moe_freq", 0), (0,)),
        )
        if value not in known
    ]
    if wrong:
        raise ValueError(f"this open_lm model needs {', '.join(wrong)}, which is not built here")
    return ModelConfig(
        dim=values["hidden_dim"],
        layers=values["n_layers"],
        heads=values["n_heads"],
        vocab_size=values.get("vocab_size", VOCABULARY),
        seq_len=values.get("seq_len", 2048),
        norm=norms[norm],  # type: ignore[arg-type]
        qk_norm=values.get("qk_norm", False),
        tied=values.get("weight_tying", False),
    )


def to_open_lm_json(model: ModelConfig) -> dict[str, Any]:
    """The open_lm model JSON of a model of ours."""
    return {
        "hidden_dim": model.dim,
        "n_layers": model.layers,
        "n_heads": model.heads,
        "seq_len": model.seq_len,
        "vocab_size": model.vocab_size,
        "post_embed_norm": False,
        "weight_tying": model.tied,
        "model_norm": "gain_only_lp_layer_norm" if model.norm == "layer_norm" else "rms_norm",
        "norm_type": "gain_only_lp_layer_norm" if model.norm == "layer_norm" else "rms_norm",
        "qk_norm": model.qk_norm,
        "ffn_type": "swiglu_torch",
        "positional_embedding_type": "rotary",
    }


def model_names() -> list[str]:
    """Names of the presets in configs/pretrain/models."""
    return sorted(file.stem for file in (CONFIGS / "models").glob("*.yaml"))
