"""How many processes this launch has and which is this one; imports no torch at the top."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def launched() -> tuple[int, int]:
    """Rank and number of processes as the launcher says them, before any group is joined; (0, 1) without one."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def has_launcher() -> bool:
    """Whether a launcher (torchrun, accelerate) started this process."""
    return "RANK" in os.environ


def processes() -> tuple[int, int]:
    """This process's rank and the number of processes."""
    if "torch.distributed" not in sys.modules:
        return 0, 1  # nobody can have joined a group, and importing torch takes seconds
    from torch import distributed

    if not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def add_up(values: np.ndarray) -> np.ndarray:
    """Sum over processes; each number is zero in all of them but one, so nothing is rounded."""
    import torch
    from torch import distributed

    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    tensor = torch.tensor(values, device=device)
    distributed.all_reduce(tensor)
    return tensor.cpu().numpy()
