"""Write and read checkpoints: sharded torch DCP folders that appear only when complete (see `checkpoint_folder`)."""

import shutil
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.optim import Optimizer

from common.runs.checkpoints import mark_complete, remove_checkpoint
from common.runs.folder import write_json
from pretrain.checkpoints.folder import FOLDER, trainer_state, whole


class Checkpoints:
    """Writes a run's checkpoints; every process calls the same methods in the same order."""

    def __init__(self, run: Path, keep_last: int, *, background: bool) -> None:
        """
        Args:
            run: the run folder.
            keep_last: how many checkpoints that are not kept for good stay.
            background: return from `save` while the files are written.
        """
        self.folder, self.keep_last, self.background = run / FOLDER, keep_last, background
        self._pending: tuple[Future[Any], Path] | None = None
        # Its own group: the background thread's messages must not meet those of the training steps.
        self._group = dist.new_group(backend="gloo") if background else None
        self._main = dist.get_rank() == 0
        if self._main:
            self.folder.mkdir(parents=True, exist_ok=True)
            for unfinished in self.folder.glob(".step_*"):
                shutil.rmtree(unfinished)

    def save(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        state: dict[str, Any],
        model_description: dict[str, Any],
        average: dict[str, Tensor] | None = None,
    ) -> None:
        """Write a checkpoint of `state["step"]`; waits for one still being written.

        Args:
            model: its parameters and saved buffers go in.
            optimizer: its states go in.
            state: what else the trainer needs, as JSON; `keep` true keeps the checkpoint for good.
            model_description: what to build for the weights.
            average: averaged weights by name.
        """
        self.wait()
        final = self.folder / f"step_{state['step']:08d}"
        if whole(final):
            return
        draft = self.folder / f".{final.name}"
        values = _values(model, optimizer, average)
        if self._main:
            draft.mkdir(exist_ok=True)
            write_json(draft / "trainer.json", state)
            write_json(draft / "model.json", model_description)
        writer = dcp.FileSystemWriter(draft)
        if self.background:
            begun = dcp.async_save(values, storage_writer=writer, process_group=self._group)
            self._pending = (begun if isinstance(begun, Future) else begun.upload_completion, final)
            return
        dcp.save(values, storage_writer=writer)
        self._finish(final)

    def poll(self) -> None:
        """Give a checkpoint its name if its files are written."""
        if self._pending and self._pending[0].done():
            self.wait()

    def wait(self) -> None:
        """Wait for the checkpoint that is being written, then give it its name; raises what its writing raised."""
        if self._pending:
            (future, final), self._pending = self._pending, None
            future.result()
            self._finish(final)

    def _finish(self, final: Path) -> None:
        # The metadata is written by rank 0 after every rank reported its files, so rank 0 alone knows it is complete.
        if not self._main:
            return
        draft = self.folder / f".{final.name}"
        mark_complete(draft)
        if final.exists():  # an incomplete one of this step
            remove_checkpoint(final)
        draft.rename(final)
        saved = [folder for folder in sorted(self.folder.glob("step_*")) if whole(folder)]
        passing = [folder for folder in saved if not trainer_state(folder).get("keep")]
        for old in passing[: -self.keep_last]:
            remove_checkpoint(old)


def restore(
    checkpoint: Path, model: nn.Module, optimizer: Optimizer, average: dict[str, Tensor] | None = None
) -> dict[str, Any]:
    """Load a checkpoint in place, whatever number of devices wrote it; returns the trainer's state."""
    values = _values(model, optimizer, average)
    dcp.load(values, storage_reader=dcp.FileSystemReader(checkpoint))
    set_state_dict(model, optimizer, model_state_dict=values["model"], optim_state_dict=values["optimizer"])
    return trainer_state(checkpoint)


def load_weights(checkpoint: Path, model: nn.Module, *, averaged: bool = False) -> None:
    """Load only the weights, in one process without a process group.

    Raises:
        ValueError: the averages are asked for and the checkpoint has none.
    """
    key = "average" if averaged else "model"
    reader = dcp.FileSystemReader(checkpoint)
    if not any(name.startswith(f"{key}.") for name in reader.read_metadata().state_dict_metadata):
        raise ValueError(f"{checkpoint} holds no {key} weights")
    values = {key: dict(model.named_parameters()) if averaged else model.state_dict()}
    values[key] = {name: tensor.detach() for name, tensor in values[key].items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # as meant here
        dcp.load(values, storage_reader=reader, no_dist=True)


def save_weights(folder: Path, weights: dict[str, Tensor]) -> None:
    """Write only weights, in one process without a process group."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # as meant here
        dcp.save({"model": weights}, storage_writer=dcp.FileSystemWriter(folder), no_dist=True)


def _values(model: nn.Module, optimizer: Optimizer, average: dict[str, Tensor] | None) -> dict[str, Any]:
    model_values, optimizer_values = get_state_dict(model, optimizer)
    values: dict[str, Any] = {"model": model_values, "optimizer": optimizer_values}
    return values if average is None else {**values, "average": average}
