"""A run's config as TRL's options."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trl import GRPOConfig

if TYPE_CHECKING:
    from rl.grpo.config import RLConfig


def trainer_options(config: "RLConfig", processes: int, cpu: bool) -> GRPOConfig:
    """TRL's options for a config; what moved between TRL versions is always set.

    Raises:
        ValueError: `trl` names an unknown option, or one that the config has itself.
    """
    own = _training(config, processes) | _bookkeeping(config, cpu)
    if config.generation != "transformers":
        own["vllm_mode"] = config.generation.removeprefix("vllm_")
    both = sorted(own.keys() & config.trl.keys())
    if both:
        raise ValueError(f"trl.{both[0]} is set by the config itself; use its own field")
    try:
        return GRPOConfig(**own, **config.trl)
    except TypeError as error:
        raise ValueError(f"trl: {error}") from None


def _training(config: "RLConfig", processes: int) -> dict[str, Any]:
    """What is trained, and how."""
    return {
        "output_dir": str(Path(config.out) / "checkpoints"),
        "seed": config.seed,
        "shuffle_dataset": getattr(config.data, "curriculum", "shuffled") == "shuffled",
        "max_steps": config.max_steps,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine_with_min_lr" if config.lr_schedule == "cosine" else "constant_with_warmup",
        "lr_scheduler_kwargs": {"min_lr_rate": config.min_lr_frac} if config.lr_schedule == "cosine" else {},
        "warmup_steps": config.warmup_frac,  # a fraction below 1 is a share of max_steps
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "per_device_train_batch_size": config.per_device_train_batch_size,
        "per_device_eval_batch_size": config.per_device_eval_batch_size,
        "gradient_accumulation_steps": config.accumulation(processes),
        "steps_per_generation": config.accumulation(processes) * config.updates_per_generation,
        "num_generations": config.num_generations,
        "num_generations_eval": config.num_generations_eval,
        "num_iterations": config.num_iterations,
        "beta": config.beta,
        "epsilon": config.epsilon,
        "epsilon_high": config.epsilon_high,
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
    }


def _bookkeeping(config: "RLConfig", cpu: bool) -> dict[str, Any]:
    """Where it runs, what is logged, evaluated and saved."""
    return {
        "use_cpu": cpu,
        "remove_unused_columns": False,
        "dataloader_pin_memory": not cpu,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a loss that is not a number stops the run; it is not logged as 0
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


@contextmanager
def loss_passes(trainer: Any, made: bool) -> Iterator[None]:
    """Inside the block the trainer makes, or leaves out, the passes that only a loss needs.

    They are the reference's, and that for vLLM's correction; rewards need neither.
    """
    names = ("beta", "vllm_importance_sampling_correction")
    before = {name: getattr(trainer, name) for name in names}
    if not made:
        trainer.beta, trainer.vllm_importance_sampling_correction = 0.0, False
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(trainer, name, value)
