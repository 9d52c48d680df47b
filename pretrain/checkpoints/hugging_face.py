"""Checkpoints to and from Hugging Face folders."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from common.config import read_mapping
from common.runs.folder import write_json
from pretrain.checkpoints.folder import latest, steps_saved
from pretrain.checkpoints.folding import (
    Weights,
    add_frequencies,
    exact_inv_freq,
    from_hf_weights,
    to_hf_config,
    to_hf_weights,
)
from pretrain.checkpoints.torch_files import load_weights, save_weights
from pretrain.model.config import ModelConfig
from pretrain.model.decoder import Decoder
from pretrain.model.hugging_face import HFModel, rebuild

log = logging.getLogger("repro.pretrain")

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def load_checkpoint(
    path: str | Path, *, step: int | None = None, averaged: bool = False
) -> tuple[Decoder | HFModel, dict[str, Any]]:
    """A checkpoint's model on the CPU in fp32, ready to score, and its `model.json`.

    Args:
        path: a run folder or a checkpoint folder.
        step: of a run folder; its last checkpoint if None.
        averaged: take the averaged weights.

    Raises:
        ValueError: there is no such checkpoint.
    """
    folder = Path(path)
    if not (folder / ".metadata").exists():
        saved = steps_saved(folder)
        found = saved.get(step) if step is not None else latest(folder)
        if found is None:
            steps = ", ".join(map(str, saved)) or "none"
            raise ValueError(
                f"{path} has no checkpoint{'' if step is None else f' of step {step}'}; saved steps: {steps}"
            )
        folder = found
    description = read_mapping(folder / "model.json")
    model = rebuild(description)
    load_weights(folder, model)
    if averaged:
        load_weights(folder, model, averaged=True)
    return model.eval(), description


def to_hf(
    checkpoint: str,
    out: str,
    *,
    step: int | None = None,
    averaged: bool = False,
    dtype: str = "float32",
    exact_rope: bool = False,
    verify: bool = True,
) -> str:
    """Write a Hugging Face folder that stock classes load; returns what was checked, in words.

    Raises:
        ValueError: no such checkpoint, or OUT holds something else.
        RuntimeError: the exported model's logits are not the checkpoint's.
    """
    from transformers import AutoConfig, GenerationConfig

    model, description = load_checkpoint(checkpoint, step=step, averaged=averaged)
    target, draft = Path(out), Path(out).with_name(f".{Path(out).name}.draft")
    if target.exists() and any(target.iterdir()) and not (target / "config.json").is_file():
        raise ValueError(f"{out} holds something that is no exported model; choose another folder")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    number = getattr(torch, dtype)
    note = ""
    if isinstance(model, Decoder):
        weights = {name: tensor.detach() for name, tensor in model.state_dict().items()}
        inv_freq = exact_inv_freq(model.config) if exact_rope else weights["layers.0.attention.pos_embed.inv_freq"]
        kind = "olmoe" if model.config.qk_norm else "llama"
        config = AutoConfig.for_model(kind, **to_hf_config(model.config, inv_freq, description), dtype=dtype)
        config.architectures = ["OlmoeForCausalLM" if kind == "olmoe" else "LlamaForCausalLM"]
        config.save_pretrained(draft)
        tensors = {name: tensor.to(number) for name, tensor in to_hf_weights(weights, model.config).items()}
        save_file(tensors, draft / "model.safetensors", metadata={"format": "pt"})
        ends = {"bos_token_id": config.bos_token_id, "eos_token_id": config.eos_token_id}
        GenerationConfig(**ends, pad_token_id=config.pad_token_id).save_pretrained(draft)
        if config.rope_parameters["rope_type"] == "longrope":
            note = ", rotary frequencies rounded to bf16 as trained"
    elif isinstance(model, HFModel):
        _name_special_tokens(model.inner, description)
        model.inner.to(number).save_pretrained(draft)
        model.inner.float()
    _copy_tokenizer(description.get("tokenizer"), draft)
    (draft / "README.md").write_text(_card(description, Path(checkpoint)), encoding="utf-8")
    if verify and not (exact_rope and isinstance(model, Decoder) and model.config.rope_freqs != "exact"):
        note += f", {_compare(model, draft, number)}"
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters, {dtype}{note}"


def from_hf(folder: str, out: str) -> str:
    """Write a one-expert OLMoE or a Llama without grouped heads as our checkpoint, for continued training.

    The imported model's logits are held against the source's: a config may say in many ways what ours does not have.

    Raises:
        ValueError: the model has parts that ours does not have.
    """
    values = read_mapping(Path(folder, "config.json"))
    heads = values.get("num_attention_heads")
    kind = values.get("model_type")
    older = values.get("rope_scaling") or {}
    rope = {"rope_theta": values.get("rope_theta", 10000.0), "rope_type": older.get("type", "default"), **older}
    rope |= values.get("rope_parameters") or {}
    refusal = f"{folder} is a {kind} that our decoder cannot hold; train it with model=hf:{folder}"
    if kind not in ("olmoe", "llama") or values.get("num_experts", 1) != 1:
        raise ValueError(refusal)
    weights: Weights = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        weights |= {name: tensor.float() for name, tensor in load_file(file).items()}
    config = ModelConfig(
        dim=values["hidden_size"],
        layers=values["num_hidden_layers"],
        heads=heads,
        vocab_size=values["vocab_size"],
        seq_len=values["max_position_embeddings"],
        ffn_hidden=values["intermediate_size"],
        # Centred rows come from folding, and compute the same under both norms.
        norm="layer_norm" if weights["model.embed_tokens.weight"].mean(1).abs().max() < 1e-6 else "rms_norm",
        norm_eps=values["rms_norm_eps"],
        qk_norm=kind == "olmoe",
        rope_theta=rope["rope_theta"],
        rope_freqs="bf16" if rope["rope_type"] == "longrope" else "exact",
    )
    try:
        weights_of_ours = from_hf_weights(weights, config)
    except (KeyError, RuntimeError, ValueError) as error:  # a tensor is missing, or of another shape
        raise ValueError(f"{refusal} ({error})") from None
    inv_freq = exact_inv_freq(config)
    if rope["rope_type"] == "longrope":
        inv_freq = inv_freq / torch.tensor(rope["short_factor"])
    elif rope["rope_type"] != "default":
        raise ValueError(f"{folder} has rotary embeddings of type {rope['rope_type']}, which ours do not have")
    add_frequencies(weights_of_ours, config, inv_freq)
    largest = _import_differs(weights_of_ours, config, folder)
    if largest is None or largest > 1e-3:
        reason = "other tensors" if largest is None else f"logits differ by {largest:.2g}"
        raise ValueError(f"{refusal} ({reason})")
    ids = {
        "eot_id": values.get("eos_token_id"),
        "bos_id": values.get("bos_token_id"),
        "pad_id": values.get("pad_token_id"),
    }
    extra = {"tokenizer": str(Path(folder).resolve()), **ids, "run": Path(folder).name}
    write_checkpoint(weights_of_ours, config, out, extra)
    return f"{kind} as {config.norm}, logits within {largest:.1e} of the source's"


def _import_differs(weights: Weights, config: ModelConfig, folder: str) -> float | None:
    """The largest difference between an imported model's logits and its source's, in units of their spread, on 128
    tokens; None where the tensors are not those of our decoder."""
    from transformers import AutoModelForCausalLM

    model = Decoder(config).eval()
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        return None
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    length = min(128, config.seq_len or 128)
    ids = torch.randint(0, config.known_vocab(), (1, length), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted, found = theirs(ids).logits.float(), model(ids).logits
    return float((wanted - found).abs().max() / wanted.std().clamp(min=1e-6))


def write_checkpoint(weights: Weights, config: ModelConfig, out: str, extra: dict[str, Any]) -> None:
    """Write open_lm-named weights as a checkpoint folder of ours, in fp32; `extra` goes into its `model.json`.

    Raises:
        ValueError: the folder holds something.
    """
    folder = Path(out)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{out} is not empty; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "model.json", {"kind": "open_lm", "config": config.model_dump(), **extra})
    save_weights(folder, {name: tensor.float() for name, tensor in weights.items()})


def _compare(model: nn.Module, folder: Path, number: torch.dtype) -> str:
    """Load the export and hold its logits against the checkpoint's, on 128 tokens."""
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=number).eval()
    ids = torch.randint(0, theirs.config.vocab_size, (1, 128), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, exported = model(ids).logits, theirs(ids).logits.float()
    largest = float((ours - exported).abs().max())
    if number == torch.float32:
        if largest > 1e-4 * max(1.0, float(ours.abs().max()) / 20):
            raise RuntimeError(f"the exported model's logits differ by {largest:.2g} from the checkpoint's")
        return f"logits within {largest:.1e} of the checkpoint's"
    kl = nn.functional.kl_div(exported.log_softmax(-1), ours.log_softmax(-1), log_target=True, reduction="sum")
    return f"logits within {largest:.2g} of fp32, mean KL {float(kl) / ids.shape[1]:.2e} nats per token"


def _name_special_tokens(model: Any, description: dict[str, Any]) -> None:
    """Give a transformers model the special tokens that its data or its source says, where its config lost them."""
    saved = description["config"]
    for name, value in (description.get("generation_config") or {}).items():
        if value is not None:
            setattr(model.generation_config, name, value)
    for name, known in (("bos_token_id", "bos_id"), ("eos_token_id", "eot_id"), ("pad_token_id", "pad_id")):
        value = saved.get(name) if saved.get(name) is not None else description.get(known)
        for config in (model.config, model.generation_config):
            if config is not None and getattr(config, name, None) is None and value is not None:
                setattr(config, name, value)


def _copy_tokenizer(folder: str | None, out: Path) -> None:
    if folder is None or not Path(folder).is_dir():
        log.warning("no tokenizer folder is known for this checkpoint; copy its files beside the weights")
        return
    for name in TOKENIZER_FILES:
        if Path(folder, name).is_file():
            shutil.copyfile(Path(folder, name), out / name)


def _card(description: dict[str, Any], checkpoint: Path) -> str:
    """A short model card: what it is and the last losses of its run."""
    lines = [
        f"# {description.get('run') or checkpoint.name}",
        "",
        "Pretrained with RePro (`python -m pretrain.train`).",
    ]
    record = next(
        (up / "record.json" for up in (checkpoint, *checkpoint.parents[:2]) if (up / "record.json").is_file()), None
    )
    if record:
        values = json.loads(record.read_text(encoding="utf-8"))
        lines += ["", f"- data: {values['dataset_name']}", f"- tokens: {values['tokens_trained']:,}"]
        lines += [f"- {name}: {value:.4f}" for name, value in values["results"].items() if value is not None]
    return "\n".join(lines) + "\n"
