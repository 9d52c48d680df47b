"""open_scorer: a scorer for a folder, a live module or a server."""

from pathlib import Path
from typing import TYPE_CHECKING

from eval.likelihood.config import ScorerConfig
from eval.likelihood.trunks import Scorer

if TYPE_CHECKING:
    from torch import nn


def open_scorer(
    model: "str | Path | nn.Module", config: ScorerConfig | None = None, *, collective: bool = False
) -> Scorer:
    """A scorer for a model folder, a live module or the URL of a server.

    Args:
        model: folder or hub name for transformers; URL (`http…/v1`); or any module that is called with `input_ids`,
            `position_ids`, `attention_mask` ([B, 1, S, S] bool) and `logits_to_keep` and returns logits or an
            object that holds them.
        config: defaults if None.
        collective: all ranks of torch.distributed score together (sharded weights); each call of `score` by one is
            then a call by all.
    """
    config = config or ScorerConfig()
    if isinstance(model, str) and model.startswith(("http://", "https://")):
        from eval.likelihood.server import ServerScorer

        return ServerScorer(model, config)
    from eval.likelihood.causal_model import load_model
    from eval.likelihood.local import LocalScorer

    if isinstance(model, str | Path):
        model = load_model(model, config.dtype, config.device)
    return LocalScorer(model, config, collective=collective)
