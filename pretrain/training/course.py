"""One run from start or checkpoint to its record: folder, metrics, export."""

import json
import shutil
import traceback
from typing import Any

from common.command import usage_errors
from common.pools.storage import atomic_write
from common.runs.folder import Run, read_metrics
from common.runs.hold import hold
from common.runs.processes import launched
from common.runs.tracking import check_tracker
from pretrain.training.config import PretrainConfig
from pretrain.training.core_scores import check_tasks, core_scores
from pretrain.training.job import Job
from pretrain.training.record import read_record, write_record


def run_job(config: PretrainConfig, job: Job) -> None:
    """Train, and leave a record of the run whether it finishes or fails."""
    from pretrain.training.parallel import check_device

    with usage_errors():
        check_device(config)
        check_tasks(config, job)
        check_tracker(config)
    if config.benchmark:
        _print_benchmark(config, job, train_job(config, job, None))
        return
    with hold(job.folder):
        _run(config, job)


def _run(config: PretrainConfig, job: Job) -> None:
    with usage_errors():
        begun = _begun(config, job)
    if begun == job.steps and read_record(job).get("status") == "finished":
        print(f"{job.name}: already trained to step {job.steps}")  # noqa: T201 - the command's output
        _export(config, job)
    elif launched()[0]:
        train_job(config, job, None)
    else:
        _open_folder(config, job, begun)
        print(f"{job.name}: step {begun} of {job.steps}", flush=True)  # noqa: T201 - the command's output
        with Run(job.folder, config, seed=config.seed) as run:
            try:
                outcome = train_job(config, job, run)
            except Exception:
                write_record(config, job, {"status": "failed"}, error=traceback.format_exc())
                raise
        write_record(config, job, outcome)
        print(f"{job.name}: {outcome['status']} at step {outcome['step']}")  # noqa: T201 - the command's output
        if outcome["status"] == "finished":
            _export(config, job)


def _export(config: PretrainConfig, job: Job) -> None:
    """The finished run's Hugging Face folder, if it is asked for and not there yet: a kill may have come between."""
    if not config.export or launched()[0]:
        return
    from pretrain.checkpoints.folder import latest

    done, checkpoint = job.folder / "export" / "config.json", latest(job.folder)
    if checkpoint and done.is_file() and done.stat().st_mtime_ns > (checkpoint / "trainer.json").stat().st_mtime_ns:
        return
    from pretrain.checkpoints.hugging_face import to_hf

    to_hf(str(job.folder), str(job.folder / "export"))


def train_job(config: PretrainConfig, job: Job, run: Run | None = None) -> dict[str, Any]:
    """Train on the devices there are, without checks and records; status, step, speed, memory, and the losses' path.

    Args:
        config: the run.
        job: its numbers and data.
        run: where the first process logs; None logs nothing.
    """
    from pretrain.training.build import build_model
    from pretrain.training.parallel import open_devices
    from pretrain.training.trainer import Trainer

    with open_devices(config) as devices:
        model, description = build_model(config, job, devices.device)
        trainer = Trainer(config, job, model, description, devices)
        status = trainer.train(run.log if run else None, core_scores(config, job))
        return {"status": status, "step": trainer.next_step, **trainer.totals()}


def _begun(config: PretrainConfig, job: Job) -> int:
    """The step that the run folder's latest checkpoint is at, 0 without one.

    Raises:
        ValueError: it was made with another config or other data.
    """
    from pretrain.checkpoints.folder import latest, trainer_state

    found = latest(job.folder) if config.resume else None
    if found is None:
        return 0
    state = trainer_state(found)
    if state["identity"] != job.identity and not config.accept_changes:
        raise ValueError(
            f"{job.folder} was begun with another config or other data; give another name, resume=false to start over, "
            "or accept_changes=true"
        )
    return state["step"]


def _open_folder(config: PretrainConfig, job: Job, begun: int) -> None:
    """Drop what a start over or a kill left behind the point that training continues from."""
    from pretrain.checkpoints.folder import FOLDER

    metrics = job.folder / "metrics.jsonl"
    if not config.resume:
        shutil.rmtree(job.folder / FOLDER, ignore_errors=True)
        metrics.unlink(missing_ok=True)
    rows = read_metrics(job.folder)
    # What was measured at the checkpoint's own step may have been cut off by a kill: it is measured again.
    kept = [row for row in rows if row.get("step", 0) < begun or (row.get("step", 0) == begun and "loss" in row)]
    if metrics.exists():
        with atomic_write(str(metrics)) as target:
            target.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept).encode())


def _print_benchmark(config: PretrainConfig, job: Job, outcome: dict[str, Any]) -> None:
    if launched()[0]:
        return
    if not outcome["tok_s"]:
        print("one step has no speed of its own; give benchmark=2 or more")  # noqa: T201 - the command's output
        return
    hours = job.steps * config.global_bs * job.seq_len / outcome["tok_s"] / 3600
    mfu = f"{outcome['mfu']:.1%}" if outcome["mfu"] else "no peak known for this device"
    print(  # noqa: T201 - the command's output
        f"{outcome['step']} steps: {outcome['tok_s']:,.0f} tok/s, MFU {mfu}, {outcome['memory_gib']:.1f} GiB; "
        f"the {job.steps:,} steps of this run would take {hours:,.2f} h"
    )
