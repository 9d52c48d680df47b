"""The training loop: a step is a function of (data, seed, step), so a run continues anywhere as if never stopped."""

import logging
import math
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from common.engines.to_host import ToHost
from common.hashing import generator_seed
from common.runs.progress.shown import CountedWork
from pretrain.checkpoints.folder import latest
from pretrain.checkpoints.torch_files import Checkpoints, restore
from pretrain.data.batches import MicroBatches, contexts
from pretrain.data.tokenised_set import TokenisedSet
from pretrain.model.decoder import Decoder
from pretrain.model.documents import document_layout
from pretrain.model.hugging_face import HFModel
from pretrain.model.loss import LossSums
from pretrain.model.sizes import active_parameters, flops_per_token
from pretrain.training.config import PretrainConfig
from pretrain.training.core_scores import CoreScores
from pretrain.training.job import Job
from pretrain.training.memory import fitting_acc
from pretrain.training.meter import OpenStep, Speed, StepResult
from pretrain.training.parallel import Devices, blocks_of, distribute, last_micro_batch
from pretrain.training.schedule import learning_rate
from pretrain.training.validation import validate

log = logging.getLogger("repro.pretrain")

LogLine = Callable[[dict[str, Any], int], None]

SPIKE_WINDOW = 128
"""Steps whose losses tell what a spike is."""

SMALL = 2_000_000_000
"""Parameters up to which micro-batch gradients pile up unsharded (fp32, 8 GB) instead of being reduced each time."""


class Trainer:
    """A model, its optimizer and its place in the data."""

    def __init__(
        self,
        config: PretrainConfig,
        job: Job,
        model: Decoder | HFModel,
        description: dict[str, Any],
        devices: Devices,
    ) -> None:
        """
        Args:
            config: the run.
            job: the numbers and the data that follow from it.
            model: initialised and whole, on the device; it is spread over all devices here.
            description: what to build for its weights, saved with every checkpoint.
            devices: this process among all.

        Raises:
            ValueError: the global batch cannot be split over devices and micro-batches.
        """
        self.config, self.job, self.devices, self.description = config, job, devices, description
        self.mask_in_blocks = (
            devices.device.type == "cuda" and job.model is not None
        )  # of transformers' models no one knows
        self.acc = config.acc
        if job.model and devices.device.type == "cuda":
            total = torch.cuda.get_device_properties(devices.device).total_memory / 2**30
            self.acc = fitting_acc(config, job.model, devices.world, total)
        pieces = devices.world * self.acc
        if config.global_bs < pieces:
            raise ValueError(
                f"global_bs={config.global_bs} is less than {devices.world} devices x acc={self.acc}; use acc="
                f"{max(1, config.global_bs // devices.world)} or global_bs={pieces}"
            )
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        output = model.get_output_embeddings().weight  # [V, d]
        multiplied = job.counts.no_embed if job.counts else active_parameters(model)
        self.flops_per_token = flops_per_token(multiplied, len(blocks_of(model)), output.shape[1], job.seq_len)
        distribute(model, config, devices)
        self.model = model
        self.optimizer = torch.optim.AdamW(
            _groups(model, config), lr=config.lr, betas=(config.beta1, config.beta2), eps=config.eps, fused=True
        )
        self.average = (
            {_plain(name): value.detach().clone() for name, value in model.named_parameters()} if config.ema else None
        )
        self.meter = Speed(config.global_bs * job.seq_len, self.flops_per_token, devices)
        self.next_step = 0
        self.skipped = {"nonfinite": 0, "spike": 0}
        self.recent: deque[float] = deque(maxlen=SPIKE_WINDOW)
        self.losses: list[float] = []
        self.stopping = False
        self.open: OpenStep | None = None
        self.defers = devices.device.type == "cuda"
        """Whether the next step begins before this one's numbers are read."""

    def train(self, log_line: LogLine | None, scores: CoreScores | None = None) -> str:
        """Train from the latest checkpoint to the end; returns `finished`, `preempted` or `benchmarked`.

        Args:
            log_line: takes a line of metrics and its step; None on all processes but the first.
            scores: metrics of the module every `eval_every_steps` and at the end; on all processes or none.

        Raises:
            FloatingPointError: more steps than allowed had a loss or gradient that is not finite.
        """
        config, job = self.config, self.job
        end = min(config.benchmark, job.steps) if config.benchmark else job.steps
        checkpoints = None
        if not config.benchmark:
            self._resume()
            # Several CPU processes save in line: training and background would share gloo's one conversation.
            apart = self.devices.world == 1 or self.devices.device.type == "cuda"
            checkpoints = Checkpoints(job.folder, config.keep_last, background=config.checkpoint_async and apart)
        if checkpoints and self.next_step:
            self._measure(log_line, scores, end)  # a kill may have come between this checkpoint and what was due
        self.meter.go_on()
        shown = CountedWork(job.name, end, "steps", start=self.next_step)
        with self._stop_on_sigterm(), ThreadPoolExecutor(max(1, config.workers)) as readers, shown:
            ahead: Future[MicroBatches] | None = None
            for step in range(self.next_step, end):
                started = time.perf_counter()
                batch = ahead.result() if ahead else self.read(step)
                waited = time.perf_counter() - started
                ahead = readers.submit(self.read, step + 1) if config.workers and step + 1 < end else None
                results = self.step(step, batch, waited, self._is_due(step + 1, end))
                self.next_step = step + 1
                stop = any(result.stop for result in results)
                for result in [*results, *(self.settled() if stop else [])]:
                    self.meter.add(result)
                    self.losses.append(result.loss)
                    shown.at(self.next_step, f"loss {result.loss:.4g}")
                if log_line and self._log_is_due(self.next_step, end):
                    log_line(self._metrics(), self.next_step)
                if checkpoints:
                    checkpoints.poll()
                    if stop or self._save_is_due(self.next_step):
                        state = self._state(self.next_step in job.milestones)
                        checkpoints.save(self.model, self.optimizer, state, self.description, self.average)
                if stop and self.next_step < end:
                    break  # what is due now is measured when the run goes on
                self._measure(log_line, scores, end)
                if stop:
                    break
                self.meter.go_on()
        if checkpoints:
            checkpoints.wait()
        if config.benchmark:
            return "benchmarked"
        return "finished" if self.next_step == job.steps else "preempted"

    def _measure(self, log_line: LogLine | None, scores: CoreScores | None, end: int) -> None:
        """Validation and CORE, where they are due after this step; both are at the run's end."""
        if self._due(self.config.val_every_steps) or (self.next_step == end and not self.config.benchmark):
            self.validate(log_line)
        if scores and (self._due(self.config.eval_every_steps) or self.next_step == self.job.steps):
            values = scores(self.model)
            if log_line:
                log_line(values, self.next_step)

    def read(self, step: int) -> MicroBatches:
        """This process's micro-batches of a step, and the number of targets in the whole batch."""
        config, job, devices = self.config, self.job, self.devices
        indices = np.arange(step * config.global_bs, (step + 1) * config.global_bs)
        pads = job.cursor.pads(indices) if config.mask_pad else np.zeros_like(indices)
        targets = int((job.seq_len - np.minimum(pads, job.seq_len)).sum())
        pieces = np.array_split(np.arange(len(indices)), devices.world * self.acc)
        mine = pieces[devices.rank * self.acc : (devices.rank + 1) * self.acc]
        found = [contexts(job.cursor.rows(indices[piece]), pads[piece]) for piece in mine]
        if devices.device.type == "cuda":  # from pinned memory the copy to the device does not wait
            found = [(inputs.pin_memory(), wanted.pin_memory()) for inputs, wanted in found]
        return MicroBatches(found, targets)

    def step(self, step: int, batch: MicroBatches, waited: float = 0.0, wait: bool = True) -> list[StepResult]:
        """One optimizer step on a batch; the update is left out, and counted, for a spike or what is not finite.

        The device decides that by itself, so that it need not stand still until the host has read the loss.

        Returns:
            The steps that are known by now: the one before, where nobody waited for it, and with `wait` this one.
        """
        config = self.config
        if not batch.targets:  # pads alone: nothing to learn from, on any device
            self.skipped["pads"] = self.skipped.get("pads", 0) + 1
            nothing = StepResult(math.nan, math.nan, math.nan, 0.0, True, waited, self.devices.any(self.stopping))
            return [*self.settled(), nothing]
        torch.manual_seed(generator_seed(config.seed, step))  # dropout, where a model has it, follows the step
        rate = learning_rate(step, self.job.steps, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums = torch.zeros(4, device=self.devices.device)
        for number, (inputs, targets) in enumerate(batch.micro_batches):
            last_micro_batch(self.model, number + 1 == len(batch.micro_batches), self.parameters <= SMALL)
            parts = self.loss(inputs, targets)
            # FSDP averages gradients over devices; the loss is a sum over all of the batch's targets.
            (parts.loss * (self.devices.world / batch.targets)).backward()
            sums[:3] += torch.stack((parts.cross_entropy, parts.z, parts.logits)).detach()
        sums[3] = float(self.stopping)
        sums = self.devices.sum(sums)
        norm = _whole(nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip))
        before = self.settled()  # the device is past it: it has this step's passes to do
        refused = self._refused(sums[0] / batch.targets, norm)
        self._update(refused)
        numbers = ToHost(torch.stack((*sums, norm, refused)))
        self.open = OpenStep(step, batch.targets, waited, numbers)
        return [*before, *(self.settled() if wait or not self.defers else [])]

    def settled(self) -> list[StepResult]:
        """What became of the step whose numbers were on their way, if there is one."""
        if self.open is None:
            return []
        one, self.open = self.open, None
        cross_entropy, z, logit, stop, norm, refused = one.numbers.told()
        loss = cross_entropy / one.targets
        self._count(one.step, loss, norm, refused > 0)
        means = loss, z / one.targets, logit / one.targets
        return [StepResult(*means, norm, refused > 0, one.data_wait_s, stop > 0)]

    @torch.no_grad()
    def _refused(self, loss: Tensor, norm: Tensor) -> Tensor:
        """1 where an update is left out, else 0, on the device."""
        refused = ~(loss.isfinite() & norm.isfinite())
        if self.config.skip_spikes and len(self.recent) == SPIKE_WINDOW:
            bound = float(np.mean(self.recent)) + self.config.skip_spikes * float(np.std(self.recent))
            refused = refused | (loss > bound)
        return refused.float()

    @torch.no_grad()
    def _update(self, refused: Tensor) -> None:
        optimizer: Any = self.optimizer
        optimizer.found_inf = (
            refused  # where this is 1 the fused kernel leaves weights, moments and its count as they are
        )
        optimizer.step()
        if self.average is not None and self.config.ema:
            weight = (1 - self.config.ema) * (1 - refused)
            for name, value in self.model.named_parameters():
                _local(self.average[_plain(name)]).lerp_(_local(value), weight)
        optimizer.zero_grad(set_to_none=True)

    def loss(self, inputs: Tensor, targets: Tensor) -> LossSums:
        """Loss sums of [B, T] inputs against [B, T] targets on this device."""
        device = self.devices.device
        inputs, targets = inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)
        positions = mask = None
        if self.config.document_mask and self.job.eot_id is not None:
            positions, mask = document_layout(inputs, self.job.eot_id, self.mask_in_blocks)
        return self.model(inputs, positions, mask, targets=targets, z_loss=self.config.z_loss)

    def validate(self, log_line: LogLine | None) -> dict[str, float]:
        """Nats per token and bits per byte on each validation set."""
        self.model.eval()
        values: dict[str, float] = {}
        batch = max(1, self.config.global_bs // (self.devices.world * self.acc))
        for path in self.config.val:
            values |= validate(self.loss, self.devices, TokenisedSet(path), self.config.val_sequences, batch)
        self.model.train()
        if log_line and values:
            log_line(values, self.next_step)
        return values

    def totals(self) -> dict[str, Any]:
        """Speed of this process's steps but the first, memory, and the loss of each of its steps."""
        return {**self.meter.totals(), "losses": self.losses}

    def _metrics(self) -> dict[str, Any]:
        """The line to log: the last step, speed since the last line."""
        config = self.config
        return {
            "tokens": self.next_step * config.global_bs * self.job.seq_len,
            "lr": self.optimizer.param_groups[0]["lr"],
            **self.meter.line(config.z_loss),
            "passes": max(self.job.cursor.passes(self.next_step * config.global_bs)),
            **{f"skipped/{reason}": count for reason, count in self.skipped.items()},
        }

    def _count(self, step: int, loss: float, norm: float, refused: bool) -> None:
        """Remember a step's loss, and why its update was left out.

        Raises:
            FloatingPointError: more steps than allowed had a loss or gradient that is not finite.
        """
        config = self.config
        if math.isfinite(loss) and math.isfinite(norm):
            if refused:
                self.skipped["spike"] += 1
                log.warning("step %d: loss %.3f after a mean of %.3f: skipped", step, loss, np.mean(self.recent))
            self.recent.append(loss)  # of a spike too: a lasting change of level is no spike for long
            return
        self.skipped["nonfinite"] += 1
        log.warning("step %d: loss %s, gradient norm %s: skipped", step, loss, norm)
        if self.skipped["nonfinite"] > config.skip_nonfinite:
            first = step * config.global_bs
            raise FloatingPointError(
                f"step {step}: loss {loss}, gradient norm {norm}; "
                f"skip_nonfinite={config.skip_nonfinite} allows no more of these. The batch holds contexts {first} "
                f"to {first + config.global_bs - 1}; the last good checkpoint is {latest(self.job.folder)}"
            )

    def _resume(self) -> None:
        found = latest(self.job.folder) if self.config.resume else None
        if found is None:
            return
        state = restore(found, self.model, self.optimizer, self.average)
        if state["cursor"] != state["step"] * self.config.global_bs:
            raise ValueError(
                f"{found} was written with a batch of {state['cursor'] // max(1, state['step'])} contexts and this run "
                f"has global_bs={self.config.global_bs}: it would skip or repeat data. Keep the batch size, or start a "
                "new run with another name"
            )
        self.next_step, self.skipped = state["step"], state["skipped"]
        self.recent.extend(state["recent_losses"])
        log.info("continuing %s from step %d", self.job.name, self.next_step)

    def _state(self, keep: bool) -> dict[str, Any]:
        return {
            "step": self.next_step,
            "cursor": self.next_step * self.config.global_bs,
            "tokens": self.next_step * self.config.global_bs * self.job.seq_len,
            "keep": keep,
            "identity": self.job.identity,
            "skipped": self.skipped,
            "recent_losses": list(self.recent),
            "world": self.devices.world,
        }

    def _is_due(self, step: int, end: int) -> bool:
        """Whether anything needs the numbers of the step that leads to `step`; the same on all processes."""
        config = self.config
        every = (config.val_every_steps, config.eval_every_steps)
        measured = any(one is not None and step % one == 0 for one in every)
        return self._log_is_due(step, end) or self._save_is_due(step) or measured

    def _log_is_due(self, step: int, end: int) -> bool:
        return step % self.config.log_every == 0 or step in (1, end)

    def _save_is_due(self, step: int) -> bool:
        config = self.config
        every, per_step = config.checkpoint_every_tokens, config.global_bs * self.job.seq_len
        crossed = every is not None and step * per_step // every > (step - 1) * per_step // every
        regular = config.checkpoint_every_steps is not None and step % config.checkpoint_every_steps == 0
        return step in self.job.milestones or crossed or regular

    def _due(self, every: int | None) -> bool:
        return every is not None and self.next_step % every == 0

    @contextmanager
    def _stop_on_sigterm(self) -> Iterator[None]:
        def stop(*_: object) -> None:
            self.stopping = True

        previous = signal.signal(signal.SIGTERM, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)


def _groups(model: nn.Module, config: PretrainConfig) -> list[dict[str, Any]]:
    """Parameters with and without weight decay."""
    free: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_norm, is_embedding = "norm" in name, "embed" in name
        spared = ("norms" in config.no_decay and is_norm) or ("embeddings" in config.no_decay and is_embedding)
        (free if spared else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": config.wd}, {"params": free, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _whole(value: Tensor) -> Tensor:
    """A norm over shards, gathered."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def _local(value: Tensor) -> Tensor:
    """This process's part of a weight, without its gradient."""
    value = value.detach()
    return value.to_local() if isinstance(value, DTensor) else value


def _plain(name: str) -> str:
    return name.replace("_checkpoint_wrapped_module.", "")
