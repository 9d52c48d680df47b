"""The record a run leaves, with DCLM's fields, so that its result can be compared and submitted."""

import time
import uuid
from typing import Any

from common.config import read_mapping
from common.runs.folder import read_metrics, write_json
from pretrain.checkpoints.folder import latest
from pretrain.training.config import PretrainConfig
from pretrain.training.job import Job

FILE = "record.json"


def read_record(job: Job) -> dict[str, Any]:
    """The run's record, empty if there is none yet."""
    file = job.folder / FILE
    return read_mapping(file) if file.is_file() else {}


def _hyperparameters(config: PretrainConfig, job: Job) -> dict[str, Any]:
    """DCLM's keys for what was chosen."""
    return {
        "model": config.model,
        "tokens": job.tokens,
        "warmup": config.warmup,
        "lr": config.lr,
        "wd": config.wd,
        "cd": config.cd,
        "global_bs": config.global_bs,
        "acc": config.acc,
        "qk_norm": job.model.qk_norm if job.model else None,
        "z_loss": config.z_loss,
        "grad_clip": config.grad_clip,
        "precision": config.precision,
        "seed": config.seed,
        "params": job.counts.published if job.counts else None,
        "params_no_embed": job.counts.no_embed if job.counts else None,
        "chinchilla_multiplier": config.chinchilla_multiplier,
    }


def write_record(config: PretrainConfig, job: Job, outcome: dict[str, Any], error: str | None = None) -> None:
    """Write `<run>/record.json`.

    DCLM's keys come first (name, dataset_name, dataset_uuid, hyperparameters, checkpoint_url, open_lm_version,
    open_lm_args, results, params_url, uuid, creation_date, failed, error), then ours: status, step, tokens, FLOPs,
    hours, speed, data digest.

    Args:
        config: the run.
        job: its numbers.
        outcome: status, and what the trainer measured.
        error: the traceback of a run that failed.
    """
    rows = [row for row in read_metrics(job.folder) if "loss" in row]
    last = rows[-1] if rows else {}
    checkpoint = latest(job.folder)
    step = outcome.get("step", last.get("step", 0))
    tokens = step * config.global_bs * job.seq_len
    record: dict[str, Any] = {
        "name": job.name,
        "dataset_name": job.data.name,
        "dataset_uuid": job.data.uuid,
        "hyperparameters": _hyperparameters(config, job),
        "checkpoint_url": str(checkpoint.relative_to(job.folder)) if checkpoint else None,
        "open_lm_version": None,  # open_lm did not train this
        "open_lm_args": None,
        "results": {key: last.get(key) for key in ("loss", "z_loss", "grad_norm")} | _validation(job),
        "params_url": "config.yaml",
        "uuid": read_record(job).get("uuid") or str(uuid.uuid4()),
        "creation_date": time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime()),
        "failed": error is not None,
        "error": error,
        "status": outcome["status"],
        "step": step,
        "steps": job.steps,
        "tokens_trained": tokens,
        "passes": job.cursor.passes(step * config.global_bs),
        "dataset_digest": job.digest,
        "milestones": sorted(job.milestones),
    }
    if error is None:
        record |= {
            "flops": outcome["flops_per_token"] * tokens,
            "tok_s": outcome["tok_s"],
            "tok_s_per_gpu": outcome["tok_s_per_gpu"],
            "mfu": outcome["mfu"],
            "memory_gib": outcome["memory_gib"],
            "world": outcome["world"],
        }
    write_json(job.folder / FILE, record)


def _validation(job: Job) -> dict[str, float]:
    """The last value of every validation metric."""
    found: dict[str, float] = {}
    for row in read_metrics(job.folder):
        found |= {key: value for key, value in row.items() if key.startswith("val/")}
    return found
