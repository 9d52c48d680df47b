"""Tokenizer, precision and context length of a model folder, and the tokenizer's identity."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from common.weights import context_length as of_config
from common.weights import fetch_model
from eval.likelihood.config import ScorerConfig

if TYPE_CHECKING:
    from torch import nn


Precision = Literal["fp32", "tf32", "bf16"]


class Tokenizer(Protocol):
    """What is used of a transformers tokenizer."""

    eos_token_id: int | None

    def __call__(self, text: list[str], *, add_special_tokens: bool = True, verbose: bool = True) -> Any:
        """Encode texts; the ids lie under `input_ids`."""


def context_length(model: "str | Path | nn.Module") -> int | None:
    """Tokens that a model folder or module says it can read, or None."""
    config = getattr(model, "config", None)
    if isinstance(model, str | Path):
        path = Path(model) / "config.json"
        config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return of_config(config)


def tokenizer_hash(tokenizer: Any) -> str:
    """SHA-256 of what the tokenizer is made of: its fast form, or its vocabulary where it has none."""
    if getattr(tokenizer, "is_fast", False):
        content = tokenizer.backend_tokenizer.to_str()
    else:
        content = json.dumps(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(content.encode()).hexdigest()


def open_model(
    model: str, precision: Precision, device: str, max_tokens_per_batch: int, seq_len: int, tokenizer: str | None = None
) -> tuple[Tokenizer, ScorerConfig, int]:
    """What `evaluate` needs beside the folder: tokenizer, scorer config, and the usable context length.

    Raises:
        ValueError: there is no such folder or hub's model, or it holds no model or no tokenizer.
    """
    model = fetch_model(model)
    folder = Path(model)
    if not (folder / "config.json").is_file():
        raise ValueError(f"no model at {model}: a Hugging Face folder with config.json is wanted")
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(tokenizer or model)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"no tokenizer in {tokenizer or model}: {str(error).splitlines()[0]}") from None
    limit = context_length(model) or seq_len
    if precision == "tf32":
        import torch

        torch.set_float32_matmul_precision("high")
    dtype = "bfloat16" if precision == "bf16" else "float32"
    scorer = ScorerConfig(dtype=dtype, device=device, max_tokens_per_batch=max_tokens_per_batch)
    return loaded, scorer, min(seq_len, limit)


SEQ_LEN = 2048
"""Tokens a context and its answer may have together; DCLM scores every model at this length."""
