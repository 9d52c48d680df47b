"""The model of a run: ours from a preset, or any causal model from a transformers config."""

from pathlib import Path
from typing import Any

import torch

from common.config import read_mapping
from pretrain.checkpoints.torch_files import load_weights
from pretrain.model.decoder import Decoder, build
from pretrain.model.hugging_face import HFModel
from pretrain.training.config import PretrainConfig
from pretrain.training.job import Job


def build_model(config: PretrainConfig, job: Job, device: torch.device) -> tuple[Decoder | HFModel, dict[str, Any]]:
    """The run's initialised model in fp32 on a device, and the description that rebuilds it.

    Raises:
        ValueError: `pretrained` does not hold weights for this model.
    """
    said = job.data.sets[0].description
    shared = {
        "tokenizer": job.tokenizer,
        "run": job.name,
        **{key: said.get(key) for key in ("eot_id", "bos_id", "pad_id")},
    }
    if job.model is not None:
        ours = build(job.model, config.seed, str(device))
        if config.pretrained:
            load_weights(Path(config.pretrained), ours)
        return ours, {"kind": "open_lm", "config": job.model.model_dump(), **shared}
    path = Path(config.model.removeprefix("hf:"))
    torch.manual_seed(config.seed)
    model = HFModel.create(path, config.pretrained or None, config.vocab_size).to(device)
    return model, {"kind": "hf", **described(model, path), **shared}


def described(model: HFModel, path: Path) -> dict[str, Any]:
    """The config of a transformers model, and the special tokens that its folder generates with."""
    saved = path / "generation_config.json"
    values = read_mapping(saved) if saved.is_file() else {}
    named = ("bos_token_id", "eos_token_id", "pad_token_id")
    tokens = {name: values[name] for name in named if name in values}
    return {"config": model.inner.config.to_dict(), "generation_config": tokens}
