"""Contexts as tensors: inputs and shifted targets."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain.model.loss import IGNORED


@dataclass
class MicroBatches:
    """Micro-batches of (inputs, targets), each [B, T], and the targets in the whole batch over all devices."""

    micro_batches: list[tuple[Tensor, Tensor]]
    targets: int


def contexts(rows: NDArray[np.int64], pads: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Inputs and targets [B, T] of contexts [B, T + 1] with so many pads [B] at their ends; pads are no targets."""
    inputs, targets = torch.from_numpy(rows[:, :-1].copy()), torch.from_numpy(rows[:, 1:].copy())
    for row in np.flatnonzero(pads):
        targets[row, -int(pads[row]) :] = IGNORED
    return inputs, targets
