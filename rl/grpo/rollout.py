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

from common.engines.growing_cache import GrowingLayer, growing_cache
from common.engines.to_host import ToHost

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
    probabilities = (logits.float() / temperature).softmax(-1)
    (found, tokens), enough = _candidates(probabilities, top_p)
    if enough is not None and not enough:
        found, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
    return _drawn(found, tokens, numbers, top_p)


def choose_ahead(
    logits: torch.Tensor, numbers: torch.Tensor, temperature: float, top_p: float
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The same from the first candidates alone, and whether that was enough: so that nobody waits for the answer."""
    (found, tokens), enough = _candidates((logits.float() / temperature).softmax(-1), top_p)
    return _drawn(found, tokens, numbers, top_p), enough


def _drawn(probabilities: torch.Tensor, tokens: torch.Tensor, numbers: torch.Tensor, top_p: float) -> torch.Tensor:
    cumulative = probabilities.double().cumsum(-1)
    kept = cumulative - probabilities < top_p
    mass = torch.where(kept, probabilities, 0.0).double().sum(-1)
    drawn = torch.searchsorted(cumulative, (numbers.to(cumulative) * mass)[:, None], right=True)  # [B, 1]
    last = kept.sum(-1, keepdim=True) - 1  # rounding must not reach past the kept tokens
    return tokens.gather(-1, torch.minimum(drawn, last)).squeeze(-1)


def _candidates(
    probabilities: torch.Tensor, top_p: float
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor | None]:
    """[B, K] probabilities and their tokens, from high to low, equal ones by id; whether `top_p` keeps no others.

    None in place of the latter: these are all.
    """
    if probabilities.size(-1) <= CANDIDATES:
        values, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
        return (values, tokens), None
    values, tokens = probabilities.topk(CANDIDATES, sorted=False)
    tokens, order = tokens.sort(-1)
    values, order = values.gather(-1, order).sort(dim=-1, descending=True, stable=True)
    kept = values.double().cumsum(-1) - values < top_p
    last = values.gather(-1, kept.sum(-1, keepdim=True) - 1)
    enough = (last > values[:, -1:]).all()  # then none that is left out could have been kept
    return (values, tokens.gather(-1, order)), enough


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
        finished: told the number and the token ids of each completion soon after its end token is drawn.
        look_every: tokens after which ended completions are looked for; None: 1 on a CPU, else `LOOK_EVERY`.

    Returns:
        B completions as token ids, the end token included where there is one.
    """
    look_every = look_every or (1 if model.device.type == "cpu" else LOOK_EVERY)
    batch = _Batch(model, prompts, numbers, end_tokens, finished)
    length = numbers.size(1)
    for step in range(length):
        looks = step % look_every == look_every - 1 or step + 1 == length
        ahead = not looks and batch.goes_back  # a GPU stands still while the host waits for what it drew
        tokens, enough = batch.draw(step, temperature, top_p, ahead)
        before = batch.ended
        batch.take(step, tokens, before)
        if step + 1 == length or (looks and batch.look()):
            break
        batch.read(step, batch.last)
        if enough is not None and not enough.told():
            batch.take(step, choose(batch.logits_before, batch.numbers_of(step), temperature, top_p), before)
            batch.go_back()
            batch.read(step, batch.last)
    batch.tell()
    return [[token for token in row if token >= 0] for row in batch.drawn.tolist()]


class _Batch:
    """The completions that are being written; rows that have ended leave it."""

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        numbers: torch.Tensor,
        end_tokens: Collection[int],
        finished: Callable[[int, list[int]], None] | None,
    ) -> None:
        self.model, self.finished, device = model, finished, model.device
        self.numbers = numbers.to(device)
        self.ends = torch.tensor(sorted(end_tokens), device=device)
        self.cache, self.logits, mask, self.position = _read_prompts(model, prompts)
        self.logits_before = self.logits
        self.width = mask.size(1)
        self.mask = torch.cat(
            [mask, mask.new_ones(len(prompts), numbers.size(1))], 1
        )  # with room for all that is drawn
        self.rows = torch.arange(len(prompts), device=device)  # which completion each row of the batch is
        self.ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
        self.told = self.ended
        self.drawn = torch.full((len(prompts), numbers.size(1)), -1, device=device)
        self.last = self.rows
        self.goes_back = all(isinstance(layer, GrowingLayer) for layer in self.cache.layers)
        """Whether a token can be taken back: a window that has moved on has forgotten what it held."""

    def numbers_of(self, step: int) -> torch.Tensor:
        """[B] the random numbers of a step."""
        return self.numbers[self.rows, step]

    def draw(self, step: int, temperature: float, top_p: float, ahead: bool) -> tuple[torch.Tensor, ToHost | None]:
        """[B] the next tokens; ahead of knowing whether enough candidates were looked at, which the flag then tells."""
        if not ahead:
            return choose(self.logits, self.numbers_of(step), temperature, top_p), None
        tokens, enough = choose_ahead(self.logits, self.numbers_of(step), temperature, top_p)
        return tokens, None if enough is None else ToHost(enough)

    def take(self, step: int, tokens: torch.Tensor, ended: torch.Tensor) -> None:
        """Write the tokens of a step down, of the rows that had not ended."""
        self.drawn[self.rows, step] = torch.where(ended, -1, tokens)
        self.ended = ended | torch.isin(tokens, self.ends)
        self.last = tokens

    def tell(self) -> None:
        """Tell of the completions that have ended since the last time."""
        if self.finished:
            fresh = self.rows[self.ended & ~self.told]
            for row, tokens in zip(fresh.tolist(), self.drawn[fresh].tolist(), strict=True):
                self.finished(row, [token for token in tokens if token >= 0])
        self.told = self.ended

    def look(self) -> bool:
        """Tell of the completions that have ended, and let them go where they are many; whether all have."""
        self.tell()
        share = self.ended.float().mean().item()
        if DROPPED_SHARE <= share < 1:
            kept = (~self.ended).nonzero().squeeze(-1)
            self.cache.batch_select_indices(kept)
            for name in ("rows", "last", "mask", "position", "ended", "told"):
                setattr(self, name, getattr(self, name)[kept])
        return share == 1

    def read(self, step: int, tokens: torch.Tensor) -> None:
        """Read the tokens of a step: the logits of the next."""
        self.position = self.position + 1
        seen = self.mask[:, : self.width + step + 1]
        options = {"past_key_values": self.cache, "use_cache": True, "logits_to_keep": 1}
        position = self.position[:, None]
        output = self.model(input_ids=tokens[:, None], attention_mask=seen, position_ids=position, **options)
        self.logits_before, self.logits = self.logits, output.logits[:, -1]

    def go_back(self) -> None:
        """Forget the tokens that were read last."""
        self.cache.crop(-1)
        self.position, self.logits = self.position - 1, self.logits_before


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
