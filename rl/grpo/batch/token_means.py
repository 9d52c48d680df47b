"""Entropy and KL of a step as means over all its tokens: the same on any number of processes and micro-batches.

TRL takes the mean of each micro-batch and then of these, so that a short micro-batch weighs as much as a long one and
the number depends on how the work is cut up. Here the sums over tokens are kept, and divided once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class TokenMeans:
    """Sums over the tokens of the passes since the last line of metrics."""

    def __init__(self) -> None:
        self._pass: tuple[Tensor, Tensor] | None = None
        self._sums: Tensor | None = None
        self._has_kl = False

    def read(self, logprobs: Tensor, entropies: Tensor) -> None:
        """What the loss's pass said, [B, T] each; `add` comes next."""
        self._pass = logprobs.detach(), entropies.detach()

    def add(self, inputs: Mapping[str, Any], fresh: Sequence[bool] | None = None, ratio: str = "") -> None:
        """Count the pass's tokens.

        Args:
            inputs: TRL's batch: `completion_mask` [B, T], and `ref_per_token_logps` where there is a reference.
            fresh: [B] whether a row counts; a held-out row that only fills up a batch does not. None: all do.
            ratio: `token` or `sequence`: the KL is weighted by the policy's ratio to the one that sampled, of the
                token or of the sequence, as TRL's `use_bias_correction_kl` does; empty: it is not.
        """
        if self._pass is None:
            return
        (logprobs, entropies), self._pass = self._pass, None
        mask = own = inputs["completion_mask"] * inputs.get("tool_mask", 1)
        if fresh is not None:
            mask = mask * torch.tensor(fresh, device=mask.device)[:, None]
        reference = inputs.get("ref_per_token_logps")
        sums = [mask.sum(), (entropies * mask).sum()]
        if reference is not None:
            gap = (reference - logprobs).double()  # exp(gap) - gap - 1 of a small gap is mostly rounding otherwise
            kl = gap.expm1() - gap
            if ratio and (sampler := inputs.get("old_per_token_logps")) is not None:
                drift = logprobs - sampler
                if ratio == "sequence":
                    drift = ((drift * own).sum(-1) / own.sum(-1).clamp(min=1)).unsqueeze(-1)
                kl = kl * drift.exp()
            sums.append((kl * mask).sum())
            self._has_kl = True
        found = torch.stack([one.double() for one in sums])
        self._sums = found if self._sums is None else self._sums + found

    def take(self, accelerator: Any) -> dict[str, float]:
        """`entropy`, and `kl` where there is a reference, over all processes; nothing if there was no pass.

        All processes call it together.
        """
        sums, has_kl = self._sums, self._has_kl
        self._sums, self._has_kl = None, False
        if sums is None:
            return {}
        tokens, entropy, *kl = accelerator.reduce(sums, reduction="sum").tolist()
        if not tokens:
            return {}
        return {"entropy": entropy / tokens, **({"kl": kl[0] / tokens} if has_kl else {})}
