"""Parameter counts three ways, FLOPs per token, peaks of devices."""

from typing import Any, NamedTuple

from common.scales import published_parameters
from pretrain.model.config import ModelConfig

PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bf16 operations per second, by a word in the device's name (NVIDIA's data sheets)."""


class Counts(NamedTuple):
    """Parameters of a model, three ways."""

    total: int
    """All of them."""

    published: int
    """Without the gains of the q/k norms: the number DCLM's configs and token budgets use."""

    no_embed: int
    """What is multiplied with each token, N in the 6N operations: all but an embedding that is only looked up. The
    matrix of tied weights is the output layer's too, and counts."""


def count_parameters(model: ModelConfig) -> Counts:
    """`L (4 d^2 + 3 d h + 2 d [+ 2 d with q/k norm]) + d + 2 V d`, with h the feed-forward width.

    >>> count_parameters(ModelConfig(dim=1024, layers=24, heads=8))
    Counts(total=411665408, published=411616256, no_embed=359973888)
    """
    dim, vocab = model.dim, model.known_vocab()
    published = published_parameters(dim, model.layers, model.hidden, vocab, model.tied)
    total = published + (2 * dim * model.layers if model.qk_norm else 0)
    return Counts(total, published, published if model.tied else published - vocab * dim)


def active_parameters(model: Any) -> int:
    """N of any transformers causal model: without an embedding that is only looked up, and of a mixture of experts the
    share that each token is sent to.

    Args:
        model: with `get_output_embeddings`, and an `inner` model with a config.
    """
    total = sum(parameter.numel() for parameter in model.parameters())
    config = model.inner.config.get_text_config()
    embedding, output = model.inner.get_input_embeddings().weight, model.get_output_embeddings().weight
    looked_up = 0 if embedding is output else embedding.numel()
    names = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    experts = next((count for name in names if (count := getattr(config, name, None))), 0)
    chosen = getattr(config, "num_experts_per_tok", None) or getattr(config, "moe_k", None)
    if not experts or not chosen:
        return total - looked_up
    routed = sum(values.numel() for name, values in model.named_parameters() if ".experts." in name)
    return total - looked_up - round(routed * (1 - chosen / experts))


def flops_per_token(no_embed: int, layers: int, dim: int, seq_len: int) -> float:
    """Operations per trained token, `6 N + 12 L d S`: the convention of every MFU figure here."""
    return 6.0 * no_embed + 12.0 * layers * dim * seq_len


def peak_flops(device_name: str) -> float | None:
    """Dense bf16 operations per second of a device, None if it is not in the table."""
    return next((peak for word, peak in PEAK_FLOPS.items() if word in device_name), None)
