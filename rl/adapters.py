"""LoRA and QLoRA: small matrices beside a frozen base are trained, and merged into it for the export (peft).

A weight W of [out, in] becomes `W + (alpha / rank) B A` with A of [rank, in] and B of [out, rank]; B begins at 0, so
that training begins at the base. With the adapter off, the model is the base, to the bit: it is the reference of the KL
term, and what rewards of role `initial` score with, so that no second copy of the weights is held.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from common.config import RunConfig
from common.weights import find_model

if TYPE_CHECKING:
    from peft import LoraConfig
    from torch import nn

BITS_NEED_A_GPU = "adapter.bits needs an NVIDIA GPU and bitsandbytes (pip install -e .[lora]); leave it out here"


class AdapterConfig(RunConfig):
    """What is trained beside the frozen base."""

    rank: int = Field(16, ge=1)
    """Rank of the adapter: the rows of A and the columns of B."""

    alpha: float = Field(32.0, gt=0)
    """Scaling: the adapter's product is multiplied by `alpha / rank`."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout on the adapter's input while training. Likelihood rewards are scored without it."""

    targets: list[str] = []
    """Layers that get an adapter, by the ends of their names; empty: every linear layer but the output."""

    bits: Literal[4, 8] | None = None
    """QLoRA: the frozen base in 4 bits (NF4, with double quantisation) or in 8; null: in the run's own precision."""

    @model_validator(mode="after")
    def _leaves_the_output_alone(self) -> "AdapterConfig":
        if "lm_head" in self.targets:
            raise ValueError("adapter.targets: the output layer is read directly by the loss and cannot carry one")
        return self


def peft_config(adapter: AdapterConfig | None) -> "LoraConfig | None":
    """The adapter as peft takes it; None where all weights are trained."""
    if adapter is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]  # peft only divides it by the rank
        lora_dropout=adapter.dropout,
        target_modules=adapter.targets or "all-linear",
        bias="none",
    )


def base_options(adapter: AdapterConfig | None, precision: str) -> dict[str, Any]:
    """What a base is loaded with, over transformers' own: its dtype, and how its weights are quantised.

    Weights that are trained are kept in float32, whatever is computed in. A frozen base needs no more than what it is
    computed in; peft keeps the adapter itself in float32.

    Raises:
        ValueError: `bits` is asked for, and nothing here can do it.
    """
    import torch

    frozen = torch.bfloat16 if adapter and precision == "bf16" else torch.float32
    options: dict[str, Any] = {"dtype": frozen}
    if adapter and adapter.bits:
        check_bits(adapter)
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = (
            BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=frozen,
            )
            if adapter.bits == 4
            else BitsAndBytesConfig(load_in_8bit=True)
        )
    return options


def check_bits(adapter: AdapterConfig | None) -> None:
    """See that a quantised base can be held here.

    Raises:
        ValueError: there is no GPU, or no bitsandbytes.
    """
    from importlib.util import find_spec

    if adapter and adapter.bits and (not Path("/dev/nvidiactl").exists() or find_spec("bitsandbytes") is None):
        raise ValueError(BITS_NEED_A_GPU)


def adapter_of(model: Any) -> Any:
    """The peft model in a module that may be wrapped (DDP, compiled); None where there is none."""
    while model is not None and not hasattr(model, "disable_adapter"):
        model = getattr(model, "module", None) or getattr(model, "_orig_mod", None)
    return model


def without_adapter(model: "nn.Module") -> "nn.Module":
    """The same module as its base: each call goes through with the adapter off."""
    from torch import nn

    class Base(nn.Module):
        """Calls the module inside with its adapter off."""

        def __init__(self) -> None:
            super().__init__()
            self.module = model

        def forward(self, *inputs: Any, **options: Any) -> Any:
            """As the module's own."""
            with adapter_of(self.module).disable_adapter():
                return self.module(*inputs, **options)

    return Base()


def merged(model: Any, base: str, folder: Path) -> Any:
    """The base with the adapter worked into it, in float32: an ordinary model, ready to be saved.

    The base is read again, so that one that was quantised or held in bfloat16 loses nothing in the sum.

    Args:
        model: the peft model.
        base: what it was loaded from.
        folder: where the adapter alone is kept.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model.save_pretrained(folder)
    whole = AutoModelForCausalLM.from_pretrained(find_model(base), dtype=torch.float32)
    return PeftModel.from_pretrained(whole, str(folder)).merge_and_unload(safe_merge=True)
