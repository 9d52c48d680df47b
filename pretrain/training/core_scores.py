"""CORE on a few rows of each task while a model trains: `eval.core.evaluate` on the module that is being trained."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.command import WorkFailed
from pretrain.training.config import PretrainConfig
from pretrain.training.job import Job

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger("repro.pretrain")

CoreScores = Callable[["nn.Module"], dict[str, float]]
"""A module's metrics; under torch.distributed every process calls it."""


def check_tasks(config: PretrainConfig, job: Job) -> None:
    """Read the task files before a model is made.

    Raises:
        ValueError: an unknown task, no task files, or a set whose tokenizer is not known.
    """
    if not config.eval_every_steps:
        return
    from eval.core.entries import entries_of
    from eval.core.files import find_files

    find_files(entries_of(config.eval_tasks), config.eval_data)
    if job.tokenizer is None or not Path(job.tokenizer).exists():
        raise ValueError(f"eval_every_steps needs a tokenizer, and {job.data.name} names none that is here")


def core_scores(config: PretrainConfig, job: Job) -> CoreScores | None:
    """What the trainer calls every `eval_every_steps`; None without them."""
    if not config.eval_every_steps:
        return None
    from transformers import AutoTokenizer

    from eval.core.evaluate import evaluate

    place = Path(str(job.tokenizer))
    tokenizer = AutoTokenizer.from_pretrained(place.parent if place.suffix == ".json" else place)
    return partial(
        _scores,
        evaluate=partial(
            evaluate,
            tokenizer=tokenizer,
            tasks=config.eval_tasks,
            data=config.eval_data,
            limit=config.eval_limit,
            seq_len=job.seq_len,
        ),
    )


def _scores(model: "nn.Module", evaluate: Callable[["nn.Module"], dict[str, Any]]) -> dict[str, float]:
    """`core/<entry>` accuracies; `Core_v2`, or of a part `core_partial/mean_v2` and `core_partial/n`.

    Nothing, with a warning, where a row cannot be scored (the model's numbers are not finite): that ends no training.
    """
    try:
        record = evaluate(model)
    except WorkFailed as error:
        log.warning("CORE is not measured here: %s", error)
        return {}
    values = {f"core/{name}": accuracy for name, accuracy in record["eval_metrics"]["icl"].items()}
    if isinstance(record["Core_v2"], float):
        return {**values, "Core_v2": record["Core_v2"]}
    part = record.get("core_partial", {})
    return values | {f"core_partial/{name}": part[name] for name in ("mean_v2", "n") if name in part}
