"""Sample completions with the policy itself: small policies, a CPU, or a GPU without vLLM.

Differs from transformers' `generate`, which TRL would call:
    1. A prompt is read once for its whole group, not once per completion.
    2. Completions that have ended leave the batch.
    3. The random numbers of a completion come from the run's seed, the step, its prompt and its place in the group, so
       neither the number of processes nor the batch it is in decides what is sampled.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from common.engines.growing_cache import growing_cache

DROPPED_SHARE = 0.25
"""The batch is made smaller when at least this share of it has ended: that copies the cache."""


LOOK_EVERY = 16
"""Tokens between looks at how many completions of a batch have ended: a GPU stands still at each."""

CANDIDATES = 128
"""Tokens that are put in order first; the whole vocabulary only where these do not reach top_p."""


def uniforms(keys: Sequence[str], count: int) -> torch.Tensor:
    """[B, count] random numbers in [0, 1), a stream of its own for each key."""
    seeds = [int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") for key in keys]
    return torch.from_numpy(np.stack([np.random.default_rng(seed).random(count) for seed in seeds]))


def choose(logits: torch.Tensor, numbers: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Draw a token for each row by inverting the cumulative distribution, likeliest tokens first.

    Args:
        logits: [B, V].
        numbers: [B] in [0, 1).
        temperature: of the softmax.
        top_p: the likeliest tokens that together reach this probability can be drawn (the one that reaches it too).

    Returns:
        [B] token ids.
    """
    probabilities, tokens = _likeliest((logits.float() / temperature).softmax(-1), top_p)
    cumulative = probabilities.double().cumsum(-1)
    kept = cumulative - probabilities < top_p
    mass = torch.where(kept, probabilities, 0.0).double().sum(-1)
    drawn = torch.searchsorted(cumulative, (numbers.to(cumulative) * mass)[:, None], right=True)  # [B, 1]
    last = kept.sum(-1, keepdim=True) - 1  # rounding must not reach past the kept tokens
    return tokens.gather(-1, torch.minimum(drawn, last)).squeeze(-1)


def _likeliest(probabilities: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, K] probabilities and their tokens, from high to low, equal ones by id: no fewer than `top_p` keeps."""
    if probabilities.size(-1) > CANDIDATES:
        values, tokens = probabilities.topk(CANDIDATES, sorted=False)
        tokens, order = tokens.sort(-1)
        values, order = values.gather(-1, order).sort(dim=-1, descending=True, stable=True)
        kept = values.double().cumsum(-1) - values < top_p
        last = values.gather(-1, kept.sum(-1, keepdim=True) - 1)
        if (last > values[:, -1:]).all():  # none that is left out could have been kept
            return values, tokens.gather(-1, order)
    return probabilities.sort(dim=-1, descending=True, stable=True)


@contextmanager
def whole_weights(model: Any) -> Iterator[None]:
    """Gather an FSDP2 model's weights on every process, and share them out again at the end.

    Sharded, each forward pass waits for all processes, and completions that end early would leave some waiting for
    good; with whole weights each process takes as many steps as its own completions need. Does nothing to a model that
    FSDP2 does not shard. All processes must call it together.
    """
    from torch.distributed.fsdp import FSDPModule

    sharded = [module for module in model.modules() if isinstance(module, FSDPModule)]
    if not sharded:
        yield
        return
    with torch.no_grad():  # FSDP finds its root, whose settings differ, in the first pass
        model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=False)
    groups = {id(group): group for module in sharded for group in module._get_fsdp_state()._fsdp_param_groups}
    settings = {key: group.post_forward_mesh_info for key, group in groups.items()}  # torch has a setter, no getter
    model.set_reshard_after_forward(False)
    for module in sharded:
        module.unshard()
    try:
        yield
    finally:
        for key, group in groups.items():
            group.post_forward_mesh_info = settings[key]
        for module in sharded:
            module.reshard()


@torch.no_grad()
def sample(
    model: Any,
    prompts: Sequence[Sequence[int]],
    numbers: torch.Tensor,
    end_tokens: Collection[int],
    temperature: float = 1.0,
    top_p: float = 1.0,
    finished: Callable[[int, list[int]], None] | None = None,
    look_every: int | None = None,
) -> list[list[int]]:
    """Continue each prompt until an end token or for T tokens.

    Args:
        model: a causal language model of transformers, in evaluation mode.
        prompts: B prompts as token ids; equal ones are read once.
        numbers: [B, T] random numbers, one for each token to draw.
        end_tokens: ids that end a completion.
        temperature: of the softmax.
        top_p: see `choose`.
        finished: told the number and the token ids of each completion when its end token is drawn.
        look_every: tokens after which ended completions are looked for; None: 1 on a CPU, else `LOOK_EVERY`.

    Returns:
        B completions as token ids, the end token included where there is one.
    """
    device = model.device
    numbers = numbers.to(device)
    ends = torch.tensor(sorted(end_tokens), device=device)
    cache, logits, mask, position = _read_prompts(model, prompts)
    look_every = look_every or (1 if device.type == "cpu" else LOOK_EVERY)
    width, options = mask.size(1), {"past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
    mask = torch.cat([mask, mask.new_ones(len(prompts), numbers.size(1))], 1)  # with room for all that is drawn
    rows = torch.arange(len(prompts), device=device)  # which completion each row of the batch is
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    drawn = torch.full((len(prompts), numbers.size(1)), -1, device=device)
    for step in range(numbers.size(1)):
        tokens = choose(logits, numbers[rows, step], temperature, top_p)
        drawn[rows, step] = torch.where(ended, -1, tokens)
        ending = torch.isin(tokens, ends) & ~ended
        ended = ended | ending
        if finished and ending.any():
            for row in rows[ending].tolist():
                finished(row, [token for token in drawn[row].tolist() if token >= 0])
        if step + 1 == numbers.size(1):
            break
        if step % look_every == look_every - 1:
            share = ended.float().mean().item()
            if share == 1:
                break
            if share >= DROPPED_SHARE:
                kept = (~ended).nonzero().squeeze(-1)
                cache.batch_select_indices(kept)
                rows, tokens, mask, position, ended = (each[kept] for each in (rows, tokens, mask, position, ended))
        position = position + 1
        seen = mask[:, : width + step + 1]
        output = model(input_ids=tokens[:, None], attention_mask=seen, position_ids=position[:, None], **options)
        logits = output.logits[:, -1]
    return [[token for token in row if token >= 0] for row in drawn.tolist()]


def _read_prompts(model: Any, prompts: Sequence[Sequence[int]]) -> tuple[Any, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Equal prompts are read once: the cache, the next token's logits, mask and last position of all B prompts."""
    distinct = list(dict.fromkeys(tuple(prompt) for prompt in prompts))
    index = torch.tensor([distinct.index(tuple(prompt)) for prompt in prompts], device=model.device)
    ids, mask = _pad_left(distinct, model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = growing_cache(model.config)
    options = {"past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
    output = model(input_ids=ids, attention_mask=mask, position_ids=positions, **options)
    cache.batch_select_indices(index)
    return cache, output.logits[index, -1], mask[index], positions[index, -1]


def _pad_left(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, T] ids and mask; which id fills up does not matter, it is never seen."""
    length = max(len(prompt) for prompt in prompts)
    ids = [[0] * (length - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
