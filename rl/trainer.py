"""GRPO on TRL's trainer: our rewards, our account of what each completion earned, and the run folder.

What this subclass adds to TRL 1.16's `GRPOTrainer`:
    1. A completion that one reward could not judge is left out as a whole, not scored 0 in that part.
    2. Groups whose rewards are all equal get advantages of exactly 0.
    3. Rewards know how each completion ended; every part of every reward goes to `metrics.jsonl` and `samples.jsonl`.
    4. Completions are sampled by `rl.rollout`: the same ones on any number of processes, and in every evaluation.
"""

import json
import logging
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
)
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging as transformers_logging
from trl import GRPOConfig, GRPOTrainer
from trl.models.utils import unwrap_model_for_generation

from common.config import config_hash
from common.run import Run, write_json
from rl.rewards.base import Reward, SkipLimit, Stopped, combine, failure, message_text, parts
from rl.rewards.kinds import open_rewards
from rl.rollout import sample, uniforms

if TYPE_CHECKING:
    from rl.train import RLConfig

log = logging.getLogger("repro.rl")

GENERATION_OPTIONS = {"min_p", "repetition_penalty", "generation_kwargs", "cache_implementation"}
"""TRL's options that only its own way of sampling knows."""


def group_advantages(rewards: torch.Tensor, group: int, eps: float = 1e-4) -> torch.Tensor:
    """GRPO's advantages, `A = (r - mean) / (s + eps)`, with s the sample standard deviation in the prompt's group.

    Exactly 0 for unscored completions (NaN; they are left out of mean and s), in groups of equal rewards, and in groups
    with fewer than two scored ones.

    Args:
        rewards: [P·G] totals, NaN where a completion could not be scored.
        group: G, completions per prompt.
        eps: keeps groups that hardly differ from being blown up.

    Returns:
        [P·G] advantages.
    """
    grouped = rewards.double().view(-1, group)  # [P, G]
    scored = ~grouped.isnan()
    count = scored.sum(1, keepdim=True)
    mean = grouped.nansum(1, keepdim=True) / count.clamp(min=1)
    centred = torch.where(scored, grouped - mean, 0.0)
    deviation = (centred.square().sum(1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    advantages = torch.where(deviation < 1e-6, 0.0, centred / (deviation + eps))
    return advantages.view(-1).to(rewards.dtype)


class RewardTrainer(GRPOTrainer):
    """GRPO with the rewards of a config; see the module's docstring."""

    def __init__(self, config: "RLConfig", rewards: list[Reward], run_folder: Path, **options: Any) -> None:
        super().__init__(reward_funcs=rewards, **options)
        self.config = config
        self.weights = {reward.__name__: weight for reward, weight in zip(rewards, config.reward_weights, strict=True)}
        self.samples = run_folder / "samples.jsonl"
        self.skip_limit = SkipLimit(config.max_skipped)
        self.totals = torch.empty(0)
        self.rows: list[dict[str, Any]] = []

    def _calculate_rewards(
        self, inputs: list[Any], prompts: list[Any], completions: list[Any], completion_ids_list: list[list[int]]
    ) -> torch.Tensor:
        """[world·B, rewards] as TRL has them, with the rows of failed completions all NaN."""
        ended = {*self.eos_token_ids, self._tokenizer.pad_token_id}
        completions = self._plain(completions, completion_ids_list)
        inputs = [
            {**row, "finish_reason": "stop" if ids and ids[-1] in ended else "length", "completion_tokens": len(ids)}
            for row, ids in zip(inputs, completion_ids_list, strict=True)
        ]
        values = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self.rows = gather_object(self._account(inputs, completions))
        failed = torch.tensor([bool(row["skipped"]) for row in self.rows], device=values.device)
        values[failed] = torch.nan
        weights = self.reward_weights.to(values.device)
        self.totals = torch.where(values.isnan().all(1), torch.nan, (values * weights).nansum(1))
        self._record()
        if self.model.training:
            self.skip_limit.add([row["skipped"] for row in self.rows])
        return values

    def _plain(self, completions: list[Any], completion_ids: list[list[int]]) -> list[Any]:
        """Completions as the policy wrote them: a tokenizer with a response template takes thinking out of the text."""
        parsed = getattr(self._tokenizer, "response_template", None) or getattr(
            self._tokenizer, "response_schema", None
        )
        if not parsed:
            return completions
        texts = self.processing_class.batch_decode(completion_ids, skip_special_tokens=True)
        return [[{"role": "assistant", "content": text}] for text in texts]

    def _account(self, inputs: list[Any], completions: list[Any]) -> list[dict[str, Any]]:
        """What this process's completions earned, a row each as `samples.jsonl` has it."""
        scores = {reward.__name__: reward.last for reward in self.reward_funcs}
        totals = combine(scores, self.weights)
        return [
            {
                "id": row.get("id"),
                "prompt": row["prompt"],
                "text": row.get("text"),
                "completion": message_text(completion),
                "finish_reason": row["finish_reason"],
                "tokens": row["completion_tokens"],
                "rewards": {name: found.values[index] for name, found in scores.items()},
                "parts": parts(scores, index),
                "total": totals[index],
                "skipped": failure(scores, self.weights, index),
            }
            for index, (row, completion) in enumerate(zip(inputs, completions, strict=True))
        ]

    def _record(self) -> None:
        """Metrics of this batch, and its rows to `samples.jsonl`; the same on every process but for the file."""
        mode = "train" if self.model.training else "eval"
        for name, value in batch_metrics(self.rows).items():
            self._metrics[mode][name].append(value)
        step = self.state.global_step + (mode == "train")
        if not self.accelerator.is_main_process or (mode == "train" and step % self.config.samples_every and step > 1):
            return
        with self.samples.open("a", encoding="utf-8") as target:
            for row in self.rows:
                target.write(json.dumps({"step": step, "mode": mode, **row}, ensure_ascii=False) + "\n")

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        """TRL's batch with our advantages."""
        output = super()._generate_and_score_completions(inputs)
        group = self.num_generations if self.model.training else self.num_generations_eval
        advantages = group_advantages(self.totals, group, self.config.advantage_eps)
        first = self.accelerator.process_index * len(inputs)
        output["advantages"] = advantages[first : first + len(inputs)].to(output["advantages"].dtype)
        return output

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Completions of local prompts: by `rl.rollout`, or as TRL samples where that cannot be used."""
        # FSDP gathers weights layer by layer: all processes must take the same number of steps, as TRL's way does.
        if self.use_vllm or self.is_fsdp_enabled or GENERATION_OPTIONS & self.config.trl.keys():
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)
        training = self.model.training
        group = self.num_generations if training else self.num_generations_eval
        step = self.state.global_step if training else "eval"  # evaluations at any step draw the same numbers
        first = self.accelerator.process_index * len(prompt_ids)
        keys = [
            f"{self.config.seed}:{step}:{(first + row) % group}:{','.join(map(str, ids))}"
            for row, ids in enumerate(prompt_ids)
        ]
        with unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model:
            model.eval()  # activation checkpointing would switch the cache off
            completion_ids = sample(
                model,
                prompt_ids,
                uniforms(keys, self.max_completion_length),
                self.eos_token_ids,
                self.config.temperature,
                self.config.top_p,
            )
            model.train(training)
        return completion_ids, None


def batch_metrics(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means of all numeric parts, shares of all named ones, skips by reason, and how alike the completions are."""
    numbers: dict[str, list[float]] = defaultdict(list)
    words: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for name, part in row["parts"].items():
            if isinstance(part, str):
                words[name].append(part)
            elif part is not None:
                numbers[name].append(float(part))
    metrics = {name: math.fsum(values) / len(values) for name, values in numbers.items()}
    for name, values in words.items():
        metrics |= {f"{name}/{value}": count / len(values) for value, count in sorted(Counter(values).items())}
    for reason, count in sorted(Counter(row["skipped"] for row in rows if row["skipped"]).items()):
        metrics[f"skipped/{reason}"] = count
    metrics["skipped_frac"] = sum(bool(row["skipped"]) for row in rows) / len(rows)
    copies = Counter((row["id"], row["completion"]) for row in rows)
    metrics["completions/duplicate_frac"] = 1 - len(copies) / len(rows)
    return metrics


class Journal(TrainerCallback):
    """Writes what TRL logs to the run's `metrics.jsonl`, and stops a run whose metrics say that it goes wrong."""

    def __init__(self, run: Run | None, config: "RLConfig") -> None:
        self.run, self.config = run, config
        self.beyond: Counter[str] = Counter()
        self.stopped = ""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """One line of `metrics.jsonl`; names as TRL has them."""
        logs = {name: value for name, value in (logs or {}).items() if value is not None}
        if self.run:
            self.run.log(logs, step=state.global_step)
            log.info("step %d/%d %s", state.global_step, state.max_steps, _headline(logs))
        if "reward" in logs:
            self._watch(logs, control)

    def _watch(self, logs: dict[str, Any], control: Any) -> None:
        bounds = [(name, bound, 1) for name, bound in self.config.stop_above.items()]
        bounds += [(name, bound, -1) for name, bound in self.config.stop_below.items()]
        for name, bound, sign in bounds:
            if name not in logs:
                raise ValueError(f"stop_above or stop_below names {name!r}; logged are: {', '.join(sorted(logs))}")
            self.beyond[name] = self.beyond[name] + 1 if sign * (logs[name] - bound) > 0 else 0
            if self.beyond[name] >= self.config.stop_patience:
                side = "above" if sign > 0 else "below"
                self.stopped = f"{name} was {side} {bound:g} for {self.beyond[name]} steps, last {logs[name]:.4g}"
                control.should_training_stop = True


def _headline(logs: dict[str, Any]) -> str:
    """The few metrics that a person watches."""
    shown = ("reward", "kl", "completions/mean_length", "step_time")
    known = [(name, logs.get(name, logs.get(f"eval_{name}"))) for name in shown]
    text = ", ".join(f"{name.rpartition('/')[2]} {value:.4g}" for name, value in known if value is not None)
    return f"held out: {text}" if "eval_reward" in logs else text


def trainer_options(config: "RLConfig", processes: int, cpu: bool) -> GRPOConfig:
    """TRL's options for a config; what moved between TRL versions is always set.

    Raises:
        ValueError: `trl` names an unknown option, or one that the config has itself.
    """
    own: dict[str, Any] = {
        "output_dir": str(Path(config.out) / "checkpoints"),
        "seed": config.seed,
        "max_steps": config.max_steps,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": config.min_lr_frac},
        "warmup_steps": config.warmup_frac,  # a fraction below 1 is a share of max_steps
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "per_device_train_batch_size": config.per_device_train_batch_size,
        "per_device_eval_batch_size": config.per_device_eval_batch_size,
        "gradient_accumulation_steps": config.accumulation(processes),
        "num_generations": config.num_generations,
        "num_generations_eval": config.num_generations_eval,
        "num_iterations": config.num_iterations,
        "beta": config.beta,
        "epsilon": config.epsilon,
        "loss_type": config.loss_type,
        "scale_rewards": "group",
        "reward_weights": config.reward_weights,
        "mask_truncated_completions": config.mask_truncated_completions,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": 0,
        "max_completion_length": config.max_completion_length,
        "use_vllm": config.generation != "transformers",
        "bf16": config.precision == "bf16",
        "activation_checkpointing": config.gradient_checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False},
        "use_cpu": cpu,
        "remove_unused_columns": False,
        "dataloader_pin_memory": not cpu,
        "logging_steps": 1,
        "logging_strategy": "steps",
        "report_to": "none",
        "disable_tqdm": True,
        "eval_strategy": "steps" if config.data.eval_rows else "no",
        "eval_steps": config.eval_steps,
        "eval_on_start": bool(config.data.eval_rows),
        "save_strategy": "steps",
        "save_steps": config.save_steps,
        "save_total_limit": config.save_total_limit,
        "load_best_model_at_end": config.export == "best" and bool(config.data.eval_rows),
        "metric_for_best_model": "eval_reward" if config.data.eval_rows else None,
        "greater_is_better": True,
    }
    if config.generation != "transformers":
        own["vllm_mode"] = config.generation.removeprefix("vllm_")
    both = sorted(own.keys() & config.trl.keys())
    if both:
        raise ValueError(f"trl.{both[0]} is set by the config itself; use its own field")
    try:
        return GRPOConfig(**own, **config.trl)
    except TypeError as error:
        raise ValueError(f"trl: {error}") from None


def dataset(path: Path, config: "RLConfig", tokenizer: PreTrainedTokenizerBase) -> tuple[Dataset, int]:
    """Rows with their prompts, those with too long a prompt left out, and how many those are.

    Raises:
        ValueError: no row is left.
    """
    from common.documents import read_documents
    from rephrase.prompts import messages, read_prompt_file

    prompt = read_prompt_file(config.prompt.prompt_file) if config.prompt.prompt_file else None
    columns = ("id", "text", "clean_text", config.data.field)
    rows = []
    dropped = 0
    for row in read_documents(str(path)):
        chat = messages(
            row["text"], config.prompt.name, config.prompt.system, no_think=config.prompt.no_think, prompt=prompt
        )
        tokens = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True)
        if len(tokens["input_ids"]) > config.max_prompt_length:
            dropped += 1
            continue
        rows.append({"prompt": chat, **{name: row[name] for name in columns if name in row}})
    if not rows:
        raise ValueError(
            f"{path}: all {dropped} prompts are over max_prompt_length {config.max_prompt_length}; "
            "give a longer one or shorter texts"
        )
    return Dataset.from_list(rows), dropped


def forget_after(path: Path, step: int) -> None:
    """Drop a JSONL file's rows of later steps: a run that goes on from a checkpoint makes them again."""
    if path.is_file():
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.endswith("}")]
        kept = [line for line in lines if json.loads(line).get("step", 0) <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def run_hash(config: "RLConfig") -> str:
    """The config's hash, the same wherever the run folder is: paths inside it do not count."""
    from rl.train import replace_text

    values = replace_text(config.model_dump(mode="json"), config.out, "{out}")
    return config_hash(type(config).model_validate(values))


def train(config: "RLConfig") -> dict[str, Any]:
    """Run or continue a training run; returns its summary, which `done.json` holds too.

    Raises:
        Stopped: a metric went beyond its bound, or too many completions could not be scored.
        ValueError: the folder holds a run of another config, or what the config names is not there.
    """
    from accelerate import PartialState

    out = Path(config.out)
    fingerprint = run_hash(config)
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")  # transformers' own use of it
    state = PartialState(cpu=not torch.cuda.is_available())
    finished = _finished(out, fingerprint)
    if finished:
        log.info("%s is finished", out)
        return finished
    tokenizer = AutoTokenizer.from_pretrained(config.model)
    with state.main_process_first():
        figures = _build_data(config, out, tokenizer)
    rewards = open_rewards(config.rewards)
    train_rows, dropped = dataset(out / "data" / "train.jsonl", config, tokenizer)
    eval_rows = dataset(out / "data" / "eval.jsonl", config, tokenizer)[0] if config.data.eval_rows else None
    figures |= {"train_rows": len(train_rows), "prompts_over_length": dropped}
    options = trainer_options(config, state.num_processes, cpu=state.device.type == "cpu")
    checkpoint = get_last_checkpoint(options.output_dir) if Path(options.output_dir).is_dir() else None
    options.eval_on_start = options.eval_on_start and checkpoint is None  # that step was evaluated before it was saved
    if state.is_main_process:
        _prepare_folder(out, fingerprint, checkpoint)
    run = Run(out, config, seed=config.seed) if state.is_main_process else None
    journal = Journal(run, config)
    model = AutoModelForCausalLM.from_pretrained(
        config.model, dtype=torch.float32, attn_implementation=config.attention
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
    if trainer.accelerator.num_processes != state.num_processes:
        raise RuntimeError(f"{state.num_processes} processes, but the trainer sees {trainer.accelerator.num_processes}")
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
        if journal.stopped:
            raise Stopped(journal.stopped)
        return _finish(config, trainer, tokenizer, out, fingerprint, figures)
    finally:
        if run:
            run.close()


def _build_data(config: "RLConfig", out: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    from rl.data.recycling import build

    return build(config.data, out / "data", lambda text: len(tokenizer.encode(text, add_special_tokens=False)))


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
