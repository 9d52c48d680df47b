"""The models that the check measures: random weights in a published shape, or a folder of the user's."""

from pathlib import Path
from typing import Any

from common.weights import find_model
from rl.gpu_check.config import GpuCheckConfig

SHAPES: dict[str, dict[str, int]] = {
    "cuda": {
        "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 8192,
    },
    "cpu": {
        "vocab_size": 8192, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 8192,
    },
}  # fmt: skip
"""By device: Qwen3-0.6B's, and a tiny one."""

TOKENIZER = "rephrase/tiny"


def model_folder(config: GpuCheckConfig, folder: Path) -> str:
    """The model's folder, made where none is named; in bf16, with the tokenizer of the tiny rephraser."""
    if config.model:
        return config.model
    place = folder / f"model_{config.device}"
    if not (place / "config.json").is_file():
        import torch
        from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

        tokenizer = AutoTokenizer.from_pretrained(find_model(TOKENIZER))
        torch.manual_seed(0)
        ends: dict[str, Any] = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
        tokenizer.save_pretrained(place)
        shape = Qwen3Config(**SHAPES[config.device], tie_word_embeddings=True, **ends)
        Qwen3ForCausalLM(shape).to(torch.bfloat16).save_pretrained(place)
    return str(place)
