"""A cache of keys and values with room to grow: a new token is written into it, where transformers' copies it whole."""

from typing import Any

from torch import Tensor
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer

SPARE = 0.25
"""Room that is made at a time, as a share of what is held; so much of the cache's memory may stand empty."""

LEAST = 64
"""Tokens of room at least."""


class GrowingLayer(DynamicLayer):
    """One layer's keys and values, [B, H, T, head] each: the first T places of buffers that are larger."""

    keys: Tensor
    values: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.buffers: tuple[Tensor, Tensor] | None = None
        self.held: tuple[Tensor, Tensor] | None = None
        """The parts of the buffers that were given out last."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
        """Add the states of new tokens; all keys and values. Arguments are those of transformers."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        if self.buffers is None or self.held is None or self.held[0] is not self.keys or self._room() < after:
            # also where rows were taken out or tokens cut off: the keys are then other tensors
            room = after + max(LEAST, int(SPARE * after)) if before else after
            self.buffers = (
                _larger(self.keys, key_states, before, room),
                _larger(self.values, value_states, before, room),
            )
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[..., before:after, :] = states
        self.keys, self.values = (buffer[..., :after, :] for buffer in self.buffers)
        self.held = (self.keys, self.values)
        return self.keys, self.values

    def _room(self) -> int:
        return self.buffers[0].shape[-2] if self.buffers else 0

    def reset(self) -> None:
        """Forget everything."""
        self.buffers = self.held = None
        super().reset()

    def batch_select_indices(self, indices: Tensor) -> None:
        """Only keep some rows; the buffers of all of them are let go."""
        super().batch_select_indices(indices)
        self.buffers = self.held = None


def _larger(old: Tensor, new: Tensor, length: int, room: int) -> Tensor:
    """A buffer for `room` tokens with the first `length` of an older one."""
    buffer = new.new_empty((*new.shape[:-2], room, new.shape[-1]))
    if length:
        buffer[..., :length, :] = old
    return buffer


def growing_cache(config: PretrainedConfig) -> DynamicCache:
    """An empty cache for a model: `GrowingLayer` where transformers would take its plain layer, else what it takes."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    if getattr(cache, "layer_class_to_replicate", None) is DynamicLayer:
        cache.layer_class_to_replicate = GrowingLayer
    return cache
