"""One run from its config: data, rewards, model, the run folder and what ends in it."""

import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, PrinterCallback
from transformers.utils import logging as transformers_logging
from trl import GRPOConfig

from common.command import describe
from common.config import config_hash
from common.runs.folder import Run, write_json
from common.runs.hold import hold
from common.runs.protocol import begin, finish, finished
from common.weights import find_model, model_identity
from eval.likelihood.spans import answer_lead
from pretrain.training.memory import WHOLE
from rl.adapters import adapter_of, base_options, merged, peft_config
from rl.grpo.check import check_lengths, check_stop
from rl.grpo.journal import Journal, forget_after
from rl.grpo.rows import build_data, dataset
from rl.grpo.trainer import RewardTrainer, last_checkpoint
from rl.grpo.trl_options import trainer_options
from rl.rewards.base import Stopped
from rl.rewards.kinds import open_rewards
from rl.rewards.likelihood import LikelihoodConfig
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
    with hold(config.out):
        return _train(config, Path(config.out), run_hash(config))


def _train(config: "RLConfig", out: Path, fingerprint: str) -> dict[str, Any]:
    state = process_state()
    done = finished(out, fingerprint)
    if done:
        log.info("%s is finished", out)
        return done
    tokenizer = AutoTokenizer.from_pretrained(find_model(config.model))
    _check_template(config, tokenizer)
    figures = _built(config, out / "data", tokenizer)
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
        with journal.shown:
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
    with hold(config.out):
        return _evaluate(config, Path(config.out) / "val_only")


def _evaluate(config: "RLConfig", out: Path) -> dict[str, float]:
    state = process_state()
    fingerprint = f"{run_hash(config)}-{model_identity(find_model(config.model))[-16:]}"
    if finished(out, fingerprint):
        log.info("%s is finished", out)
        return json.loads((out / "eval.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(find_model(config.model))
    _check_template(config, tokenizer)
    config, data = _data_of_evaluation(config, out)
    _built(config, data, tokenizer)
    rows, _ = dataset(data / "eval.jsonl", config, tokenizer)
    apart = config.model_copy(update={"out": str(out)})
    options = trainer_options(apart, state.num_processes, cpu=state.device.type == "cpu")
    run = None
    if state.is_main_process:
        begin(out, fingerprint)
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
    if "eval_reward" not in metrics:
        raise Stopped(f"not one held-out completion could be scored; {out}/samples.jsonl says why")
    if state.is_main_process:
        write_json(out / "eval.json", metrics)
        finish(out, fingerprint, {"rows": len(rows)})
    return metrics


def _data_of_evaluation(config: "RLConfig", out: Path) -> tuple["RLConfig", Path]:
    """Where the held-out rows are: those of the run, if it has them already, else in a folder of the evaluation's own.

    A finished run's data is what it was trained on, and an evaluation never writes there.
    """
    own = Path(config.out) / "data"
    file = own / "data.json"
    if file.is_file() and json.loads(file.read_text(encoding="utf-8"))["config_hash"] == config_hash(config.data):
        return config, own
    values = config.model_dump(mode="json")
    moved = {name: replace_text(values[name], config.out, str(out)) for name in ("data", "rewards")}
    return type(config).model_validate({**values, **moved}), out / "data"


def _check_template(config: "RLConfig", tokenizer: PreTrainedTokenizerBase) -> None:
    """What a chat template may get wrong, before a model loads: lengths, the end of a turn, the place of an answer."""
    check_lengths(config)
    check_stop(tokenizer, config.model)
    if any(isinstance(reward, LikelihoodConfig) for reward in config.rewards):
        answer_lead(tokenizer)


def _built(config: "RLConfig", folder: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """The data's figures; the first process builds it, and what goes wrong there is every process's one line."""
    state = PartialState()
    found: list[Any] = [None, ""]
    if state.is_main_process:
        try:
            found[0] = build_data(config, folder, tokenizer)
        except (ValueError, OSError) as error:
            if state.num_processes == 1:
                raise
            found[1] = describe(error)
    if state.num_processes > 1:
        broadcast_object_list(found)
    if found[1]:
        raise ValueError(found[1])
    return found[0]


def process_state() -> Any:
    """The processes of this launch, and what every run silences."""
    transformers_logging.disable_progress_bar()
    # transformers, and TRL around sampling, use old names themselves
    warnings.filterwarnings("ignore", r"`(is_)?gradient_checkpointing(_disable|_enable)?` is deprecated")
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
        find_model(config.model), attn_implementation=config.attention, **base_options(config.adapter, config.precision)
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
        peft_config=peft_config(config.adapter),
    )
    gather_once(trainer.accelerator, sum(parameter.numel() for parameter in model.parameters()))
    trainer.remove_callback(PrinterCallback)
    started = PartialState().num_processes
    if trainer.accelerator.num_processes != started:
        raise RuntimeError(f"{started} processes, but the trainer sees {trainer.accelerator.num_processes}")
    return trainer


def gather_once(accelerator: Any, parameters: int) -> None:
    """Let FSDP2 keep a small policy's weights whole from the forward to the backward pass: gathered once for both.

    The reference, which has no backward pass, is sharded by now and stays so.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and plugin.fsdp_version == 2 and parameters <= WHOLE:
        plugin.reshard_after_forward = False


def _prepare_folder(out: Path, fingerprint: str, checkpoint: str | None) -> None:
    begin(out, fingerprint)
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
    if config.adapter is None:
        trainer.save_model(str(out / "export"))
    elif trainer.accelerator.is_main_process:
        merged(adapter_of(trainer.model), config.model, out / "adapter").save_pretrained(out / "export")
    history = [row for row in trainer.state.log_history if "eval_reward" in row]
    summary = {
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
        finish(out, fingerprint, summary)
    return {"config_hash": fingerprint, **summary}
