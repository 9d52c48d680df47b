"""Train a policy with GRPO (TRL) on a list of rewards.

Usage:
    python -m rl.train configs/rl/rephraser_smoke_cpu.yaml
    python -m rl.train configs/rl/rephraser_smoke_cpu.yaml seed=3 rewards.1.threshold=0.6 --dry-run

A run that was cut off goes on from its last checkpoint; a finished one is not repeated. The run folder holds
`metrics.jsonl`, `samples.jsonl` (completions with every reward and its parts), checkpoints and `export/`, a Hugging
Face folder that `scripts/infer.sh` takes.

Differs from the paper (arXiv:2510.10681):
    1. What a judge or scorer cannot score is skipped (None) and counted; it does not score 0.
    2. A fifth reward, `format`, joins the sum, as in the released code; the paper lists four.
    3. The best checkpoint is the one with the highest held-out reward, not a fixed step.
    4. A batch is given in prompts per step; accumulation follows from the number of processes.
"""

import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import HOW, RunConfig, fail, parse, usage_errors
from rephrase.prompts import PromptName, SystemName
from rl.data.recycling import RecyclingDataConfig
from rl.rewards.base import Stopped
from rl.rewards.kinds import AnyRewardConfig, reward_name


class PromptConfig(RunConfig):
    """What the policy is asked."""

    name: PromptName = "repro"
    """The request's wording."""

    system: SystemName = "assistant"
    """The request's system line."""

    no_think: bool = False
    """Qwen3's ` /no_think` at the end of the system line."""

    prompt_file: str = ""
    """File with `{text}` where the document goes; used in place of the named prompt."""


class RLConfig(RunConfig):
    """One GRPO run."""

    model: str
    """Policy: Hugging Face folder or name."""

    out: Annotated[str, HOW]
    """Run folder. `{out}` in any other value stands for it."""

    data: RecyclingDataConfig = RecyclingDataConfig()
    """Training and held-out rows; built into `{out}/data`."""

    prompt: PromptConfig = PromptConfig()
    """What the policy is asked about each row's text."""

    rewards: list[AnyRewardConfig] = Field(min_length=1)
    """What a completion earns."""

    reward_weights: list[float]
    """One weight per reward; 0 logs a reward without training on it."""

    max_skipped: float = Field(0.05, ge=0, le=1)
    """The run stops when a larger share of completions cannot be scored."""

    num_generations: int = Field(8, ge=2)
    """Completions per prompt: the group within which rewards are compared (arXiv:2510.10681: 8)."""

    prompts_per_step: int = Field(24, ge=1)
    """Prompts per optimizer step (24 = 192 completions: arXiv:2510.10681)."""

    per_device_train_batch_size: int = Field(8, ge=1)
    """Completions per device and forward pass; what is left of the step is accumulated."""

    per_device_eval_batch_size: int = Field(8, ge=1)
    """Held-out completions generated and scored together on one device."""

    num_generations_eval: int = Field(1, ge=1)
    """Completions per held-out prompt."""

    max_steps: int = Field(2000, ge=1)
    """Optimizer steps (arXiv:2510.10681: 2,000)."""

    learning_rate: float = Field(1e-6, gt=0)
    """Peak (arXiv:2510.10681: 1e-6); AdamW."""

    warmup_frac: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises from 0 (arXiv:2510.10681: 0.1)."""

    min_lr_frac: float = Field(0.1, ge=0, le=1)
    """The cosine's end as a share of the peak (arXiv:2510.10681: 0.1)."""

    weight_decay: float = Field(0.0, ge=0)
    """AdamW's."""

    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""

    beta: float = Field(0.005, ge=0)
    """Weight of the KL term against the initial policy (arXiv:2510.10681: 0.005; TRL's default went from 0.04 to 0)."""

    epsilon: float = Field(0.2, gt=0)
    """Clip range of the probability ratio (arXiv:2510.10681: 0.2)."""

    loss_type: Literal["bnpo", "dapo", "grpo", "dr_grpo"] = "bnpo"
    """How token losses are averaged; unpublished for the paper, whose TRL 0.18 had `bnpo` as default."""

    num_iterations: int = Field(1, ge=1)
    """Optimizer passes over each batch of completions."""

    advantage_eps: float = Field(1e-4, gt=0)
    """Added to a group's standard deviation (TRL: 1e-4)."""

    mask_truncated_completions: bool = False
    """Leave completions that ran out of tokens out of the loss."""

    temperature: float = Field(1.0, gt=0)
    """Sampling (arXiv:2510.10681: 1.0)."""

    top_p: float = Field(0.9, gt=0, le=1)
    """Sampling (arXiv:2510.10681: 0.9)."""

    max_prompt_length: int = Field(2048, ge=1)
    """Longest prompt in tokens; rows above it are left out and counted, never cut."""

    max_completion_length: int = Field(2048, ge=1)
    """Longest completion in tokens (arXiv:2510.10681: 2,048)."""

    generation: Literal["transformers", "vllm_colocate", "vllm_server"] = "transformers"
    """What writes the completions: the training process itself, vLLM in it, or a `trl vllm-serve` beside it."""

    precision: Literal["bf16", "fp32"] = "bf16"
    """What the policy computes in; its weights are kept in fp32 either way."""

    attention: str = "sdpa"
    """transformers' attention implementation (`flash_attention_2`: arXiv:2510.10681)."""

    gradient_checkpointing: bool = True
    """Recompute activations instead of keeping them."""

    eval_steps: int = Field(30, ge=1)
    """Steps between evaluations on the held-out rows (arXiv:2510.10681: 30); the first is before step 1."""

    save_steps: int = Field(60, ge=1)
    """Steps between checkpoints (arXiv:2510.10681: 60), a multiple of `eval_steps`."""

    save_total_limit: Annotated[int, HOW] = Field(3, ge=1)
    """Checkpoints kept, the best one among them."""

    samples_every: Annotated[int, HOW] = Field(10, ge=1)
    """Steps between training batches written to `samples.jsonl`; evaluations are always written."""

    stop_above: dict[str, float] = {}
    """Metric → bound: the run stops after `stop_patience` steps above it; `kl` or `completions/clipped_ratio`."""

    stop_below: dict[str, float] = {}
    """Likewise below it (`entropy`, `rewards/semantic/mean`)."""

    stop_patience: int = Field(10, ge=1)
    """Steps in a row beyond a bound."""

    export: Literal["best", "last"] = "best"
    """Which weights go to `export/`: those with the highest held-out reward, or the last."""

    servers: Annotated[list[str], HOW] = []
    """Names of `configs/serve/`: servers that `scripts/rl.sh` starts and stops with the run."""

    seed: int = 42
    """Of sampling, order and evaluation (arXiv:2510.10681: 42)."""

    trl: dict[str, Any] = {}
    """Further options of TRL's GRPOConfig, under TRL's names, such as `vllm_gpu_memory_utilization`."""

    check: Annotated[bool, HOW] = False
    """Only check the config against this machine, print the names of its servers, and stop."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_out(cls, values: Any) -> Any:
        out = values.get("out") if isinstance(values, dict) else None
        return replace_text(values, "{out}", out) if isinstance(out, str) else values

    @model_validator(mode="after")
    def _check(self) -> "RLConfig":
        rewards, weights = len(self.rewards), len(self.reward_weights)
        if weights != rewards:
            raise ValueError(f"{weights} reward_weights for {rewards} rewards; give one each")
        names = [reward_name(reward) for reward in self.rewards]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two rewards are called {twice!r}; give one a name")
        if self.save_steps % self.eval_steps:
            raise ValueError(f"save_steps {self.save_steps} is no multiple of eval_steps {self.eval_steps}")
        if self.data.eval_rows * self.num_generations_eval % self.per_device_eval_batch_size:
            raise ValueError(
                f"{self.data.eval_rows} held-out rows x {self.num_generations_eval} completions do not fill batches of "
                f"per_device_eval_batch_size {self.per_device_eval_batch_size}"
            )
        if self.per_device_eval_batch_size % self.num_generations_eval:
            raise ValueError(
                f"per_device_eval_batch_size {self.per_device_eval_batch_size} is no multiple of "
                f"num_generations_eval {self.num_generations_eval}"
            )
        if self.completions_per_step % self.per_device_train_batch_size:
            raise ValueError(
                f"{self.completions_per_step} completions a step do not divide into batches of "
                f"per_device_train_batch_size {self.per_device_train_batch_size}"
            )
        if self.data.noise is None and self.data.max_tokens >= self.max_prompt_length:
            raise ValueError(
                f"data.max_tokens {self.data.max_tokens} leaves no room for the request in "
                f"max_prompt_length {self.max_prompt_length}"
            )
        return self

    @property
    def completions_per_step(self) -> int:
        """Prompts times completions each."""
        return self.prompts_per_step * self.num_generations

    def accumulation(self, processes: int) -> int:
        """Forward passes per optimizer step on each of so many processes.

        Raises:
            ValueError: the completions do not divide evenly.
        """
        per_device = self.per_device_train_batch_size
        together = per_device * processes
        if self.completions_per_step % together:
            raise ValueError(
                f"{self.completions_per_step} completions a step ({self.prompts_per_step} prompts x "
                f"{self.num_generations}) do not divide among {processes} processes x {per_device} each"
            )
        return self.completions_per_step // together


def replace_text(value: Any, mark: str, text: str) -> Any:
    """A value with every string inside it, at any depth, rewritten."""
    if isinstance(value, str):
        return value.replace(mark, text)
    if isinstance(value, dict):
        return {key: replace_text(item, mark, text) for key, item in value.items()}
    if isinstance(value, list):
        return [replace_text(item, mark, text) for item in value]
    return value


def processes() -> int:
    """Processes of this launch (torchrun's and accelerate's `WORLD_SIZE`)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check(config: RLConfig) -> None:
    """What can be wrong on this machine, found before anything heavy is imported.

    Raises:
        ValueError: the batch does not divide, or what the config needs is not here.
    """
    config.accumulation(processes())
    local = Path(config.model)
    if local.parts[0] in ("runs", "rephrase", ".", "..", "/") and not (local / "config.json").is_file():
        raise ValueError(f"no model at {config.model}; give model=FOLDER")
    if _needs_gpu(config) and not _has_gpu():
        raise ValueError(
            "this config needs an NVIDIA GPU and there is none here; "
            "configs/rl/rephraser_smoke_cpu.yaml runs on this machine: bash scripts/rl.sh "
            "configs/rl/rephraser_smoke_cpu.yaml"
        )
    if config.generation != "transformers" and find_spec("vllm") is None:
        raise ValueError("this config samples with vLLM, which is not installed: pip install -e .[gpu]")


def check_servers(config: RLConfig) -> None:
    """Ask every server that a reward needs for a sign of life.

    Raises:
        ValueError: one does not answer.
    """
    from eval.judge import healthy

    for reward in config.rewards:
        for url in reward.needs_servers():
            if not healthy(url):
                raise ValueError(
                    f"reward {reward_name(reward)!r} needs a server at {url} and none answers; "
                    "start it with scripts/serve.sh NAME, or name it in the config's servers"
                )


def _needs_gpu(config: RLConfig) -> bool:
    return config.generation != "transformers" or config.attention.startswith("flash")


def _has_gpu() -> bool:
    return Path("/dev/nvidiactl").exists() or bool(os.environ.get("CUDA_VISIBLE_DEVICES"))


def plan(config: RLConfig) -> dict[str, str]:
    """What a run would read, write and do."""
    count = processes()
    return {
        "reads": f"{config.model}, {config.data.pool}",
        "writes": config.out,
        "step": (
            f"{config.prompts_per_step} prompts x {config.num_generations} = {config.completions_per_step} completions "
            f"= {config.per_device_train_batch_size} per device x {config.accumulation(count)} accumulated x {count}"
        ),
        "servers": ", ".join(url for reward in config.rewards for url in reward.needs_servers()) or "none",
    }


def show_progress() -> None:
    """Print what the run logs, a line a step."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per judged completion


def main(argv: list[str] | None = None) -> None:
    """Read the command line, then train."""
    config = parse(RLConfig, __doc__, argv, plan=plan)
    with usage_errors():
        check(config)
    if config.check:
        print("\n".join(config.servers))  # noqa: T201
        return
    with usage_errors():
        check_servers(config)
    from rl.trainer import train  # not above: --help must not wait for torch

    show_progress()
    try:
        with usage_errors():
            summary = train(config)
    except Stopped as stop:
        fail(str(stop), code=1)
    print(f"{config.out}/export: step {summary['best_step']} of {summary['steps']}")  # noqa: T201


if __name__ == "__main__":
    main()
