"""What a pretraining run is: the scale's hyper-parameters, the machine's, and the numbers that follow."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from common.config import HOW, CommaList, RunConfig, load
from common.runs.tracking import TrackerName
from common.scales import budget, scale_file


class PretrainConfig(RunConfig):
    """One pretraining run; a scale file fills most of it."""

    scale: str = ""
    """Name of the file in configs/pretrain/scales that these values came from; DCLM's stems are understood."""

    model: str = "tiny"
    """A preset in configs/pretrain/models, a YAML file with the same keys, or `hf:PATH`, a transformers config."""

    vocab_size: int | None = Field(None, gt=0)
    """Overrides the preset's vocabulary."""

    data_config: str = ""
    """A tokenised folder, or a JSON/YAML file with `name` and `manifest_url` or with weighted `sources`. Required."""

    logs: Annotated[str, HOW] = "logs"
    """Root of the runs; this one gets `logs/<run name>/`."""

    name: Annotated[str, HOW] = ""
    """Run name; empty: DCLM's form, made of the data's name, the model and the hyper-parameters."""

    name_suffix: Annotated[str, HOW] = ""
    """Added to the run name."""

    tokens: int | None = Field(None, gt=0)
    """Training tokens; null: 20 per published parameter (arXiv:2203.15556)."""

    chinchilla_multiplier: float = Field(1.0, gt=0)
    """Multiplies the tokens; DCLM's 7b_2x has 2."""

    global_bs: int = Field(512, gt=0)
    """Contexts per step, over all devices."""

    acc: Annotated[int, HOW] = Field(1, gt=0)
    """Micro-batches per step and device, at least; on a GPU more are made where these would not fit its memory."""

    lr: float = Field(3e-3, gt=0)
    """Peak learning rate."""

    cd: float = Field(3e-5, ge=0)
    """Learning rate at the end of the cool-down."""

    warmup: int = Field(2000, ge=0)
    """Steps of linear warm-up."""

    schedule: Literal["cosine", "const", "wsd"] = "cosine"
    """`cosine` to `cd` (DCLM); `const`; `wsd`: constant, then linear to `cd` over the last `decay_steps`."""

    decay_steps: int = Field(0, ge=0)
    """Steps of linear decay at the end of `wsd`."""

    wd: float = Field(0.033, ge=0)
    """Decoupled weight decay."""

    no_decay: CommaList = []
    """Parameter groups without weight decay: `norms`, `embeddings`; empty: all decay, as in open_lm."""

    beta1: float = Field(0.9, ge=0, lt=1)
    """AdamW's first moment."""

    beta2: float = Field(0.95, ge=0, lt=1)
    """AdamW's second moment."""

    eps: float = Field(1e-8, gt=0)
    """AdamW's epsilon."""

    z_loss: float = Field(1e-4, ge=0)
    """Weight of mean(logsumexp(logits)^2)."""

    grad_clip: float = Field(1.0, gt=0)
    """Largest global gradient norm."""

    mask_pad: bool = True
    """Pads are no targets; false trains on them, as open_lm does."""

    document_mask: bool = False
    """Attention and positions stop at document borders; false lets attention cross them, as open_lm does."""

    seed: int = 124
    """Seed of the initial weights, and of the data's order in every pass after the first."""

    precision: Literal["fp32", "amp_bf16", "bf16_reduce"] = "amp_bf16"
    """`amp_bf16`: fp32 weights and states, bf16 forward, fp32 gradient sums; `bf16_reduce`: bf16 gradient sums too."""

    multiple_data_passes: Annotated[bool, HOW] = False
    """Allow more than one pass over the data; without it, too little data is an error before training."""

    num_checkpoints: int = Field(5, gt=0)
    """Checkpoints over the run, at equal distances; the number of steps is rounded by it, as in DCLM."""

    checkpoint_every_steps: Annotated[int | None, HOW] = Field(None, gt=0)
    """Also save every so many steps."""

    checkpoint_every_tokens: Annotated[int | None, HOW] = Field(None, gt=0)
    """Also save every so many tokens."""

    keep_last: Annotated[int, HOW] = Field(2, gt=0)
    """How many of the extra checkpoints stay; those of `num_checkpoints` all do."""

    checkpoint_async: Annotated[bool, HOW] = True
    """Write checkpoints in the background while training goes on."""

    resume: Annotated[bool, HOW] = True
    """Continue from the run folder's latest checkpoint; false starts over in the same folder."""

    accept_changes: Annotated[bool, HOW] = False
    """Resume although the config or the data is not the one the checkpoint was made with."""

    pretrained: str = ""
    """Start from these weights: a checkpoint folder of ours, or with `model=hf:...` a Hugging Face folder."""

    ema: float | None = Field(None, gt=0, lt=1)
    """Decay per step of an exponential moving average of the weights, saved beside them (DCLM's averagers)."""

    skip_nonfinite: int = Field(0, ge=0)
    """How many steps with a loss or gradient that is not finite may be skipped before the run stops."""

    skip_spikes: float | None = Field(None, gt=0)
    """Skip a step whose loss is more than so many standard deviations above the last 128; null never skips."""

    val: Annotated[CommaList, HOW] = []
    """Tokenised folders to validate on: nats per token and bits per byte."""

    val_every_steps: Annotated[int | None, HOW] = Field(None, gt=0)
    """Steps between validations; null: only at the end."""

    val_sequences: Annotated[int, HOW] = Field(64, gt=0)
    """At most so many contexts of each validation set, the first ones."""

    eval_every_steps: Annotated[int | None, HOW] = Field(None, gt=0)
    """Steps between scores on CORE tasks, and at the end; null: none."""

    eval_tasks: Annotated[CommaList, HOW] = ["core20"]
    """CORE entries, or sets of them, to score while training."""

    eval_data: Annotated[str, HOW] = ""
    """Folder with their task files."""

    eval_limit: Annotated[int, HOW] = Field(50, gt=0)
    """Rows of each task file, the same ones every time."""

    log_every: Annotated[int, HOW] = Field(10, gt=0)
    """Steps between lines in metrics.jsonl."""

    device: Annotated[Literal["auto", "cpu", "cuda"], HOW] = "auto"
    """`auto` takes CUDA where there is one."""

    strategy: Annotated[Literal["fsdp", "ddp"], HOW] = "fsdp"
    """Over several devices: `fsdp` shards weights and states, `ddp` keeps a whole copy on each."""

    compile: Annotated[bool, HOW] = False
    """torch.compile each block; takes a minute to start and pays on long runs."""

    activation_checkpointing: Annotated[bool, HOW] = False
    """Recompute each block in the backward pass: less memory, about a quarter less speed."""

    workers: Annotated[int, HOW] = Field(1, ge=0)
    """Threads that read the next batch ahead; 0 reads in line."""

    benchmark: Annotated[int, HOW] = Field(0, ge=0)
    """Only run so many steps, save nothing, and print tokens per second, MFU and the hours the run would take."""

    export: Annotated[bool, HOW] = False
    """After the last step, write `<run>/export`, a Hugging Face folder."""

    report_to: Annotated[TrackerName, HOW] = "none"
    """Service that gets the metrics too (pip install -e .[track]); `USE_WANDB=true` means wandb."""

    report_to_wandb: Annotated[bool, HOW] = False
    """The same as `report_to: wandb`."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        unknown = set(self.no_decay) - {"norms", "embeddings"}
        if unknown:
            raise ValueError(f"no_decay knows norms and embeddings, not {', '.join(sorted(unknown))}")
        if self.schedule == "wsd" and not self.decay_steps:
            raise ValueError("schedule=wsd needs decay_steps=N, the length of its last phase")
        if self.eval_every_steps and not self.eval_data:
            raise ValueError("eval_every_steps needs eval_data=FOLDER with the CORE task files")
        if self.cd > self.lr:
            raise ValueError(f"cd={self.cd} is the rate to end at and cannot be above lr={self.lr}")
        return self


def load_scale(name: str, **overrides: Any) -> PretrainConfig:
    """A scale's config with some values changed."""
    return load(PretrainConfig, [scale_file(name)], overrides)


def training_tokens(config: PretrainConfig, published_parameters: int) -> int:
    """Tokens of the run: `tokens` or 20 per published parameter, times the multiplier."""
    return budget(config.tokens, published_parameters, config.chinchilla_multiplier)


def total_steps(tokens: int, seq_len: int, global_bs: int, num_checkpoints: int = 5) -> int:
    """`T = ((tokens // P // seq_len) P) // global_bs` with P checkpoints: DCLM's number of steps.

    >>> total_steps(28_795_904_000, 2048, 512)
    27461
    """
    return tokens // num_checkpoints // seq_len * num_checkpoints // global_bs


def run_name(config: PretrainConfig, data_name: str, tokens: int) -> str:
    """DCLM's run name: data, model, warm-up, rates, batch, multiplier, seed and tokens; `.` is `p`, `/` is `-`."""
    if config.name:
        return config.name + config.name_suffix
    multiplier = f"{config.chinchilla_multiplier:g}"
    model = Path(config.model.removeprefix("hf:")).stem if "/" in config.model else config.model.removeprefix("hf:")
    vocab = f"-vocab={config.vocab_size}" if config.vocab_size else ""
    name = (
        f"{data_name}-{model}-warm={config.warmup}-lr={config.lr:g}-wd={config.wd:g}-cd={config.cd:g}"
        f"-bs={config.global_bs}-mult={multiplier}-seed={config.seed}{vocab}-tokens={tokens}{config.name_suffix}"
    )
    return name.replace(".", "p").replace("/", "-")
