"""Slots for sequences that are decoded together: one that ends gives its place to one that waits.

All rows end at the same column, so that one pass writes one column, and a row's tokens stand to the left of it. A row
that comes in is read by a pass of its own and written in front of the common column. Positions are counted from each
row's first token, so that where its columns lie makes no difference to the model. The columns in use move to the right
as tokens come; where the buffers end they are moved back.

Models whose cache is more than keys and values of a token (recurrent states, chunks) keep to `BatchCells`: a batch is
decoded to its end before another one begins.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

from common.engines.growing_cache import LEAST, SPARE, growing_cache


@dataclass
class SlotUse:
    """How well the slots of an engine were used, over its decoding passes."""

    passes: int = 0
    tokens: int = 0
    """Tokens that the passes made, one for each row in work."""
    slots: int = 0

    def add(self, rows: int, slots: int) -> None:
        """Count a pass over `rows` of so many slots."""
        self.passes += 1
        self.tokens += rows
        self.slots += slots

    @property
    def share(self) -> float:
        """Share of the slots that held a sequence."""
        return self.tokens / self.slots if self.slots else 1.0


class Cells(Protocol):
    """The memory of the sequences in work. Rows are numbered from 0, without gaps."""

    cache: Cache
    """What the model reads and writes in the pass that was asked for last."""

    def free(self) -> int:
        """Rows that can be let in now."""
        ...

    def read(self, lengths: Sequence[int]) -> Tensor:
        """Let rows in behind those that are there: the pass that reads their prompts; [K, T] which tokens are seen."""
        ...

    def step(self) -> Tensor:
        """One more token for each row: the pass that makes it; [B, T] which tokens are seen."""
        ...

    def drop(self, gone: Collection[int]) -> list[int]:
        """Let rows go; the numbers that the others had, in their new order."""
        ...


class Window(NamedTuple):
    """What one pass reads and writes: these rows, columns `first` to `end`, of which those from `begin` are new."""

    rows: slice
    first: int
    begin: int
    end: int


class SlotLayer(DynamicLayer):
    """One layer's keys and values, [slots, H, columns, head] each, of which a pass sees the table's window."""

    def __init__(self, table: "SlotCells", **options: Any) -> None:
        super().__init__(**options)
        self.table = table
        self.buffers: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
        """Write the states of new tokens; all that the pass sees. Arguments are those of transformers."""
        if self.buffers is None:
            self.buffers = (self._empty(key_states), self._empty(value_states))
            self.is_initialized = True
        rows, first, begin, end = self.table.window
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[rows, :, begin:end] = states
        self.keys, self.values = (buffer[rows, :, first:end] for buffer in self.buffers)
        return self.keys, self.values

    def _empty(self, states: Tensor) -> Tensor:
        # Zeros: a masked column counts nothing only as long as it is finite.
        return states.new_zeros((self.table.slots, states.shape[1], self.table.columns, states.shape[3]))

    def get_seq_length(self) -> int:
        """Tokens that the pass found there; the same before and after a layer has written its own."""
        return self.table.window.begin - self.table.window.first

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that the pass sees, and 0."""
        return self.get_seq_length() + query_length, 0

    def relay(self, rows: int, columns: int, old: slice, new: slice) -> None:
        """Move some columns of the first rows, into larger buffers where these have fewer columns than asked for."""
        if self.buffers is None:
            return
        moved = []
        for buffer in self.buffers:
            held = buffer[:rows, :, old]
            if columns > buffer.shape[2]:
                buffer = buffer.new_zeros((*buffer.shape[:2], columns, buffer.shape[3]))
            else:
                held = held.clone()  # the two places overlap
            buffer[:rows, :, new] = held
            moved.append(buffer)
        self.buffers = (moved[0], moved[1])

    def move_row(self, old: int, new: int, columns: slice) -> None:
        """Copy some columns of a row to another one."""
        for buffer in self.buffers or ():
            buffer[new, :, columns] = buffer[old, :, columns]


class SlotCells:
    """The table of slots: which columns hold which row's tokens. See the module's description.

    Args:
        config: the model's.
        slots: rows at most.
        device: where the model lies.
    """

    def __init__(self, config: PretrainedConfig, slots: int, device: torch.device) -> None:
        self.slots = slots
        self.columns = 0
        self.end = 0
        """The column behind the last token of every row."""
        self.lengths: list[int] = []
        self.mask = torch.zeros(slots, 0, dtype=torch.bool, device=device)
        self.window = Window(slice(0, 0), 0, 0, 0)
        self.cache = Cache(layers=[SlotLayer(self) for _ in DynamicCache(config=config).layers])

    def free(self) -> int:
        """Rows that can be let in now."""
        return self.slots - len(self.lengths)

    def read(self, lengths: Sequence[int]) -> Tensor:
        """Let rows in: the pass that reads their prompts, left of the common column; [K, T] which tokens are seen."""
        first, longest = len(self.lengths), max(lengths)
        if not self.lengths:
            self.end = 0
        if self.end < longest:
            self._make_room(longest)
        begin = self.end - longest
        rows = slice(first, first + len(lengths))
        self.mask[rows] = False
        for number, length in enumerate(lengths, first):
            self.mask[number, self.end - length : self.end] = True
        self.lengths += lengths
        self.window = Window(rows, begin, begin, self.end)
        return self.mask[rows, begin : self.end]

    def step(self) -> Tensor:
        """One more token for each row: the pass that makes it; [B, T] which tokens are seen."""
        if self.end == self.columns:
            self._make_room(0)
        rows, first = slice(0, len(self.lengths)), self.end - max(self.lengths)
        self.mask[rows, self.end] = True
        self.window = Window(rows, first, self.end, self.end + 1)
        self.end += 1
        self.lengths = [length + 1 for length in self.lengths]
        return self.mask[rows, first : self.end]

    def drop(self, gone: Collection[int]) -> list[int]:
        """Let rows go: the last ones take their places. The numbers that the others had, in their new order."""
        order = list(range(len(self.lengths)))
        for hole in sorted(gone, reverse=True):
            last = len(order) - 1
            if hole != last:
                columns = slice(self.end - self.lengths[last], self.end)
                for layer in self._layers():
                    layer.move_row(last, hole, columns)
                self.mask[hole] = self.mask[last]
                order[hole], self.lengths[hole] = order[last], self.lengths[last]
            order.pop()
            self.lengths.pop()
        return order

    def _make_room(self, longest: int) -> None:
        """Move what is held so that a prompt fits in front of the common column, and more tokens behind it."""
        rows, held = len(self.lengths), max(self.lengths, default=0)
        end = max(held, longest)
        columns = self.columns if end + LEAST <= self.columns else end + max(LEAST, int(SPARE * end))
        old, new = slice(self.end - held, self.end), slice(end - held, end)
        for layer in self._layers():
            layer.relay(rows, columns, old, new)
        mask = self.mask.new_zeros((self.slots, columns))
        mask[:rows, new] = self.mask[:rows, old]
        self.mask, self.columns, self.end = mask, columns, end

    def _layers(self) -> list[SlotLayer]:
        return [layer for layer in self.cache.layers if isinstance(layer, SlotLayer)]


class BatchCells:
    """Memory of a batch that is decoded to its end: for any cache that transformers has. Arguments as `SlotCells`."""

    def __init__(self, config: PretrainedConfig, slots: int, device: torch.device) -> None:
        self.config = config
        self.slots = slots
        self.mask = torch.zeros(0, 0, dtype=torch.bool, device=device)
        self.cache = growing_cache(config)

    def free(self) -> int:
        """All rows, or none while a batch is in work."""
        return 0 if len(self.mask) else self.slots

    def read(self, lengths: Sequence[int]) -> Tensor:
        """Begin a batch: the pass that reads its prompts; [B, T] which tokens are seen."""
        longest = max(lengths)
        places = torch.arange(longest, device=self.mask.device)
        self.mask = places >= longest - torch.tensor(lengths, device=self.mask.device)[:, None]
        self.cache = growing_cache(self.config)
        return self.mask

    def step(self) -> Tensor:
        """One more token for each row: the pass that makes it; [B, T] which tokens are seen."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        return self.mask

    def drop(self, gone: Collection[int]) -> list[int]:
        """Let rows go. The numbers that the others had, in order."""
        order = [number for number in range(len(self.mask)) if number not in gone]
        keep = torch.tensor(order, dtype=torch.long, device=self.mask.device)
        self.mask = self.mask[keep]
        if order:
            self.cache.batch_select_indices(keep)
        return order


def open_cells(config: PretrainedConfig, slots: int, device: torch.device) -> Cells:
    """Slots that are filled again where the model's cache allows it, else a batch at a time."""
    decoder = config.get_text_config(decoder=True)
    kinds = {type(layer) for layer in DynamicCache(config=config).layers}
    chunked = "chunked_attention" in (getattr(decoder, "layer_types", None) or ())
    # A sliding window is then a mask over all columns, since rows of one batch have seen different numbers of tokens.
    if kinds and kinds <= {DynamicLayer, DynamicSlidingWindowLayer} and not chunked:
        return SlotCells(config, slots, device)
    return BatchCells(config, slots, device)
