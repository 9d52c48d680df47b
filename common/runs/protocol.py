"""How far a run folder is: what it was begun for, and whether it is finished; one protocol for every stage.

`started.json` holds the fingerprint of what the run was begun with, `done.json` the same and the run's summary. Another
run in the same folder is refused; the same one goes on; a finished one is found finished.
"""

import json
from pathlib import Path
from typing import Any

from common.runs.folder import write_json

STARTED, DONE = "started.json", "done.json"


def finished(out: Path, fingerprint: str) -> dict[str, Any]:
    """The summary of a finished run; empty if it has yet to be run, or to go on.

    Raises:
        ValueError: the folder holds another run.
    """
    for name in (DONE, STARTED):
        path = out / name
        if not path.is_file():
            continue
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["config_hash"] != fingerprint:
            raise ValueError(
                f"{out} holds a run of another config, other data or another model; give another out, or remove it"
            )
        if name == DONE:
            return found
    return {}


def begin(out: Path, fingerprint: str) -> None:
    """Say what a run folder is used for from now on."""
    write_json(out / STARTED, {"config_hash": fingerprint})


def finish(out: Path, fingerprint: str, summary: dict[str, Any]) -> None:
    """Say that a run is finished: the last thing written into its folder."""
    write_json(out / DONE, {"config_hash": fingerprint, **summary})
