"""Where a run's checkpoints are and which are complete; needs no torch.

`<run>/checkpoints/step_00000100/` holds the DCP files (model, optimizer, optionally an average), `trainer.json` (step,
cursor, history, identity) and `model.json` (what to build for these weights). It is written beside its name and
renamed, so a kill at any moment leaves the one before as the latest.
"""

import json
from pathlib import Path
from typing import Any

from common.runs.checkpoints import is_complete, newest_complete

FOLDER = "checkpoints"


def steps_saved(run: str | Path) -> dict[int, Path]:
    """The complete checkpoints of a run by step, in order."""
    found = sorted(Path(run, FOLDER).glob("step_*"))
    return {int(folder.name.removeprefix("step_")): folder for folder in found if whole(folder)}


def latest(run: str | Path) -> Path | None:
    """The last complete checkpoint of a run; those behind it that are not complete are named in the log."""
    return newest_complete(sorted(Path(run, FOLDER).glob("step_*")), _whole_without_marker)


def whole(checkpoint: Path) -> bool:
    """Whether a checkpoint is complete; see `common.runs.checkpoints`."""
    return is_complete(checkpoint, _whole_without_marker)


def _whole_without_marker(checkpoint: Path) -> bool:
    return (checkpoint / ".metadata").exists() and "step" in trainer_state(checkpoint)


def trainer_state(checkpoint: str | Path) -> dict[str, Any]:
    """A checkpoint's `trainer.json`."""
    return json.loads(Path(checkpoint, "trainer.json").read_text(encoding="utf-8"))
