"""Any transformers causal model behind the decoder's interface; a model without values from its description."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.model.config import ModelConfig
from pretrain.model.decoder import Decoder, Output
from pretrain.model.loss import IGNORED, LossSums, linear_cross_entropy


def rebuild(description: dict[str, Any]) -> "Decoder | HFModel":
    """A model without values, from a checkpoint's `model.json`."""
    if description["kind"] == "open_lm":
        with torch.device("meta"):
            model = Decoder(ModelConfig.model_validate(description["config"]))
        model.to_empty(device="cpu")
        if model.config.tied:
            model.output.weight = model.tok_embeddings.weight
        return model
    from transformers import AutoConfig

    values = dict(description["config"])
    return HFModel(AutoConfig.for_model(values.pop("model_type"), **values))


class HFModel(nn.Module):
    """A transformers causal model behind the interface of `Decoder`; saved names are `inner.` + transformers' own."""

    def __init__(self, config: Any, path: str | None = None) -> None:
        """
        Args:
            config: a transformers config.
            path: a folder to take the weights from; random if None.
        """
        super().__init__()
        from transformers import AutoModelForCausalLM

        if path:
            self.inner = AutoModelForCausalLM.from_pretrained(path, config=config, dtype=torch.float32)
        else:
            self.inner = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        self.plain_output = self._output_is_plain()

    @classmethod
    def create(cls, path: Path, pretrained: str | None, vocab_size: int | None) -> "HFModel":
        """A model for the config in a folder or JSON file, with another vocabulary if asked for."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(path)
        if vocab_size:
            config.vocab_size = vocab_size
        return cls(config, pretrained)

    def get_output_embeddings(self) -> nn.Linear:
        """The output layer."""
        return self.inner.get_output_embeddings()

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        targets: Tensor | None = None,
        z_loss: float = 0.0,
    ) -> Output | LossSums:
        """As `Decoder.forward`."""
        if attention_mask is not None:  # transformers wants added numbers where SDPA takes booleans
            dtype = next(self.inner.parameters()).dtype
            attention_mask = torch.zeros_like(attention_mask, dtype=dtype).masked_fill(
                ~attention_mask, torch.finfo(dtype).min
            )
        extra = {"position_ids": position_ids, "attention_mask": attention_mask, "use_cache": False}
        if targets is None:
            return Output(self.inner(input_ids, **extra).logits.float())
        weight = self.get_output_embeddings().weight
        if self.plain_output:
            return linear_cross_entropy(self.inner.base_model(input_ids, **extra)[0], weight, targets, z_loss)
        logits = self.inner(input_ids, **extra).logits.float()
        keep = targets != IGNORED
        logits, wanted = logits[keep], targets[keep]
        lse = logits.logsumexp(-1)
        entropy, z = nn.functional.cross_entropy(logits, wanted, reduction="sum"), lse.square().sum()
        return LossSums(entropy + z_loss * z, entropy.detach(), z.detach(), logits.mean(-1).sum().detach(), keep.sum())

    @torch.no_grad()
    def _output_is_plain(self) -> bool:
        """Whether logits are just states times output matrix: no cap, scale or bias between."""
        self.eval()
        ids = torch.zeros(1, 2, dtype=torch.long)
        states = self.inner.base_model(ids, use_cache=False)[0]
        same = torch.allclose(states @ self.get_output_embeddings().weight.T, self.inner(ids).logits, atol=1e-4)
        self.train()
        return same
