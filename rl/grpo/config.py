"""What one GRPO run is: its config, with the defaults of arXiv:2510.10681 where nothing else is said."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import ADDED, HOW, Out
from common.runs.tracking import TrackerName
from rl.adapters import AdapterConfig
from rl.data.recycling.build import RecyclingDataConfig
from rl.data.rows.conversations import ConversationsConfig
from rl.grpo.algorithms import Algorithm, with_preset
from rl.grpo.std_filter import StdFilterConfig
from rl.rewards.base import RewardConfig
from rl.rewards.likelihood import LikelihoodConfig
from rl.rewards.process import ProcessConfig
from rl.scoring.config import RewardsConfig

DataConfig = Annotated[RecyclingDataConfig | ConversationsConfig, Field(discriminator="kind")]
"""Where a run's rows come from."""


class RowsConfig(RewardsConfig):
    """The rows of a run, and the rewards that read them."""

    data: DataConfig = RecyclingDataConfig()
    """Training and held-out rows, of kind `recycling` if none is given; built into `{out}/data`."""

    max_prompt_length: int = Field(2048, ge=1)
    """Longest prompt in tokens; rows above it are left out and counted, never cut."""

    @model_validator(mode="before")
    @classmethod
    def _default_kind(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("data"), dict):
            values = {**values, "data": {"kind": "recycling", **values["data"]}}
        return values


class RLConfig(RowsConfig):
    """One GRPO run."""

    out: Annotated[str, HOW, Out(folder=True, run=True)]
    """Run folder. `{out}` in any other value stands for it."""

    combine: Literal["sum_then_normalize", "normalize_then_sum", "center_second"] = "sum_then_normalize"
    """How several rewards become one advantage. `sum_then_normalize` adds the rewards and then normalises the sum.
    `normalize_then_sum` normalises each reward and adds the results. `center_second` does so too, but only the first
    one is divided by its deviation, and the others are centred (arXiv:2506.18254, a rule verifier first)."""

    algorithm: Algorithm | None = None
    """A published algorithm by its name in `rl.grpo.algorithms`. It sets some of the fields below; a field that is
    given stands above it."""

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
    """Peak learning rate of AdamW (arXiv:2510.10681: 1e-6)."""

    warmup_frac: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises from 0 (arXiv:2510.10681: 0.1)."""

    lr_schedule: Literal["cosine", "constant"] = "cosine"
    """What the rate does after it has risen."""

    min_lr_frac: float = Field(0.1, ge=0, le=1)
    """The cosine's end as a share of the peak (arXiv:2510.10681: 0.1)."""

    weight_decay: float = Field(0.0, ge=0)
    """Weight decay of AdamW."""

    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""

    beta: float = Field(0.005, ge=0)
    """Weight of the KL term against the initial policy (arXiv:2510.10681: 0.005; TRL's default went from 0.04 to 0)."""

    epsilon: float = Field(0.2, gt=0)
    """Clip range of the probability ratio (arXiv:2510.10681: 0.2)."""

    epsilon_high: float | None = Field(None, gt=0)
    """Upper side of the clip range, where it differs (clip-higher; DAPO: 0.28); `epsilon` if null."""

    loss_type: Literal["bnpo", "dapo", "grpo", "dr_grpo"] = "bnpo"
    """How token losses are averaged; unpublished for the paper, whose TRL 0.18 had `bnpo` as default."""

    centre: Literal["group", "leave_one_out", "batch"] = "group"
    """What a reward is compared with: the mean of its group, that of the others in it, or that of the batch."""

    scale: Literal["group", "batch", "none"] = "group"
    """What the difference is divided by: the standard deviation of the group, of the batch, or nothing."""

    num_iterations: int = Field(1, ge=1)
    """Optimizer passes over each batch of completions."""

    updates_per_generation: int = Field(1, ge=1)
    """Optimizer steps that share one batch of fresh completions: `prompts_per_step` prompts for each of them."""

    advantage_eps: float = Field(1e-4, gt=0)
    """Added to a standard deviation (TRL: 1e-4; the likelihood rewards' presets: 1e-6)."""

    std_filter: StdFilterConfig | None = None
    """Leave out prompts whose completions earn nearly the same, and sample others in their place; null: off."""

    mask_truncated_completions: bool = False
    """Leave completions that ran out of tokens out of the loss."""

    temperature: float = Field(1.0, gt=0)
    """Sampling temperature (arXiv:2510.10681: 1.0)."""

    top_p: float = Field(0.9, gt=0, le=1)
    """Nucleus of the sampling (arXiv:2510.10681: 0.9)."""

    eval_temperature: float | None = Field(None, gt=0)
    """Sampling temperature of held-out completions; `temperature` if null."""

    eval_top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus of the sampling of held-out completions; `top_p` if null."""

    max_completion_length: int = Field(2048, ge=1)
    """Longest completion in tokens (arXiv:2510.10681: 2,048)."""

    generation: Literal["transformers", "vllm_colocate", "vllm_server"] = "transformers"
    """What writes the completions: the training process itself, vLLM in it, or a `trl vllm-serve` beside it."""

    precision: Literal["bf16", "fp32"] = "bf16"
    """What the policy computes in; its weights are kept in fp32 either way."""

    adapter: Annotated[AdapterConfig | None, ADDED] = None
    """Train a LoRA adapter beside the frozen policy, merged into it for the export; null: train all weights."""

    attention: str = "sdpa"
    """transformers' attention implementation (`flash_attention_2`: arXiv:2510.10681)."""

    gradient_checkpointing: bool = True
    """Recompute activations instead of keeping them."""

    eval_kl: Annotated[bool, HOW] = False
    """Measure KL, entropy and loss on held-out prompts too. An evaluation then takes two or three times as long, and no
    reward needs it. On training prompts they are always measured."""

    eval_steps: int = Field(30, ge=1)
    """Steps between evaluations on the held-out rows (arXiv:2510.10681: 30); the first is before step 1."""

    save_steps: int = Field(60, ge=1)
    """Steps between checkpoints (arXiv:2510.10681: 60), a multiple of `eval_steps`."""

    save_total_limit: Annotated[int, HOW] = Field(3, ge=1)
    """Checkpoints kept, the best one among them."""

    samples_every: Annotated[int, HOW] = Field(10, ge=1)
    """Steps between training batches written to `samples.jsonl`; evaluations are always written."""

    samples_advantages: Annotated[Literal["none", "completion", "token"], HOW] = "token"
    """What `samples.jsonl` says of advantages: nothing, a number for each completion, or also up to 64 stretches of it
    where a reward pays by token."""

    stop_above: dict[str, float] = {}
    """Metric → bound: the run stops after `stop_patience` steps above it; `kl` or `completions/clipped_ratio`."""

    stop_below: dict[str, float] = {}
    """Metric → bound: the run stops after `stop_patience` steps below it (`entropy`, `rewards/semantic/mean`)."""

    stop_patience: int = Field(10, ge=1)
    """Steps in a row beyond a bound."""

    export: Literal["best", "last"] = "best"
    """Which weights go to `export/`: those with the highest held-out reward, or the last."""

    report_to: Annotated[TrackerName, HOW] = "none"
    """Service that gets the metrics too (pip install -e .[track]); `USE_WANDB=true` means wandb."""

    servers: Annotated[list[str], HOW] = []
    """Names of `configs/serve/`: servers that `scripts/rl.sh` starts and stops with the run."""

    seed: int = 42
    """Seed of sampling, order and evaluation (arXiv:2510.10681: 42)."""

    trl: dict[str, Any] = {}
    """Further options of TRL's GRPOConfig, under TRL's names, such as `vllm_gpu_memory_utilization`."""

    val_only: Annotated[bool, HOW] = False
    """Only evaluate `model` on the held-out rows, in `{out}/val_only`, and stop."""

    check: Annotated[bool, HOW] = False
    """Only check the config against this machine, print the names of its servers, and stop."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        return with_preset(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _check(self) -> "RLConfig":
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
        recycling = self.data if isinstance(self.data, RecyclingDataConfig) else None
        if recycling and recycling.noise is None and recycling.max_tokens >= self.max_prompt_length:
            raise ValueError(
                f"data.max_tokens {recycling.max_tokens} leaves no room for the request in "
                f"max_prompt_length {self.max_prompt_length}"
            )
        return self

    @model_validator(mode="after")
    def _check_vllm(self) -> "RLConfig":
        share = self.trl.get("vllm_gpu_memory_utilization")
        if share is not None and not (isinstance(share, int | float) and 0 < share <= 1):
            raise ValueError(
                f"trl.vllm_gpu_memory_utilization {share} is a share of a GPU's memory: above 0, at most 1"
            )
        corrected = self.generation != "transformers" and self.trl.get("vllm_importance_sampling_correction", True)
        if corrected and (self.top_p < 1 or self.trl.get("top_k", 0) > 0):
            raise ValueError(
                "TRL's correction for vLLM's probabilities is biased where top_p < 1 or top_k > 0 (their ratio leaves "
                "out what was cut off); give top_p=1, or trl.vllm_importance_sampling_correction=false"
            )
        return self

    @model_validator(mode="after")
    def _check_rewards_by_token(self) -> "RLConfig":
        weights = [weight for reward, weight in zip(self.rewards, self.reward_weights, strict=True) if by_token(reward)]
        if not weights:
            return self
        if any(weights):
            raise ValueError("a process reward pays by token, beside an outcome reward; give it the weight 0")
        if len(weights) > 1:
            raise ValueError("one process reward is enough; the config lists several")
        if self.trl.get("importance_sampling_level", "token") != "token":
            raise ValueError("rewards by token do not go with trl.importance_sampling_level sequence")
        if self.trl.get("off_policy_mask_threshold") is not None:
            raise ValueError("rewards by token do not go with trl.off_policy_mask_threshold")
        return self

    @model_validator(mode="after")
    def _check_batches(self) -> "RLConfig":
        every = self.updates_per_generation * self.num_iterations
        if self.save_steps % every:
            # A batch of completions is not in a checkpoint: one that is cut in two would be sampled again.
            raise ValueError(f"save_steps {self.save_steps} is no multiple of the {every} updates of one batch")
        likelihoods = [reward for reward in self.rewards if isinstance(reward, LikelihoodConfig)]
        if self.trl.get("sync_ref_model") and any(reward.other_role for reward in likelihoods):
            raise ValueError("trl.sync_ref_model moves the weights that rewards and their stored baselines rest on")
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
        local = self.completions_per_step * self.updates_per_generation // processes
        if self.std_filter and local % self.num_generations:
            raise ValueError(
                f"std_filter keeps whole groups: a process's {local} completions of a batch are no multiple of "
                f"num_generations {self.num_generations}"
            )
        return self.completions_per_step // together


def by_token(reward: RewardConfig) -> bool:
    """Whether a reward pays tokens of a completion, not the completion."""
    return isinstance(reward, ProcessConfig)
