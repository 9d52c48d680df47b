"""open_lm's checkpoints as ours, and ours as its."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import scalar
from safetensors.torch import load_file
from torch import Tensor

from common.config import read_mapping
from common.runs.folder import write_json
from pretrain.checkpoints.folding import Weights, add_frequencies, exact_inv_freq
from pretrain.checkpoints.hugging_face import load_checkpoint, write_checkpoint
from pretrain.data.tokenised_set import TokenisedSet
from pretrain.model.config import ModelConfig, from_open_lm_json, load_model_config, to_open_lm_json
from pretrain.model.decoder import Decoder

log = logging.getLogger("repro.pretrain")


def to_open_lm(checkpoint: str, out: str, *, step: int | None = None, averaged: bool = False) -> str:
    """Write `OUT/checkpoints/epoch_0.pt` and `OUT/model.json`, which open_lm loads."""
    model, _ = load_checkpoint(checkpoint, step=step, averaged=averaged)
    if not isinstance(model, Decoder):
        raise ValueError(f"{checkpoint} is a transformers model; open_lm cannot hold it")
    folder = Path(out, "checkpoints")
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 0, "name": Path(checkpoint).name, "state_dict": weights, "step": step}, folder / "epoch_0.pt")
    write_json(Path(out, "model.json"), to_open_lm_json(model.config))
    return f"{len(weights)} tensors"


def from_open_lm(file: str, described: str | None, out: str, *, unsafe: bool = False, text: str = "") -> str:
    """Write an open_lm checkpoint as ours; returns in words which rotary frequencies it has.

    Args:
        file: `epoch_N.pt`, a safetensors file, or a folder of safetensors files, with open_lm's names.
        described: open_lm's model JSON, a file of ours or a preset; None: all is read off the shapes.
        out: the checkpoint folder to write.
        unsafe: unpickle arbitrary objects.
        text: a tokenised folder that decides between the frequencies where the file has none.

    Raises:
        ValueError: tensors are missing or unknown, or the description does not fit them.
    """
    weights = _plain_names(_read_open_lm(Path(file), unsafe))
    buffers = {name: weights.pop(name) for name in list(weights) if name.endswith("inv_freq")}
    inv_freq = next(iter(buffers.values())).float() if buffers else None
    config = _config_from_shapes(weights, inv_freq, described)
    exact, rounded = exact_inv_freq(config), exact_inv_freq(config).bfloat16().float()
    if inv_freq is None:
        forms = {"exact": exact, "bf16": rounded}
        freqs, said = _likelier(weights, config, forms, text) if text else ("exact", "none in the file: exact assumed")
        inv_freq = forms[freqs]
    elif torch.allclose(inv_freq, exact, rtol=1e-5, atol=0):
        freqs, said = "exact", "exact"
    elif torch.allclose(inv_freq, rounded, rtol=1e-5, atol=0):
        freqs, said = "bf16", "rounded to bf16"
    else:
        raise ValueError(
            f"{file}: its rotary frequencies are neither those of theta={config.rope_theta:g} nor their bf16"
        )
    config = config.model_copy(update={"rope_freqs": freqs})
    add_frequencies(weights, config, inv_freq)
    _check_names(weights, config, file)
    write_checkpoint(
        weights, config, out, {"tokenizer": None, "eot_id": 0, "bos_id": None, "pad_id": 1, "run": Path(file).stem}
    )
    return f"{config.layers} layers of width {config.dim}, rotary frequencies {said}"


def _read_open_lm(path: Path, unsafe: bool) -> Weights:
    if path.is_dir() or path.suffix == ".safetensors":
        weights: Weights = {}
        for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
            weights |= load_file(file)
        if not weights:
            raise ValueError(f"{path} holds no .safetensors file")
        return weights
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    scalars: list[Any] = [np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.int64)), scalar]
    try:
        with torch.serialization.safe_globals(scalars):
            loaded = torch.load(path, map_location="cpu", weights_only=not unsafe)
    except Exception as error:  # torch's reader raises many kinds for what it does not trust
        raise ValueError(
            f"{path} cannot be read as tensors and numbers ({type(error).__name__}); unsafe=true"
        ) from error
    return loaded.get("state_dict", loaded)


def _plain_names(weights: Mapping[str, Tensor]) -> Weights:
    """Names without what wrappers put before them."""
    out = {}
    for name, tensor in weights.items():
        plain = name.replace("_orig_mod.", "").removeprefix("module.").removeprefix("model.")
        out[plain.replace("_fsdp_wrapped_module.", "").replace("_checkpoint_wrapped_module.", "")] = tensor
    return out


def _config_from_shapes(weights: Weights, inv_freq: Tensor | None, described: str | None) -> ModelConfig:
    try:
        vocab, dim = weights["tok_embeddings.weight"].shape
        hidden = weights["layers.0.feed_forward.w3.weight"].shape[1]
    except KeyError as error:
        raise ValueError(f"no open_lm SwiGLU model: {error} is missing") from None
    layers = len({name.split(".")[1] for name in weights if name.startswith("layers.")})
    given = None
    qk_norm = "layers.0.attention.q_norm.weight" in weights
    if described:
        values = read_mapping(Path(described)) if described.endswith(".json") else {}
        if "hidden_dim" in values:
            # DCLM's own model files leave it out: it was an argument of the run.
            given = from_open_lm_json({"qk_norm": qk_norm, **values})
        else:
            given = load_model_config(described)
    if inv_freq is None and given is None:
        raise ValueError("the file holds no rotary frequencies, so the number of heads is unknown; give MODEL.json")
    heads = dim // (2 * len(inv_freq)) if inv_freq is not None else given.heads  # type: ignore[union-attr]
    found = {
        "dim": dim,
        "layers": layers,
        "heads": heads,
        "vocab_size": vocab,
        "qk_norm": qk_norm,
    }
    if given:
        wrong = [
            f"{key} {value}, not {getattr(given, key)}" for key, value in found.items() if getattr(given, key) != value
        ]
        if wrong:
            raise ValueError(f"{described} does not describe this checkpoint: it has {'; '.join(wrong)}")
        return given.model_copy(update={"ffn_hidden": hidden})
    return ModelConfig(**found, ffn_hidden=hidden)


def _check_names(weights: Weights, config: ModelConfig, source: str) -> None:
    with torch.device("meta"):
        wanted = {name: tensor.shape for name, tensor in Decoder(config).state_dict().items()}
    if config.tied:
        weights.setdefault("output.weight", weights["tok_embeddings.weight"])
    missing, unknown = sorted(set(wanted) - set(weights)), sorted(set(weights) - set(wanted))
    if missing or unknown:
        raise ValueError(f"{source}: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
    wrong = [name for name, shape in wanted.items() if weights[name].shape != shape]
    if wrong:
        raise ValueError(f"{source}: unexpected shapes of {wrong}")


def _likelier(weights: Weights, config: ModelConfig, forms: dict[str, Tensor], text: str) -> tuple[str, str]:
    """The frequencies under which a text's loss is lower."""
    data = TokenisedSet(text)
    rows = torch.from_numpy(data.rows(np.arange(min(8, len(data)))))
    losses = {}
    for name, inv_freq in forms.items():
        complete = dict(weights)
        add_frequencies(complete, config, inv_freq)
        model = Decoder(config).eval()
        model.load_state_dict(complete)
        with torch.no_grad():
            sums = model(rows[:, :-1], targets=rows[:, 1:])
        losses[name] = float(sums.cross_entropy / sums.count)
    best = min(losses, key=losses.__getitem__)
    if max(losses.values()) > 1.01 * losses[best]:
        log.warning("the rotary frequencies matter here: loss %s; taking %s", losses, best)
    return best, f"none in the file: {best} by the loss on {text} ({losses[best]:.4f} nats per token)"
