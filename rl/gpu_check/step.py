"""Where the time of a GRPO step goes: a few steps of a small run with a stopwatch on the trainer's methods."""

import json
import statistics
from pathlib import Path
from typing import Any

from rl.gpu_check.clock import stopwatch
from rl.gpu_check.config import GpuCheckConfig
from rl.gpu_check.models import model_folder

METHODS = {
    "training_step": "the whole step",
    "_generate_and_score_completions": "completions, rewards and reference together",
    "_generate": "completions",
    "_calculate_rewards": "rewards",
    "_get_per_token_logps_and_entropies": "log-probabilities, of the reference and for the loss",
}
"""TRL's methods, and what they are for."""

STEPS = 4


def step(config: GpuCheckConfig, folder: Path) -> dict[str, Any]:
    """Median seconds a step spends in each method; the first step does not count."""
    from rl.grpo.config import RLConfig
    from rl.grpo.course import train
    from rl.grpo.trainer import RewardTrainer

    rows = folder / "step_rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in _rows(32)), encoding="utf-8")
    values = {
        "model": model_folder(config, folder),
        "out": str(folder / "step"),
        "data": {"kind": "conversations", "train": [str(rows)], "rows": 32, "eval_rows": 0},
        "rewards": [{"kind": "exact_answer"}, {"kind": "repetition", "words": 1, "times": 2}],
        "reward_weights": [1, 1],
        "num_generations": 8,
        "prompts_per_step": max(1, config.rollouts // 8),
        "per_device_train_batch_size": 8,
        "max_prompt_length": 512,
        "max_completion_length": config.tokens,
        "max_steps": STEPS,
        "eval_steps": STEPS,
        "save_steps": STEPS,
        "precision": "bf16" if config.device == "cuda" else "fp32",
        "gradient_checkpointing": config.device == "cuda",
    }
    (folder / "step" / "done.json").unlink(missing_ok=True)
    with stopwatch(RewardTrainer, tuple(METHODS), config.device) as found:
        train(RLConfig.model_validate(values))
    figures: dict[str, Any] = {}
    for name, what in METHODS.items():
        taken = found[name]
        calls = max(1, len(taken) // STEPS)
        per_step = [sum(taken[start : start + calls]) for start in range(0, len(taken), calls)]
        figures[f"{what}: s per step"] = statistics.median(per_step[1:] or per_step or [0.0])
    return {"figures": figures}


def _rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(number),
            "prompt": [{"role": "user", "content": f"What is {number} + {number + 3}?"}],
            "reference": str(2 * number + 3),
        }
        for number in range(count)
    ]
