"""What a pretraining run is: the model's shape, the scale's hyper-parameters, and the numbers that follow from both."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from common.config import HOW, CommaList, RunConfig, load, read_yaml

CONFIGS = Path(__file__).parents[1] / "configs" / "pretrain"

ALIASES = {
    "1b_1x_fast": "1b_1x",
    "3b_1x_fast_3e-3_lr_1e-4_zloss": "3b_1x",
    "7b_1x_fast_2e-3_lr_5e-6_zloss": "7b_1x",
    "7b_2x_fast_2e-3_lr_5e-6_zloss": "7b_2x",
}
"""DCLM's names for scales (file stems in its `training/configs`) to ours; `411m_1x` is the same in both."""

PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bf16 operations per second, by a word in the device's name (NVIDIA's data sheets)."""


class ModelConfig(RunConfig):
    """An open_lm decoder: pre-norm blocks, full-width q/k norm, RoPE, SwiGLU, untied output, no biases."""

    dim: int = Field(gt=0)
    """Width of the residual stream."""

    layers: int = Field(gt=0)
    """Number of blocks."""

    heads: int = Field(gt=0)
    """Attention heads; there is no grouping of keys and values."""

    vocab_size: int | None = Field(50432, gt=0)
    """Rows of the embedding and of the output; null: as many as the tokenised set's tokenizer has."""

    seq_len: int | None = Field(2048, gt=0)
    """Trained length in tokens; null: the tokenised set's."""

    ffn_hidden: int | None = Field(None, gt=0)
    """Width inside the feed-forward part; null: 256 * ceil(int(8 * dim / 3) / 256)."""

    norm: Literal["layer_norm", "rms_norm"] = "layer_norm"
    """`layer_norm` subtracts the mean and has a gain only (open_lm's `gain_only_lp_layer_norm`)."""

    norm_eps: float = Field(1e-5, gt=0)
    """Added to the variance before the root."""

    qk_norm: bool = True
    """Norm over the full width of queries and of keys, before the head split and RoPE."""

    tied: bool = False
    """The output uses the embedding's matrix."""

    rope_theta: float = Field(10000.0, gt=0)
    """Base of the rotary frequencies."""

    rope_freqs: Literal["exact", "bf16"] = "exact"
    """`bf16` rounds the rotary frequencies to bfloat16, as open_lm's bf16 runs did without meaning to."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.dim % (2 * self.heads):
            raise ValueError(f"dim {self.dim} is no multiple of 2 * heads = {2 * self.heads}, which RoPE needs")
        return self

    @property
    def hidden(self) -> int:
        """Width inside the feed-forward part."""
        return self.ffn_hidden or 256 * -(-int(8 * self.dim / 3) // 256)

    def known_vocab(self) -> int:
        """The vocabulary, which by now must be known."""
        if self.vocab_size is None:
            raise ValueError("this model takes its vocabulary from a tokenised set; give vocab_size=N")
        return self.vocab_size


class Counts(NamedTuple):
    """Parameters of a model, three ways."""

    total: int
    """All of them."""

    published: int
    """Without the gains of the q/k norms: the number DCLM's configs and token budgets use."""

    no_embed: int
    """`published` minus one embedding: what counts as N in the 6N operations per token."""


def count_parameters(model: ModelConfig) -> Counts:
    """`L (4 d^2 + 3 d h + 2 d [+ 2 d with q/k norm]) + d + 2 V d`, with h the feed-forward width.

    >>> count_parameters(ModelConfig(dim=1024, layers=24, heads=8))
    Counts(total=411665408, published=411616256, no_embed=359973888)
    """
    dim, vocab = model.dim, model.known_vocab()
    published = model.layers * (4 * dim**2 + 3 * dim * model.hidden + 2 * dim) + dim + vocab * dim
    published += 0 if model.tied else vocab * dim
    total = published + (2 * dim * model.layers if model.qk_norm else 0)
    return Counts(total, published, published - vocab * dim)


def flops_per_token(no_embed: int, layers: int, dim: int, seq_len: int) -> float:
    """Operations per trained token, `6 N + 12 L d S`: the convention of every MFU figure here."""
    return 6.0 * no_embed + 12.0 * layers * dim * seq_len


def peak_flops(device_name: str) -> float | None:
    """Dense bf16 operations per second of a device, None if it is not in the table."""
    return next((peak for word, peak in PEAK_FLOPS.items() if word in device_name), None)


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
    """Initialisation and the order of passes after the first."""

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

    report_to_wandb: Annotated[bool, HOW] = False
    """Also send the metrics to Weights & Biases (needs the wandb package)."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        unknown = set(self.no_decay) - {"norms", "embeddings"}
        if unknown:
            raise ValueError(f"no_decay knows norms and embeddings, not {', '.join(sorted(unknown))}")
        if self.schedule == "wsd" and not self.decay_steps:
            raise ValueError("schedule=wsd needs decay_steps=N, the length of its last phase")
        if self.cd > self.lr:
            raise ValueError(f"cd={self.cd} is the rate to end at and cannot be above lr={self.lr}")
        return self


def scale_file(name: str) -> Path:
    """The YAML file of a scale, by our name or DCLM's.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    file = CONFIGS / "scales" / f"{ALIASES.get(name, name)}.yaml"
    if not file.is_file():
        raise ValueError(f"no scale {name!r}; there are {', '.join(_stems('scales'))}")
    return file


def load_scale(name: str, **overrides: Any) -> PretrainConfig:
    """A scale's config with some values changed."""
    return load(PretrainConfig, [scale_file(name)], overrides)


def load_model_config(name: str) -> ModelConfig:
    """A preset from configs/pretrain/models, or a YAML/JSON file, with our keys or open_lm's.

    Raises:
        ValueError: no such preset or file, or it asks for a variant that is not built here.
    """
    file = Path(name) if name.endswith((".yaml", ".yml", ".json")) else CONFIGS / "models" / f"{name}.yaml"
    if not file.is_file():
        raise ValueError(f"no model {name!r}; there are {', '.join(_stems('models'))}, a YAML file, or hf:PATH")
    values = read_yaml(file.read_text(encoding="utf-8"))
    if isinstance(values, dict) and "hidden_dim" in values:
        return from_open_lm_json(values)
    return load(ModelConfig, [file])


def from_open_lm_json(values: dict[str, Any]) -> ModelConfig:
    """Our form of an open_lm model JSON (`hidden_dim`, `n_layers`, `n_heads`, `seq_len`, `vocab_size`, …).

    Raises:
        ValueError: the JSON asks for a variant that is not built here.
    """
    norms = {"gain_only_lp_layer_norm": "layer_norm", "gain_only_layer_norm": "layer_norm", "rms_norm": "rms_norm"}
    norm = values.get("model_norm", "gain_only_lp_layer_norm")
    ffn = values.get("ffn_type", "swiglu_torch")
    embedding = values.get("positional_embedding_type", "rotary")
    wrong = [
        f"{key}={value}"
        for key, value, known in (
            ("model_norm", norm, norms),
            ("ffn_type", ffn, ("swiglu", "swiglu_torch")),
            ("positional_embedding_type", embedding, ("rotary",)),
            ("post_embed_norm", values.get("post_embed_norm", False), (False,)),
            ("moe_freq", values.get("moe_freq", 0), (0,)),
        )
        if value not in known
    ]
    if wrong:
        raise ValueError(f"this open_lm model needs {', '.join(wrong)}, which is not built here")
    return ModelConfig(
        dim=values["hidden_dim"],
        layers=values["n_layers"],
        heads=values["n_heads"],
        vocab_size=values.get("vocab_size", 50432),
        seq_len=values.get("seq_len", 2048),
        norm=norms[norm],  # type: ignore[arg-type]
        qk_norm=values.get("qk_norm", False),
        tied=values.get("weight_tying", False),
    )


def to_open_lm_json(model: ModelConfig) -> dict[str, Any]:
    """The open_lm model JSON of a model of ours."""
    return {
        "hidden_dim": model.dim,
        "n_layers": model.layers,
        "n_heads": model.heads,
        "seq_len": model.seq_len,
        "vocab_size": model.vocab_size,
        "post_embed_norm": False,
        "weight_tying": model.tied,
        "model_norm": "gain_only_lp_layer_norm" if model.norm == "layer_norm" else "rms_norm",
        "norm_type": "gain_only_lp_layer_norm" if model.norm == "layer_norm" else "rms_norm",
        "qk_norm": model.qk_norm,
        "ffn_type": "swiglu_torch",
        "positional_embedding_type": "rotary",
    }


def training_tokens(config: PretrainConfig, published_parameters: int) -> int:
    """Tokens of the run: `tokens` or 20 per published parameter, times the multiplier."""
    tokens = config.tokens if config.tokens is not None else 20 * published_parameters
    return int(tokens * config.chinchilla_multiplier)


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


def _stems(folder: str) -> list[str]:
    return sorted(file.stem for file in (CONFIGS / folder).glob("*.yaml"))


def read_mapping(path: Path) -> dict[str, Any]:
    """A JSON or YAML file that holds a mapping.

    Raises:
        ValueError: it cannot be read or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else read_yaml(text)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no mapping of keys to values")
    return value
