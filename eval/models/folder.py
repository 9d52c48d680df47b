"""From what a user names (a Hugging Face folder, a pretraining run and a checkpoint of it) to a Hugging Face folder."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from common.runs.folder import write_json
from common.shipped import configs_folder
from common.weights import fetch_model
from common.weights import find_model as hub_or_folder

ROOT = Path(__file__).parents[2]
MODELS = configs_folder() / "pretrain" / "models"


@dataclass(frozen=True)
class ModelSource:
    """What will be evaluated: a Hugging Face folder, a hub's model to be fetched, or a checkpoint to be exported."""

    folder: str | None = None
    hub: str | None = None
    """`owner/name[@REVISION]` of a model on a hub, not fetched yet."""

    checkpoint: str | None = None
    model_config: str | None = None
    """Shape of the model behind an open_lm `.pt` file, where its tensors do not tell."""

    def __str__(self) -> str:
        """The path, as `--dry-run` shows it."""
        return self.folder or (f"{self.hub} on the hub" if self.hub else f"{self.checkpoint} (to be exported)")


def find_model(model: str, method: str, checkpoint: str, logs: str) -> ModelSource:
    """Find what the command line names, without loading it.

    Args:
        model: Hugging Face folder, hub id or pretraining run; with a method, a name in `configs/pretrain/models`.
        method: name of a run below `logs`, or the path of a run, a checkpoint or a Hugging Face folder.
        checkpoint: step number, `last`, or the path of a checkpoint, an `epoch_N.pt` or a Hugging Face folder.
        logs: folder of runs.

    Raises:
        ValueError: nothing is named, or what is named is not there.
    """
    if not model and not method:
        raise ValueError("name what to evaluate: model=FOLDER, or method=RUN checkpoint=STEP")
    shape = _shape_file(model) if method and model else None
    if checkpoint != "last" and Path(checkpoint).exists():
        return _source(Path(checkpoint), shape)
    place = Path(method or model)
    if method and not place.exists():
        place = Path(logs) / method
    if not place.exists() and not method and "/" in model:
        return ModelSource(hub=hub_or_folder(model, fetch=False))
    if not place.exists():
        raise ValueError(f"no model at {place}{_runs_there(logs) if method else ''}")
    if place.is_file() or _is_model(place) or (place / ".metadata").exists():
        return _source(place, shape)
    return _of_run(place, checkpoint, shape)


def _source(path: Path, shape: str | None) -> ModelSource:
    if path.is_dir() and _is_model(path):
        return ModelSource(folder=str(path))
    if path.suffix == ".pt" or (path / ".metadata").exists():
        return ModelSource(checkpoint=str(path), model_config=shape)
    raise ValueError(f"{path} is no Hugging Face folder (config.json), no checkpoint folder and no .pt file")


def _of_run(run: Path, checkpoint: str, shape: str | None) -> ModelSource:
    saved = run / "checkpoints"
    steps = {int(one.parent.name.removeprefix("step_")): one.parent for one in saved.glob("step_*/.metadata")}
    epochs = {int(one.stem.removeprefix("epoch_")): one for one in saved.glob("epoch_*.pt")}
    if checkpoint == "last":
        export = run / "export"
        newest = steps[max(steps)] if steps else epochs[max(epochs)] if epochs else None
        if _is_model(export) and (newest is None or _written(export / "config.json") >= _written(newest)):
            return ModelSource(folder=str(export))
        if newest is not None:
            return ModelSource(checkpoint=str(newest), model_config=shape)
        raise ValueError(f"{run} holds no model: no config.json, no export and no checkpoints")
    number = int(checkpoint) if checkpoint.isdigit() else -1
    found = steps.get(number) or epochs.get(number)
    if found is None:
        there = ", ".join(str(one) for one in sorted({*steps, *epochs})) or "none"
        raise ValueError(f"{run} has no checkpoint {checkpoint}; it has: {there}")
    return ModelSource(checkpoint=str(found), model_config=shape)


def _shape_file(model: str) -> str | None:
    """The file behind `model=NAME` of the form with a method."""
    for path in (Path(model), MODELS / f"{model}.yaml"):
        if path.is_file():
            return str(path)
    return None


def _is_model(path: Path) -> bool:
    try:
        return "model_type" in json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _written(path: Path) -> float:
    return (path / ".metadata" if path.is_dir() else path).stat().st_mtime


def _runs_there(logs: str) -> str:
    names = sorted(path.name for path in Path(logs).glob("*") if path.is_dir()) if Path(logs).is_dir() else []
    return f"; runs in {logs}: {', '.join(names[:8])}" if names else f"; {logs} holds no runs"


def export(source: ModelSource, target: Path) -> str:
    """The Hugging Face folder of a source; a checkpoint is exported to `target`, once.

    Raises:
        ValueError: the hub does not give the model.
        RuntimeError: the export failed; its last line says why.
    """
    if source.folder:
        return source.folder
    if source.hub:
        return fetch_model(source.hub)
    checkpoint = Path(source.checkpoint or "")
    mark = target / "exported_from.json"
    wanted = {"checkpoint": str(checkpoint.resolve()), "written": _written(checkpoint), "model": source.model_config}
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == wanted:
        return str(target)
    # Both folders are this function's own: what another checkpoint or a kill left there goes.
    between, draft = target.with_name("checkpoint"), target.with_name(f".{target.name}.draft")
    for folder in (between, draft):
        shutil.rmtree(folder, ignore_errors=True)
    if checkpoint.suffix == ".pt":
        _convert("from-open-lm", str(checkpoint), *([source.model_config] if source.model_config else []), str(between))
        checkpoint = between
    _convert("to-hf", str(checkpoint), str(draft))
    write_json(draft / mark.name, wanted)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    shutil.rmtree(between, ignore_errors=True)
    return str(target)


def _convert(*arguments: str) -> None:
    # A command, not a call: `eval` does not import `pretrain`.
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "pretrain.export", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise RuntimeError(f"pretrain.export {' '.join(arguments)} failed: {lines[-1]}")
