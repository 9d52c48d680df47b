"""Whether a checkpoint is complete: one definition, a marker written last, for every trainer.

The marker holds the size of every file, so a folder that lost a part or was cut short does not count. Folders of
versions before the marker count by what those versions looked at. Removal renames first, so that nothing half-removed
stays under a checkpoint's name.
"""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from common.runs.folder import write_json

log = logging.getLogger("repro.checkpoints")

MARKER = "complete.json"


def mark_complete(folder: Path) -> None:
    """Write the marker: the last thing that is written into a checkpoint."""
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    write_json(folder / MARKER, {"files": files})


def is_complete(folder: Path, unmarked: Callable[[Path], bool]) -> bool:
    """Whether a folder holds all that was written into it.

    Args:
        folder: the checkpoint.
        unmarked: says so for a checkpoint of a version that wrote no marker.
    """
    marker = folder / MARKER
    try:
        if not marker.is_file():
            return folder.is_dir() and unmarked(folder)
        wanted = json.loads(marker.read_text(encoding="utf-8"))["files"]
        found = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all(found.get(name) == size for name, size in wanted.items())


def newest_complete(folders: Sequence[Path], unmarked: Callable[[Path], bool]) -> Path | None:
    """The last complete one of checkpoints in order; those behind it that are not are named in the log."""
    for folder in reversed(folders):
        if is_complete(folder, unmarked):
            return folder
        log.warning("%s is not complete and is passed over", folder)
    return None


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint so that a kill on the way leaves nothing under its name."""
    leaving = folder.with_name(f".leaving-{folder.name}")
    shutil.rmtree(leaving, ignore_errors=True)
    folder.rename(leaving)
    shutil.rmtree(leaving)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARKER]
