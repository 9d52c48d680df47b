"""One way to call any causal language model, and what its config says about the texts it can take."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common.weights import context_length, find_model

MASKED = ("sdpa", "eager", "flex_attention")
"""Attention implementations of transformers that take a mask of ours."""


def load_model(model: str | Path, dtype: str = "auto", device: str = "auto") -> nn.Module:
    """Load a causal language model from a folder or hub name; `auto` is the saved dtype and the GPU if there is one."""
    from transformers import AutoModelForCausalLM

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    loaded = AutoModelForCausalLM.from_pretrained(
        find_model(str(model)), dtype=dtype if dtype == "auto" else getattr(torch, dtype)
    )
    return loaded.to(device).eval()


class CausalModel:
    """A module that maps token ids to logits: of transformers, of `pretrain.model.decoder`, or like them.

    Wrappers (DDP, FSDP, ZeRO, torch.compile, PEFT) are called, not bypassed: some gather their weights in the call.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.inner = _unwrapped(module)
        config: Any = getattr(self.inner, "config", None)
        self.config: Any = config.get_text_config() if hasattr(config, "get_text_config") else config
        arguments = inspect.signature(self.inner.forward).parameters
        self._any = any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values())
        self._arguments = set(arguments)

    def __call__(
        self,
        ids: Tensor,
        *,
        keep: Tensor,
        positions: Tensor | None = None,
        mask: Any = None,
        cache: Any = None,
        use_cache: bool = False,
    ) -> tuple[Tensor, Any]:
        """Logits of some rows, and the key-value cache.

        Args:
            ids: [B, S] token ids.
            keep: [R] rows wanted.
            positions: [B, S]; 0, 1, … if None.
            mask: None for plain causal, else in the form that `attention` takes.
            cache: keys and values of earlier calls.
            use_cache: return them for later ones.

        Returns:
            [B, R, V] logits, and the cache (None without `use_cache`).
        """
        keep = keep.to(self.device)
        arguments = {"logits_to_keep": keep, "use_cache": use_cache}
        arguments = {name: value for name, value in arguments.items() if self._any or name in self._arguments}
        given = {"position_ids": positions, "attention_mask": mask, "past_key_values": cache}
        arguments |= {name: value for name, value in given.items() if value is not None}
        output = self.module(input_ids=ids.to(self.device), **arguments)
        logits = output if isinstance(output, Tensor) else output.logits
        if logits.shape[1] != len(keep):  # a model that knows no logits_to_keep
            logits = logits[:, keep]
        return logits, getattr(output, "past_key_values", None) if use_cache else None

    @property
    def device(self) -> torch.device:
        """Where the weights, or under CPU offload the inputs, are."""
        return getattr(self.inner, "device", None) or next(self.inner.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.inner.parameters()).dtype

    @property
    def attention(self) -> str:
        """Implementation that takes the mask: `sdpa` (bool), `eager` (additive) or `flex_attention` (blocks)."""
        return getattr(self.config, "_attn_implementation", None) or "sdpa"

    @property
    def takes_blocks(self) -> bool:
        """Whether it has flex attention."""
        switched = hasattr(self.inner, "set_attn_implementation") and getattr(self.inner, "_supports_flex_attn", False)
        return bool(switched or getattr(self.inner, "takes_blocks", False))

    def attend(self, attention: str) -> None:
        """Switch to an attention implementation; a module that knows only one keeps it."""
        switch: Any = getattr(self.inner, "set_attn_implementation", None)
        if attention != self.attention and switch is not None:
            switch(attention)

    @contextmanager
    def maskable_attention(self) -> Iterator[None]:
        """Switch flash and other kernels that take no mask to sdpa, which runs flash wherever no mask is given."""
        before = self.attention
        if before not in MASKED:
            self.attend("sdpa")
        try:
            yield
        finally:
            self.attend(before)

    @property
    def width(self) -> int:
        """Hidden size."""
        known = getattr(self.config, "hidden_size", None) or getattr(self.config, "dim", None)
        return int(known or next(self.inner.parameters()).shape[-1])

    @property
    def output_cost(self) -> float:
        """What a row of the output layer costs, `2 width V` operations, in pairs of one layer, `4 width layers`."""
        layers = getattr(self.config, "num_hidden_layers", None) or getattr(self.config, "layers", None)
        entries = getattr(self.config, "vocab_size", None)
        return entries / (2 * layers) if entries and layers else 0.0

    @property
    def max_length(self) -> int | None:
        """Context limit in tokens that the config declares."""
        return context_length(self.config)

    @property
    def maskable_length(self) -> float:
        """Longest text in which every token sees all earlier ones, so that our mask says what the model would do.

        The window or chunk of windowed attention, the length at which positions are rescaled; 0 for layers that are no
        attention at all.
        """
        kinds = set(getattr(self.config, "layer_types", None) or ())
        if kinds - {"full_attention", "sliding_attention", "chunked_attention"}:
            return 0
        limits = [self.length_dependent or torch.inf]
        windowed = "sliding_attention" in kinds if kinds else getattr(self.config, "use_sliding_window", True)
        if windowed and getattr(self.config, "sliding_window", None):
            limits.append(self.config.sliding_window)
        if getattr(self.config, "attention_chunk_size", None):
            limits.append(self.config.attention_chunk_size)
        return min(limits)

    @property
    def length_dependent(self) -> int | None:
        """Length beyond which LongRoPE scales positions by another table: that of the longest text in the batch."""
        parameters = getattr(self.config, "rope_parameters", None) or {}
        if parameters.get("rope_type") != "longrope":
            return None
        return int(parameters.get("original_max_position_embeddings") or self.config.max_position_embeddings)


def _unwrapped(module: nn.Module) -> nn.Module:
    while True:
        inner = getattr(module, "module", None) or getattr(module, "_orig_mod", None)
        base: Any = getattr(module, "get_base_model", None)
        if isinstance(inner, nn.Module):
            module = inner
        elif base is not None:
            module = base()
        else:
            return module
