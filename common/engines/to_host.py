"""Numbers on their way from a GPU to the host, which goes on meanwhile and waits only for what came before them."""

from typing import Any

import torch
from torch import Tensor


class ToHost:
    """A tensor that is copied to the host in the background."""

    def __init__(self, value: Tensor) -> None:
        self._event = torch.cuda.Event() if value.is_cuda else None
        self._value = value
        if self._event is not None:
            # pageable memory would be copied at once; `item` would wait for all that was asked of the device since
            self._value = torch.empty(value.shape, dtype=value.dtype, pin_memory=True).copy_(value, non_blocking=True)
            self._event.record()

    def told(self) -> Any:
        """The number, or the list of numbers."""
        if self._event is not None:
            self._event.synchronize()
        return self._value.tolist()
