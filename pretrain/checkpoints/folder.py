"""Where a run's checkpoints are and which are complete; needs no torch.

`<run>/checkpoints/step_00000100/` holds the DCP files (model, optimizer, optionally an average), `trainer.json` (step,
cursor, history, identity) and `model.json` (what to build for these weights). It is written beside its name and
renamed, so a kill at any moment leaves the one before as the latest.
"""

import json
from pathlib import Path
from typing import Any

FOLDER = "checkpoints"


def steps_saved(run: str | Path) -> dict[int, Path]:
    """The complete checkpoints of a run by step, in order."""
    found = sorted(Path(run, FOLDER).glob("step_*"))
    return {int(folder.name.removeprefix("step_")): folder for folder in found if (folder / ".metadata").exists()}


def latest(run: str | Path) -> Path | None:
    """The last complete checkpoint of a run."""
    saved = steps_saved(run)
    return saved[max(saved)] if saved else None


def trainer_state(checkpoint: str | Path) -> dict[str, Any]:
    """A checkpoint's `trainer.json`."""
    return json.loads(Path(checkpoint, "trainer.json").read_text(encoding="utf-8"))
