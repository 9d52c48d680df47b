"""The open_lm decoder: the architecture, parameter names and initialisation of DCLM's models.

Pre-norm blocks `x <- x + Attention(n1(x)); x <- x + FFN(n2(x))`, LayerNorm with mean subtraction and a gain only, q/k
norm over the full width before the head split, RoPE over whole heads, SwiGLU, untied output, no biases, no dropout.
Parameter names are open_lm's, so its checkpoints load as they are. Source: open_lm (2024), DCLM (arXiv:2406.11794).
"""

import zlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask

from common.hashing import generator_seed
from pretrain.model.config import ModelConfig
from pretrain.model.documents import attend_in_blocks
from pretrain.model.loss import LossSums, linear_cross_entropy

CUT = 3.0
"""Initial weights are normal, cut at so many standard deviations."""


@dataclass
class Output:
    """What a forward pass returns; the field's name is transformers'."""

    logits: Tensor


class Norm(nn.Module):
    """`(x - mean) / sqrt(var + eps) * gain`; without the mean for `rms_norm`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.dim))
        self.eps = config.norm_eps
        self.centred = config.norm == "layer_norm"

    def forward(self, x: Tensor) -> Tensor:
        """[..., d] to [..., d], in the dtype of x (statistics in fp32)."""
        if self.centred:
            return F.layer_norm(x, self.weight.shape, self.weight, None, self.eps)
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class Rotary(nn.Module):
    """Holds `inv_freq[i] = theta^(-2i / head)`; a saved buffer, because imported models have rounded values in it."""

    inv_freq: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head = config.dim // config.heads
        self.theta, self.rounded = config.rope_theta, config.rope_freqs == "bf16"
        self.register_buffer("inv_freq", torch.empty(self.head // 2))

    def reset(self) -> None:
        """Fill the buffer with the config's frequencies."""
        exact = self.theta ** (-torch.arange(0, self.head, 2, dtype=torch.float64) / self.head)
        values = exact.float()
        self.inv_freq.copy_(values.bfloat16().float() if self.rounded else values)

    def tables(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines, [..., head / 2] for [...] positions; angles in fp32, then cast."""
        angles = positions.float().unsqueeze(-1) * self.inv_freq.float()
        return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (x_i, x_{i + head/2}) of [B, H, T, head] by the angles of [..., T, head / 2]."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Attention(nn.Module):
    """Causal attention with a fused in-projection (order q, k, v)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.in_proj = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.out_proj = nn.Linear(config.dim, config.dim, bias=False)
        self.q_norm = Norm(config) if config.qk_norm else None
        self.k_norm = Norm(config) if config.qk_norm else None
        self.pos_embed = Rotary(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | BlockMask | None) -> Tensor:
        """[B, T, d] to [B, T, d]; `mask` is bool, true where a row may look, or blocks; None for plain causal."""
        queries, keys, values = self.in_proj(x).chunk(3, dim=-1)
        if self.q_norm is not None and self.k_norm is not None:
            queries, keys = self.q_norm(queries), self.k_norm(keys)
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (queries, keys, values)
        )
        queries, keys = rotate(queries, cos, sin), rotate(keys, cos, sin)
        if isinstance(mask, BlockMask):
            mixed = attend_in_blocks(queries, keys, values, mask)
        else:
            mixed = F.scaled_dot_product_attention(queries, keys, values, mask, is_causal=mask is None)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """`w3(silu(gate) * up)` with `gate, up = w12(x)`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.w12 = nn.Linear(config.dim, 2 * config.hidden, bias=False)
        self.w3 = nn.Linear(config.hidden, config.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., d] to [..., d]."""
        gate, up = self.w12(x).chunk(2, dim=-1)
        return self.w3(F.silu(gate) * up)


class Block(nn.Module):
    """One pre-norm layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.feed_forward = FeedForward(config)
        self.attention_norm = Norm(config)
        self.ffn_norm = Norm(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | BlockMask | None) -> Tensor:
        """[B, T, d] to [B, T, d]."""
        x = x + self.attention(self.attention_norm(x), cos, sin, mask)
        return x + self.feed_forward(self.ffn_norm(x))


class Decoder(nn.Module):
    """The whole model; parameters are uninitialised until `initialise`, `load_state_dict` or the like."""

    takes_blocks = True
    """A mask may be a `BlockMask`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        vocab = config.known_vocab()
        self.tok_embeddings = nn.Embedding(vocab, config.dim, _weight=torch.empty(vocab, config.dim))
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = Norm(config)
        self.output = nn.Linear(config.dim, vocab, bias=False)
        if config.tied:
            self.output.weight = self.tok_embeddings.weight

    def get_output_embeddings(self) -> nn.Linear:
        """The output layer, by transformers' name for it."""
        return self.output

    def hidden_states(
        self, input_ids: Tensor, position_ids: Tensor | None = None, attention_mask: Tensor | BlockMask | None = None
    ) -> Tensor:
        """States after the final norm, [B, T, d]; arguments as in `forward`."""
        x = self.tok_embeddings(input_ids)
        positions = torch.arange(x.shape[1], device=x.device) if position_ids is None else position_ids.unsqueeze(1)
        first: Any = self.layers[0]  # a Block, which a wrapper may stand around
        cos, sin = first.attention.pos_embed.tables(positions, x.dtype)
        for block in self.layers:
            x = block(x, cos, sin, attention_mask)
        return self.norm(x)

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        attention_mask: Tensor | BlockMask | None = None,
        logits_to_keep: int | Tensor = 0,
        targets: Tensor | None = None,
        z_loss: float = 0.0,
    ) -> Output | LossSums:
        """Logits, or with `targets` the loss without ever holding all logits.

        Args:
            input_ids: [B, T] token ids.
            position_ids: [B, T]; 0, 1, … if None.
            attention_mask: [B, 1, T, T] bool, true where row t may look at column s, or a `BlockMask`; None for plain
                causal.
            logits_to_keep: only the last n positions, or those with these indices; 0 keeps all.
            targets: [B, T] token ids, `loss.IGNORED` where none; the result is then a `LossSums`.
            z_loss: weight of the squared log-partition in the loss.

        Returns:
            `Output` with logits [B, T', V] in fp32, or `LossSums`.
        """
        hidden = self.hidden_states(input_ids, position_ids, attention_mask)
        if targets is not None:
            return linear_cross_entropy(hidden, self.output.weight, targets, z_loss)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        return Output(self.output(hidden[:, kept]).float())

    def initial_std(self, name: str) -> float | None:
        """Standard deviation, before the cut at 3 of them, that a parameter starts with; None for gains (all 1).

        in_proj, w12, embedding, output: `1 / sqrt(d)`; out_proj: `1 / sqrt(d) / sqrt(2 (l + 1))`; w3: `1 / sqrt(hidden)
        / sqrt(2 (l + 1))`, l the block's number from 0.
        """
        if "norm" in name:
            return None
        if name.endswith(("out_proj.weight", "w3.weight")):
            fan_in = self.config.hidden if name.endswith("w3.weight") else self.config.dim
            return (fan_in * 2 * (int(name.split(".")[1]) + 1)) ** -0.5
        return self.config.dim**-0.5


@torch.no_grad()
def initialise(model: Decoder, seed: int) -> None:
    """Fill a model with its initial values; each tensor's are a function of (seed, its name)."""
    for name, parameter in model.named_parameters():
        std = model.initial_std(name)
        if std is None:
            parameter.fill_(1.0)
            continue
        generator = torch.Generator(parameter.device).manual_seed(generator_seed(seed, zlib.crc32(name.encode())))
        nn.init.trunc_normal_(parameter, std=std, a=-CUT * std, b=CUT * std, generator=generator)
    for module in model.modules():
        if isinstance(module, Rotary):
            module.reset()


def build(config: ModelConfig, seed: int = 0, device: str = "cpu") -> Decoder:
    """An initialised model on one device, in fp32."""
    with torch.device("meta"):
        model = Decoder(config)
    model.to_empty(device=device)
    if config.tied:  # to_empty made two tensors of the one
        model.output.weight = model.tok_embeddings.weight
    initialise(model, seed)
    return model
