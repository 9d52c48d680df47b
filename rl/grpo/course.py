"""One run from its config: data, rewards, model, the run folder and what ends in it."""

import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, PrinterCallback
from transformers.utils import logging as transformers_logging
from trl import GRPOConfig

from common.config import config_hash
from common.runs.folder import Run, write_json
from common.weights import find_model
from rl.grpo.journal import Journal, forget_after
from rl.grpo.rows import build_data, dataset
from rl.grpo.trainer import RewardTrainer, last_checkpoint
from rl.grpo.trl_options import trainer_options
from rl.rewards.base import Stopped
from rl.rewards.kinds import open_rewards
from rl.scoring.config import replace_text

if TYPE_CHECKING:
    from rl.grpo.config import RLConfig

log = logging.getLogger("repro.rl")


def run_hash(config: "RLConfig") -> str:
    """The config's hash, the same wherever the run folder is: paths inside it do not count."""
    values = replace_text(config.model_dump(mode="json"), config.out, "{out}")
    return config_hash(type(config).model_validate(values))


def train(config: "RLConfig") -> dict[str, Any]:
    """Run or continue a training run; returns its summary, which `done.json` holds too.

    Raises:
        Stopped: a metric went beyond its bound, or too many completions could not be scored.
        ValueError: the folder holds a run of another config, or what the config names is not there.
    """
    out = Path(config.out)
    fingerprint = run_hash(config)
    state = process_state()
    finished = _finished(out, fingerprint)
    if finished:
        log.info("%s is finished", out)
        return finished
    tokenizer = AutoTokenizer.from_pretrained(find_model(config.model))
    with state.main_process_first():
        figures = build_data(config, out / "data", tokenizer)
    train_rows, dropped = dataset(out / "data" / "train.jsonl", config, tokenizer)
    eval_rows = dataset(out / "data" / "eval.jsonl", config, tokenizer)[0] if config.data.eval_rows else None
    figures |= {"train_rows": len(train_rows), "prompts_over_length": dropped}
    options = trainer_options(config, state.num_processes, cpu=state.device.type == "cpu")
    wanted = config.prompts_per_step * config.updates_per_generation
    if len(train_rows) < wanted:
        raise ValueError(
            f"{len(train_rows)} training rows do not fill one batch of {wanted} prompts (prompts_per_step x "
            "updates_per_generation); give more rows, or smaller batches"
        )
    found = last_checkpoint(Path(options.output_dir))
    checkpoint = str(found) if found else None
    options.eval_on_start = options.eval_on_start and checkpoint is None  # that step was evaluated before it was saved
    if state.is_main_process:
        _prepare_folder(out, fingerprint, checkpoint)
    run = Run(out, config, seed=config.seed) if state.is_main_process else None
    journal = Journal(run, config)
    trainer = open_trainer(config, out, options, tokenizer, train_rows, eval_rows, journal)
    if checkpoint:
        trainer.restore(checkpoint)
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
        if journal.stopped:
            raise Stopped(journal.stopped)
        if trainer.state.global_step < config.max_steps:
            raise Stopped(f"training ended at step {trainer.state.global_step} of {config.max_steps}")
        return _finish(config, trainer, tokenizer, out, fingerprint, figures)
    finally:
        if trainer.baselines:
            trainer.baselines.file()
        if run:
            run.close()


def evaluate(config: "RLConfig") -> dict[str, float]:
    """Score `config.model` on the held-out rows, into `{out}/val_only`; the metrics, which `eval.json` holds too.

    Raises:
        ValueError: the config holds no rows out, or what it names is not there.
    """
    if not config.data.eval_rows:
        raise ValueError("val_only evaluates held-out rows, and data.eval_rows is 0")
    state = process_state()
    out = Path(config.out) / "val_only"
    tokenizer = AutoTokenizer.from_pretrained(find_model(config.model))
    with state.main_process_first():
        build_data(config, Path(config.out) / "data", tokenizer)
    rows, _ = dataset(Path(config.out) / "data" / "eval.jsonl", config, tokenizer)
    apart = config.model_copy(update={"out": str(out)})
    options = trainer_options(apart, state.num_processes, cpu=state.device.type == "cpu")
    run = None
    if state.is_main_process:
        for name in ("metrics.jsonl", "samples.jsonl"):
            (out / name).unlink(missing_ok=True)
        run = Run(out, config, seed=config.seed)
    trainer = open_trainer(config, out, options, tokenizer, rows, rows, Journal(run, config))
    try:
        metrics = trainer.evaluate()
    finally:
        if trainer.baselines:
            trainer.baselines.file()
        if run:
            run.close()
    if state.is_main_process:
        write_json(out / "eval.json", metrics)
    return metrics


def process_state() -> Any:
    """The processes of this launch, and what every run silences."""
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")  # transformers' own use of it
    return PartialState(cpu=not torch.cuda.is_available())


def open_trainer(
    config: "RLConfig",
    out: Path,
    options: GRPOConfig,
    tokenizer: PreTrainedTokenizerBase,
    train_rows: Dataset,
    eval_rows: Dataset | None,
    journal: Journal,
) -> RewardTrainer:
    """The trainer of a run, with its rewards and callbacks."""
    rewards = open_rewards(config.rewards)
    model = AutoModelForCausalLM.from_pretrained(
        find_model(config.model), dtype=torch.float32, attn_implementation=config.attention
    )
    trainer = RewardTrainer(
        config,
        rewards,
        out,
        model=model,
        args=options,
        train_dataset=train_rows,
        eval_dataset=eval_rows,
        processing_class=tokenizer,
        callbacks=[journal],
    )
    trainer.remove_callback(PrinterCallback)
    started = PartialState().num_processes
    if trainer.accelerator.num_processes != started:
        raise RuntimeError(f"{started} processes, but the trainer sees {trainer.accelerator.num_processes}")
    return trainer


def _finished(out: Path, fingerprint: str) -> dict[str, Any]:
    for name in ("done.json", "started.json"):
        path = out / name
        if not path.is_file():
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["config_hash"] != fingerprint:
            raise ValueError(f"{out} holds a run of another config; give another out, or remove it")
        if name == "done.json":
            return found
    return {}


def _prepare_folder(out: Path, fingerprint: str, checkpoint: str | None) -> None:
    write_json(out / "started.json", {"config_hash": fingerprint})
    step = int(checkpoint.rpartition("-")[2]) if checkpoint else 0
    for name in ("metrics.jsonl", "samples.jsonl"):
        if checkpoint:
            forget_after(out / name, step)
        else:
            (out / name).unlink(missing_ok=True)  # of a run cut off before its first checkpoint


def _finish(
    config: "RLConfig",
    trainer: RewardTrainer,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    fingerprint: str,
    figures: dict[str, Any],
) -> dict[str, Any]:
    trainer.save_model(str(out / "export"))
    history = [row for row in trainer.state.log_history if "eval_reward" in row]
    summary = {
        "config_hash": fingerprint,
        "steps": trainer.state.global_step,
        "data": figures,
        "best_step": int(str(trainer.state.best_model_checkpoint).rpartition("-")[2])
        if trainer.state.best_model_checkpoint
        else trainer.state.global_step,
        "eval_reward": {row["step"]: row["eval_reward"] for row in history},
    }
    if trainer.accelerator.is_main_process:
        tokenizer.save_pretrained(out / "export")
        (out / "export" / "training_args.bin").unlink(missing_ok=True)  # a pickle; nothing here reads it
        write_json(out / "done.json", summary)
    return summary
