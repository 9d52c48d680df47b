"""SFTRunConfig and its stages."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import ADDED, HOW, CommaList, Out, RunConfig
from common.runs.tracking import TrackerName, check_tracker
from rl.adapters import AdapterConfig


class Lesson(RunConfig):
    """One part of a curriculum."""

    data: CommaList
    """Files of rows."""

    steps: int = Field(gt=0)
    """Optimizer steps; the rows come again when they run out."""

    batch_tokens: int = Field(4096, gt=0)
    """Most tokens in a batch, padding included."""


class SFTRunConfig(RunConfig):
    """Supervised fine-tuning; the learning-rate schedule spans all stages."""

    model: str = "Qwen/Qwen3-4B"
    """Hugging Face folder or name, or a model configuration (`.json`) for fresh weights."""

    init: Literal["random", "copying", "reading"] = "random"
    """Fresh weights: as transformers draws them, with a circuit that copies (`rl.sft.copying_init`), or with one that
    also knows the numbered line a token stands in (`rl.sft.reading_init`)."""

    tokenizer: str | None = None
    """Hugging Face folder or name of the tokenizer; the model's if not given."""

    out: Annotated[str, HOW, Out(folder=True, run=True)] = "runs/sft"
    """Run folder."""

    data: CommaList = []
    """Files of rows; given beside a config's `stages`, they take their place."""

    eval_data: CommaList = []
    """Files of held-out rows, for the loss."""

    stages: list[Lesson] = []
    """A curriculum in place of `data`; one process only."""

    learning_rate: float = Field(5e-5, gt=0)
    """Peak learning rate; the default is that of arXiv:2510.10681."""

    lr_scheduler_type: str = "cosine"
    """Schedule of the learning rate, by its name in transformers."""

    lr_scheduler_kwargs: dict[str, Any] = {}
    """Arguments of that schedule."""

    warmup_frac: float = Field(0.03, ge=0, lt=1)
    """Share of the steps in which the rate rises."""

    num_train_epochs: float = Field(1.0, gt=0)
    """Passes over `data`."""

    max_steps: int = -1
    """Optimizer steps after which training stops, before the epochs end; -1: no such limit."""

    per_device_train_batch_size: int = Field(4, gt=0)
    """Rows per device and forward pass, where there are no stages."""

    gradient_accumulation_steps: int = Field(2, gt=0)
    """Forward passes per step."""

    max_length: int = Field(8192, gt=0)
    """Longest row in tokens; longer ones are left out and counted."""

    max_grad_norm: float = Field(0.2, gt=0)
    """Gradients are scaled down to this norm."""

    weight_decay: float = Field(0.0, ge=0)
    """Weight decay of AdamW."""

    adam_beta2: float = Field(0.999, gt=0, lt=1)
    """Decay of AdamW\'s second moment."""

    precision: Literal["fp32", "bf16", "mixed"] = "bf16"
    """What the model computes in; `mixed`: products in bfloat16, weights and sums in float32, on CPU too."""

    adapter: Annotated[AdapterConfig | None, ADDED] = None
    """Train a LoRA adapter beside the frozen model, merged into it for the export; null: train all weights."""

    export_dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """What the exported weights are stored in."""

    gradient_checkpointing: bool = True
    """Recompute activations instead of keeping them."""

    seed: int = 42
    """Seed of fresh weights and of the order of the rows."""

    report_to: Annotated[TrackerName, HOW] = "none"
    """Service that gets the metrics too (pip install -e .[track]); `USE_WANDB=true` means wandb."""

    logging_steps: Annotated[int, HOW] = 10
    """Steps between metrics."""

    save_steps: Annotated[int, HOW] = 500
    """Steps between checkpoints."""

    save_total_limit: Annotated[int, HOW] = 2
    """Checkpoints kept."""

    resume: Annotated[bool, HOW] = True
    """Go on from the last checkpoint in `out`; false starts over in the same folder."""

    @model_validator(mode="before")
    @classmethod
    def _data_replaces_stages(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("data") and values.get("stages"):
            return {**values, "stages": []}
        return values

    @model_validator(mode="after")
    def _one_source(self) -> "SFTRunConfig":
        if not self.data and not self.stages:
            raise ValueError("no rows are named: give data=FILE, or a config with stages")
        if self.max_steps == 0 or self.max_steps < -1:
            raise ValueError(f"max_steps {self.max_steps} trains nothing; -1 is as many as the epochs have")
        if self.adapter and self.model.endswith(".json"):
            raise ValueError("an adapter needs trained weights beside it, and model is a configuration for fresh ones")
        return self

    def files(self) -> list[str]:
        """All files of training rows."""
        return list(dict.fromkeys([*self.data, *(path for stage in self.stages for path in stage.data)]))


def check_files(config: SFTRunConfig) -> dict[str, str]:
    """What would be read and written.

    Raises:
        FileNotFoundError: a file of rows is missing.
    """
    from pathlib import Path

    check_tracker(config)
    for path in [*config.files(), *config.eval_data]:
        if not Path(path).is_file():
            raise FileNotFoundError(f"no rows at {path}; `python -m rl.data.rephrase` writes them")
    return {"reads": ", ".join([config.model, *config.files(), *config.eval_data]), "writes": f"{config.out}/export"}
