"""Likelihoods from a model in this process."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eval.likelihood import BranchScores, ScorerConfig, Trunk, TrunkScores


def load_model(model: str | Path, config: ScorerConfig) -> nn.Module:
    """Load a causal language model from a folder or hub name onto the configured device."""
    from transformers import AutoModelForCausalLM

    dtype = config.dtype if config.dtype == "auto" else getattr(torch, config.dtype)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device
    return AutoModelForCausalLM.from_pretrained(model, dtype=dtype).to(device).eval()


class LocalScorer:
    """Scores trunks with a module of this process."""

    def __init__(self, model: nn.Module, config: ScorerConfig) -> None:
        self.model = model
        self.config = config

    @torch.no_grad()
    def score(self, trunks: Sequence[Trunk]) -> list[TrunkScores]:
        """One plain sequence per branch."""
        results = []
        for trunk in trunks:
            ids = list(trunk.token_ids)
            branches = [self._plain(ids[: branch.cut], list(branch.token_ids)) for branch in trunk.branches]
            entropy = np.zeros(0, np.float32)
            if len(trunk.probe_rows):
                logprobs = self._logits(ids)[list(trunk.probe_rows)].log_softmax(-1)
                entropy = -(logprobs.exp() * logprobs).sum(-1).cpu().numpy()
            results.append(TrunkScores(branches, entropy))
        return results

    def _logits(self, ids: list[int]) -> torch.Tensor:
        device = next(self.model.parameters()).device
        output = self.model(input_ids=torch.tensor([ids], device=device))
        return (output if isinstance(output, torch.Tensor) else output.logits)[0].float()  # [S, V]

    def _plain(self, context: list[int], continuation: list[int]) -> BranchScores:
        if not continuation:
            return BranchScores(np.zeros(0, np.float32), np.zeros(0, bool))
        logits = self._logits(context + continuation[:-1])[len(context) - 1 :] / self.config.temperature
        target = torch.tensor(continuation, device=logits.device)
        logprobs = logits.log_softmax(-1).gather(1, target[:, None])[:, 0]
        return BranchScores(logprobs.cpu().numpy(), (logits.argmax(-1) == target).cpu().numpy())
