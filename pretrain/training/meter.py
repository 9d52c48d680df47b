"""Speed, memory and the last step's figures: what a line of metrics says."""

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from common.engines.to_host import ToHost
from pretrain.model.sizes import peak_flops
from pretrain.training.parallel import Devices


@dataclass
class StepResult:
    """What one step did; means over its targets, in nats per token."""

    loss: float
    z: float
    logit: float
    grad_norm: float
    skipped: bool
    data_wait_s: float
    stop: bool


@dataclass
class OpenStep:
    """A step whose numbers are on their way from the device."""

    step: int
    targets: int
    data_wait_s: float
    numbers: ToHost
    """Sums of cross-entropy, z and logits; how many want to stop; the gradient's norm; 1 where no update was made."""


class Speed:
    """Speed, without the time that validation and checkpoints take."""

    def __init__(self, tokens_per_step: int, flops_per_token: float, devices: Devices) -> None:
        self.tokens_per_step, self.flops_per_token, self.devices = tokens_per_step, flops_per_token, devices
        self.peak = peak_flops(torch.cuda.get_device_name()) if devices.device.type == "cuda" else None
        self.results: list[StepResult] = []
        self.line_s = self.total_s = 0.0
        self.steps = 0
        self._since: float | None = None

    def add(self, result: StepResult) -> None:
        """Count a step; the first one, which sets things up, does not count in the total."""
        self.pause()
        self.results.append(result)
        self.steps += 1
        if self.steps == 1:
            self.total_s = 0.0

    def pause(self) -> None:
        """Stop the clock."""
        if self._since is not None:
            elapsed = time.perf_counter() - self._since
            self.line_s += elapsed
            self.total_s += elapsed
            self._since = None

    def go_on(self) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def line(self, z_weight: float) -> dict[str, Any]:
        """The last step's figures and the speed since the last line."""
        last = self.results[-1]
        values = {
            "loss": last.loss,
            "z_loss": z_weight * last.z,
            "grad_norm": last.grad_norm,
            "mean_logit": last.logit,
            **self._speed(len(self.results), self.line_s),
            "data_wait_s": sum(result.data_wait_s for result in self.results),
            "memory_gib": memory_gib(self.devices.device),
        }
        self.results, self.line_s = [], 0.0
        return values

    def totals(self) -> dict[str, Any]:
        """Speed over all steps of this process but the first, and memory."""
        return {
            **self._speed(self.steps - 1, self.total_s),
            "memory_gib": memory_gib(self.devices.device),
            "world": self.devices.world,
            "flops_per_token": self.flops_per_token,
        }

    def _speed(self, steps: int, seconds: float) -> dict[str, float | None]:
        if steps < 1:
            return {"tok_s": None, "tok_s_per_gpu": None, "mfu": None}
        tok_s = steps * self.tokens_per_step / max(seconds, 1e-9)
        each = tok_s / self.devices.world
        return {
            "tok_s": tok_s,
            "tok_s_per_gpu": each,
            "mfu": each * self.flops_per_token / self.peak if self.peak else None,
        }


def memory_gib(device: torch.device) -> float:
    """Most memory ever held: the GPU's allocator, or this process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage also counts what the parent held when it started this process
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
