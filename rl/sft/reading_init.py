"""Fresh weights that copy and that know which numbered line a token stands in: verdicts per line are then learnt soon.

An answer of line edits (`rephrase.text.lines`) asks of token `[k]`: what does line k say? A small model finds out how
to look that up late, as with copying (`rl.sft.copying_init`, whose circuit this builds on). Here one head of layer 0
attends to the latest mark and writes which it is beside the token (in the place of the token four back); four heads of
layer 1 and four of layer 2 attend to all tokens of the same line, so that a mark in the answer sees the line's words at
once, and the copying heads look for a fragment inside that line first.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rl.sft.copying_init import BACK, MATCH, MATCH_PAIRS, copying_init, orthogonal

if TYPE_CHECKING:
    import torch

NEARNESS = ((1, 0.15), (2, 0.4), (3, 1.0), (4, 1.0))
"""Rotary pair and weight: together they fall with distance, steeply within a few tokens, still at some hundred."""

NEAR = 20.0
"""What a weight of 1 adds to the attention logit at distance 0."""

MARKED = 110.0
"""What being a mark adds to the attention logit: more than nearness can make up for."""

POOLED = 2.0
"""How loud the words of the line are beside the token itself."""


def reading_init(model: Any, marks: Sequence[int], seed: int = 0) -> None:
    """Overwrite parts of a Llama model in place: `copying_init`, then the line circuit.

    Args:
        model: a model that `copying_init` takes, with three layers or more and eight heads.
        marks: token ids of the marks `[1]`, `[2]`, ...
        seed: of the random projections.

    Raises:
        ValueError: no marks, or the model is not of that form.
    """
    import torch

    if not marks:
        raise ValueError("the tokenizer has no entries for numbered lines; see configs/pretrain/tokenizer_tiny.yaml")
    copying_init(model, seed)
    config = model.config
    width, size = config.hidden_size, config.head_dim
    tokens, place = width // 2, width - size  # the slot of the token four back now says which line it is
    generator = torch.Generator().manual_seed(seed + 1)
    layers = model.model.layers
    with torch.no_grad():
        embedding = model.model.embed_tokens.weight
        mark = torch.nn.functional.normalize(torch.randn(tokens, generator=generator), dim=0)
        embedding[:, :tokens] -= torch.outer(embedding[:, :tokens] @ mark, mark)
        own = torch.nn.functional.normalize(embedding[list(marks), :tokens], dim=1)
        embedding[list(marks), :tokens] = math.sqrt(0.5) * (own + mark)
        _latest_mark(layers[0].self_attn, len(BACK) - 1, mark, place, config, generator)
        _prefer_own_line(layers[1].self_attn, tokens // size, place, config, generator)
        for layer, first in ((1, tokens // size), (2, 0)):
            for head in range(first, first + tokens // size):
                _same_line(layers[layer].self_attn, head, place, config, generator)


def _latest_mark(
    attention: Any, head: int, mark: "torch.Tensor", place: int, config: Any, generator: "torch.Generator"
) -> None:
    """Attend to the nearest mark before, and write at `place` which it is."""
    import torch

    size, width = config.head_dim, config.hidden_size
    half, tokens, scale = size // 2, len(mark), math.sqrt(size)
    rows = slice(head * size, (head + 1) * size)
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight[rows] = 0
        projection.bias[rows] = 0
    query, key = torch.zeros(size), torch.zeros(size)
    for pair, weight in NEARNESS:
        query[pair] = key[pair] = math.sqrt(NEAR * weight * scale)
    content = head * size + half - 1  # the slowest pair: distance does not turn it
    query[half - 1] = math.sqrt(MARKED * scale)
    attention.q_proj.bias[rows] = query
    attention.k_proj.bias[rows] = key
    found = math.sqrt(0.5 * width)  # a normed mark along `mark`
    attention.k_proj.weight[content, :tokens] = math.sqrt(MARKED * scale) / found * mark
    mix = orthogonal(size, tokens, generator)
    mix = mix - torch.outer(mix @ mark, mark)
    attention.v_proj.weight[rows, :tokens] = mix / math.sqrt(width)
    attention.o_proj.weight[:, rows] = 0
    attention.o_proj.weight[place : place + size, rows] = math.sqrt(2 * tokens / size) * torch.eye(size)


def _content(head: int, size: int) -> "torch.Tensor":
    import torch

    slow = torch.arange(size // 2 - MATCH_PAIRS, size // 2)
    return head * size + torch.cat([slow, slow + size // 2])


def _prefer_own_line(attention: Any, heads: int, place: int, config: Any, generator: "torch.Generator") -> None:
    """The copying heads match three tokens and the line in place of four tokens."""

    size = config.head_dim
    for head in range(heads):
        content = _content(head, size)
        part = MATCH * math.sqrt(size / len(content)) * orthogonal(size, size, generator)[: len(content)]
        attention.q_proj.weight[content, place - size : place] = 0
        attention.q_proj.weight[content, place : place + size] = part
        attention.k_proj.weight[content, place : place + size] = part


def _same_line(attention: Any, head: int, place: int, config: Any, generator: "torch.Generator") -> None:
    """Attend to all tokens of the same line alike, and hand on what stands there."""
    import torch

    size, width = config.head_dim, config.hidden_size
    rows = slice(head * size, (head + 1) * size)
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight[rows] = 0
        projection.bias[rows] = 0
    content = _content(head, size)
    part = MATCH * math.sqrt(size / len(content)) * orthogonal(size, size, generator)[: len(content)]
    attention.q_proj.weight[content, place : place + size] = part
    attention.k_proj.weight[content, place : place + size] = part
    mix = orthogonal(size, width, generator)
    attention.v_proj.weight[rows] = mix / math.sqrt(width)
    spread = torch.linalg.qr(torch.randn(width, size, generator=generator))[0]  # [width, size]
    attention.o_proj.weight[:, rows] = POOLED * math.sqrt(width / size) / math.sqrt(5) * spread
