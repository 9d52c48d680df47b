"""How far an SFT run folder is: what it was begun with, its checkpoints, what a kill left behind."""

import hashlib
import json
import shutil
from pathlib import Path

from common.config import config_hash
from common.runs.checkpoints import newest_complete
from common.runs.protocol import DONE, STARTED, begin, finished
from common.weights import find_model, model_identity
from rl.grpo.journal import forget_after
from rl.scoring.config import replace_text
from rl.sft.config import SFTRunConfig


def begun_with(config: SFTRunConfig) -> str:
    """A hash of the config, of the bytes of its rows and of the model that it starts from; not of where it lies."""
    values = replace_text(config.model_dump(mode="json"), config.out, "{out}")
    digest = hashlib.sha256(config_hash(SFTRunConfig.model_validate(values)).encode())
    for path in [*config.files(), *config.eval_data]:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    if config.model.endswith(".json"):
        digest.update(Path(config.model).read_bytes())
    else:
        digest.update(model_identity(find_model(config.model)).encode())
    return digest.hexdigest()[:16]


def of_before(out: Path, config: SFTRunConfig) -> bool:
    """Whether a version without `done.json` has finished this run; its config alone tells.

    Raises:
        ValueError: it has finished another one: its export is not overwritten.
    """
    if (out / STARTED).is_file() or not (out / "export" / "config.json").is_file():
        return False
    file = out / "run.json"
    if file.is_file() and json.loads(file.read_text(encoding="utf-8"))["config_hash"] == config_hash(config):
        return True
    raise ValueError(f"{out}/export is of another run; give another out, or resume=false to start over there")


def last_checkpoint(out: Path) -> Path | None:
    """The newest complete checkpoint."""
    found = sorted(out.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return newest_complete(found, lambda one: "global_step" in json.loads((one / "trainer_state.json").read_text()))


def prepare(out: Path, fingerprint: str) -> None:
    """Begin a run folder, or drop the metrics behind the checkpoint that the run goes on from."""
    out.mkdir(parents=True, exist_ok=True)
    finished(out, fingerprint)  # refuses another run
    begin(out, fingerprint)
    checkpoint = last_checkpoint(out)
    if checkpoint:
        forget_after(out / "metrics.jsonl", int(checkpoint.name.rpartition("-")[2]))
    else:
        (out / "metrics.jsonl").unlink(missing_ok=True)


def start_over(out: Path) -> None:
    """Remove what an earlier run left in a folder."""
    for name in (DONE, STARTED, "metrics.jsonl"):
        (out / name).unlink(missing_ok=True)
    for folder in [out / "export", *out.glob("checkpoint-*")]:
        shutil.rmtree(folder, ignore_errors=True)
