"""Our decoder's weights as those of a stock Hugging Face class, and back.

No stock class has a LayerNorm with mean subtraction and gain only. `LayerNorm(x) = RMSNorm(C x)` with
`C = I - 1 1^T / d`, the same gain and epsilon, so C moves into the weights that write the residual stream, and into q
and k before their norms. The target is `OlmoeForCausalLM` (full-width q/k RMSNorm) with one expert, whose router weight
is softmax over one logit, exactly 1; models without q/k norm become `LlamaForCausalLM`.
"""

from typing import Any

import torch
from torch import Tensor

from pretrain.model.config import ModelConfig

Weights = dict[str, Tensor]


def centre(weight: Tensor, dim: int) -> Tensor:
    """Subtract the mean over the output dimension, in fp64; twice is once."""
    wide = weight.double()
    return (wide - wide.mean(dim, keepdim=True)).to(weight.dtype)


def to_hf_weights(weights: Weights, config: ModelConfig) -> Weights:
    """The names and values that the Hugging Face class saves, from open_lm's."""
    fold = (
        (lambda weight, dim=0: centre(weight, dim)) if config.norm == "layer_norm" else (lambda weight, dim=0: weight)
    )
    out = {
        "model.embed_tokens.weight": fold(weights["tok_embeddings.weight"], 1),
        "model.norm.weight": weights["norm.weight"],
        # Tied, the output would be centred with the embedding: it needs its own matrix then.
        "lm_head.weight": weights["output.weight"],
    }
    for layer in range(config.layers):
        ours, theirs = f"layers.{layer}.", f"model.layers.{layer}."
        queries, keys, values = weights[f"{ours}attention.in_proj.weight"].chunk(3)
        gate, up = weights[f"{ours}feed_forward.w12.weight"].chunk(2)
        if config.qk_norm:
            queries, keys = fold(queries), fold(keys)
            out[f"{theirs}self_attn.q_norm.weight"] = weights[f"{ours}attention.q_norm.weight"]
            out[f"{theirs}self_attn.k_norm.weight"] = weights[f"{ours}attention.k_norm.weight"]
            out[f"{theirs}mlp.gate.weight"] = torch.zeros(1, config.dim)
        mlp = f"{theirs}mlp.experts.0." if config.qk_norm else f"{theirs}mlp."
        out |= {
            f"{theirs}self_attn.q_proj.weight": queries,
            f"{theirs}self_attn.k_proj.weight": keys,
            f"{theirs}self_attn.v_proj.weight": values,
            f"{theirs}self_attn.o_proj.weight": fold(weights[f"{ours}attention.out_proj.weight"]),
            f"{mlp}gate_proj.weight": gate,
            f"{mlp}up_proj.weight": up,
            f"{mlp}down_proj.weight": fold(weights[f"{ours}feed_forward.w3.weight"]),
            f"{theirs}input_layernorm.weight": weights[f"{ours}attention_norm.weight"],
            f"{theirs}post_attention_layernorm.weight": weights[f"{ours}ffn_norm.weight"],
        }
    return {name: tensor.contiguous().clone() for name, tensor in out.items()}


def from_hf_weights(weights: Weights, config: ModelConfig) -> Weights:
    """open_lm's names from those of a one-expert OLMoE or a Llama; folded weights stay folded."""
    out = {
        "tok_embeddings.weight": weights["model.embed_tokens.weight"],
        "norm.weight": weights["model.norm.weight"],
        "output.weight": weights.get("lm_head.weight", weights["model.embed_tokens.weight"]),
    }
    for layer in range(config.layers):
        ours, theirs = f"layers.{layer}.", f"model.layers.{layer}."
        mlp = f"{theirs}mlp.experts.0." if config.qk_norm else f"{theirs}mlp."
        attention = [weights[f"{theirs}self_attn.{part}_proj.weight"] for part in "qkv"]
        out |= {
            f"{ours}attention.in_proj.weight": torch.cat(attention),
            f"{ours}attention.out_proj.weight": weights[f"{theirs}self_attn.o_proj.weight"],
            f"{ours}feed_forward.w12.weight": torch.cat(
                [weights[f"{mlp}{part}_proj.weight"] for part in ("gate", "up")]
            ),
            f"{ours}feed_forward.w3.weight": weights[f"{mlp}down_proj.weight"],
            f"{ours}attention_norm.weight": weights[f"{theirs}input_layernorm.weight"],
            f"{ours}ffn_norm.weight": weights[f"{theirs}post_attention_layernorm.weight"],
        }
        if config.qk_norm:
            out[f"{ours}attention.q_norm.weight"] = weights[f"{theirs}self_attn.q_norm.weight"]
            out[f"{ours}attention.k_norm.weight"] = weights[f"{theirs}self_attn.k_norm.weight"]
    return out


def to_hf_config(config: ModelConfig, inv_freq: Tensor, ids: dict[str, int | None]) -> dict[str, Any]:
    """Keyword arguments of `OlmoeConfig` or `LlamaConfig`.

    Args:
        config: our model.
        inv_freq: the rotary frequencies to keep; where they are not the exact ones they become a `longrope` table.
        ids: eot_id, bos_id, pad_id; what is None or outside the vocabulary is left out.
    """
    vocab = config.known_vocab()
    eot, bos, pad = (
        one if one is not None and 0 <= one < vocab else None
        for one in (ids.get("eot_id"), ids.get("bos_id"), ids.get("pad_id"))
    )
    common = {
        "vocab_size": vocab,
        "hidden_size": config.dim,
        "intermediate_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "max_position_embeddings": config.seq_len,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "bos_token_id": bos if bos is not None else eot,
        "eos_token_id": eot,
        "pad_token_id": pad,
        "rope_parameters": rope_parameters(config, inv_freq),
    }
    if not config.qk_norm:
        return common
    return common | {
        "num_experts": 1,
        "num_experts_per_tok": 1,
        "norm_topk_prob": False,
        "output_router_logits": False,
        "router_aux_loss_coef": 0.0,
        "clip_qkv": None,
    }


def exact_inv_freq(config: ModelConfig) -> Tensor:
    """`theta^(-2i / head)`, [head / 2], fp32."""
    head = config.dim // config.heads
    return (config.rope_theta ** (-torch.arange(0, head, 2, dtype=torch.float64) / head)).float()


def rope_parameters(config: ModelConfig, inv_freq: Tensor) -> dict[str, Any]:
    """transformers' description of the rotary frequencies: the default ones, or `longrope` with a factor for each."""
    exact = exact_inv_freq(config)
    if torch.allclose(exact, inv_freq.float(), rtol=1e-5, atol=0):
        return {"rope_type": "default", "rope_theta": config.rope_theta}
    factors = (exact.double() / inv_freq.double()).tolist()
    return {
        "rope_type": "longrope",
        "rope_theta": config.rope_theta,
        "short_factor": factors,
        "long_factor": factors,
        "attention_factor": 1.0,
        "factor": 1.0,
        "original_max_position_embeddings": config.seq_len,
    }


def add_frequencies(weights: Weights, config: ModelConfig, inv_freq: Tensor) -> None:
    """Put the rotary frequencies, which open_lm keeps in every layer, beside the weights."""
    for layer in range(config.layers):
        weights[f"layers.{layer}.attention.pos_embed.inv_freq"] = inv_freq.clone()
