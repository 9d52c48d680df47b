"""Weights & Biases, trackio and TensorBoard: what a run logs goes there too, under the names of `metrics.jsonl`.

`report_to` of a run says which; the environment's `USE_WANDB=true` means `wandb`, as RLPR's users set it. The services'
own variables are respected (WANDB_PROJECT, WANDB_MODE, TRACKIO_SPACE_ID and the like). The run folder is complete
without any of them.
"""

import importlib.util
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from common.config import RunConfig, config_hash
from common.runs.redaction import redacted

TrackerName = Literal["none", "wandb", "trackio", "tensorboard"]

PROJECT = "repro"
"""Project that runs are shown under, where the service's own variable names none."""

log = logging.getLogger("repro")


@dataclass(frozen=True)
class Tracker:
    """An open connection to a service."""

    log: Callable[[Mapping[str, Any], int | None], None]
    """Takes metrics, and the step if there is one."""

    close: Callable[[], None]


def tracker_of(config: RunConfig) -> TrackerName:
    """Which service a run reports to."""
    if os.environ.get("USE_WANDB", "").lower() in ("true", "1", "yes") or getattr(config, "report_to_wandb", False):
        return "wandb"
    found: TrackerName = getattr(config, "report_to", "none")
    return found


def check_tracker(config: RunConfig) -> None:
    """See that the service's package is here.

    Raises:
        ValueError: it is not.
    """
    name = tracker_of(config)
    if name != "none" and importlib.util.find_spec(name) is None:
        raise ValueError(f"report_to={name} needs the {name} package: pip install -e .[track]")


def open_tracker(config: RunConfig, folder: Path) -> Tracker | None:
    """Open the service that a run reports to; a run that goes on is shown as one.

    A service that cannot be reached does not stop a run: it is said in the log, and the run goes on without.
    """
    name = tracker_of(config)
    if name == "none":
        return None
    values = redacted(config.model_dump(mode="json"))
    try:
        return _OPEN[name](folder, values, f"{folder.name}-{config_hash(config)[:8]}")
    except Exception as error:
        log.warning("%s cannot be used (%s); the run folder has all metrics", name, error)
        return None


def _wandb(folder: Path, values: Any, key: str) -> Tracker:
    import wandb

    ours = {"project": PROJECT, "name": folder.name, "run_id": key, "dir": str(folder), "resume": "allow"}
    # wandb itself puts what it is told above its variables
    said = {name: os.environ.get(f"WANDB_{name.upper()}") or value for name, value in ours.items()}
    run = wandb.init(id=said.pop("run_id"), config=values, **said)
    return Tracker(lambda metrics, step: run.log(dict(metrics), step=step), run.finish)


def _trackio(folder: Path, values: Any, key: str) -> Tracker:
    import trackio

    run = trackio.init(project=PROJECT, name=key, config=values, resume="allow")
    return Tracker(lambda metrics, step: run.log(dict(metrics), step=step), trackio.finish)


def _tensorboard(folder: Path, values: Any, key: str) -> Tracker:
    from torch.utils.tensorboard import SummaryWriter

    del values, key
    writer = SummaryWriter(str(folder / "tensorboard"))

    def add(metrics: Mapping[str, Any], step: int | None) -> None:
        for name, value in metrics.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                writer.add_scalar(name, value, step)
        writer.flush()

    return Tracker(add, writer.close)


_OPEN: dict[str, Callable[[Path, Any, str], Tracker]] = {
    "wandb": _wandb,
    "trackio": _trackio,
    "tensorboard": _tensorboard,
}
