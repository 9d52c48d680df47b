"""Checkpoints to and from Hugging Face folders and open_lm files."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from common.run import write_json
from pretrain.build import HFModel, rebuild
from pretrain.checkpoint import load_weights, save_weights
from pretrain.checkpoint_folder import latest, steps_saved
from pretrain.config import ModelConfig, from_open_lm_json, load_model_config, read_mapping, to_open_lm_json
from pretrain.dataset import TokenisedSet
from pretrain.folding import Weights, exact_inv_freq, from_hf_weights, to_hf_config, to_hf_weights
from pretrain.model import Decoder

log = logging.getLogger("repro.pretrain")

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def load_checkpoint(
    path: str | Path, *, step: int | None = None, averaged: bool = False
) -> tuple[nn.Module, dict[str, Any]]:
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
        model.inner.to(number).save_pretrained(draft)
        model.inner.float()
    _copy_tokenizer(description.get("tokenizer"), draft)
    (draft / "README.md").write_text(_card(description, Path(checkpoint)), encoding="utf-8")
    if verify and not (exact_rope and description["kind"] == "open_lm" and model.config.rope_freqs != "exact"):
        note += f", {_compare(model, draft, number)}"
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters, {dtype}{note}"


def from_hf(folder: str, out: str) -> str:
    """Write a one-expert OLMoE or a Llama without grouped heads as our checkpoint, for continued training.

    Raises:
        ValueError: the model has parts that ours does not have.
    """
    values = read_mapping(Path(folder, "config.json"))
    heads = values.get("num_attention_heads")
    kind = values.get("model_type")
    rope = values.get("rope_parameters") or {"rope_type": "default", "rope_theta": values.get("rope_theta", 10000.0)}
    if (
        kind not in ("olmoe", "llama")
        or values.get("num_experts", 1) != 1
        or values.get("num_key_value_heads", heads) != heads
        or values.get("clip_qkv") is not None
        or values.get("attention_bias")
        or values.get("mlp_bias")
    ):
        raise ValueError(f"{folder} is a {kind} that our decoder cannot hold; train it with model=hf:{folder}")
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
    weights_of_ours = from_hf_weights(weights, config)
    inv_freq = exact_inv_freq(config)
    if rope["rope_type"] == "longrope":
        inv_freq = inv_freq / torch.tensor(rope["short_factor"])
    elif rope["rope_type"] != "default":
        raise ValueError(f"{folder} has rotary embeddings of type {rope['rope_type']}, which ours do not have")
    _add_frequencies(weights_of_ours, config, inv_freq)
    ids = {
        "eot_id": values.get("eos_token_id"),
        "bos_id": values.get("bos_token_id"),
        "pad_id": values.get("pad_token_id"),
    }
    extra = {"tokenizer": str(Path(folder).resolve()), **ids, "run": Path(folder).name}
    _write_ours(weights_of_ours, config, out, extra)
    return f"{kind} as {config.norm}"


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
    _add_frequencies(weights, config, inv_freq)
    _check_names(weights, config, file)
    _write_ours(
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
    scalars = [np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.int64)), np._core.multiarray.scalar]
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
    if described:
        is_open_lm = described.endswith(".json") and "hidden_dim" in read_mapping(Path(described))
        given = from_open_lm_json(read_mapping(Path(described))) if is_open_lm else load_model_config(described)
    if inv_freq is None and given is None:
        raise ValueError("the file holds no rotary frequencies, so the number of heads is unknown; give MODEL.json")
    heads = dim // (2 * len(inv_freq)) if inv_freq is not None else given.heads  # type: ignore[union-attr]
    found = {
        "dim": dim,
        "layers": layers,
        "heads": heads,
        "vocab_size": vocab,
        "qk_norm": "layers.0.attention.q_norm.weight" in weights,
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
        _add_frequencies(complete, config, inv_freq)
        model = Decoder(config).eval()
        model.load_state_dict(complete)
        with torch.no_grad():
            sums = model(rows[:, :-1], targets=rows[:, 1:])
        losses[name] = float(sums.cross_entropy / sums.count)
    best = min(losses, key=losses.__getitem__)
    if max(losses.values()) > 1.01 * losses[best]:
        log.warning("the rotary frequencies matter here: loss %s; taking %s", losses, best)
    return best, f"none in the file: {best} by the loss on {text} ({losses[best]:.4f} nats per token)"


def _add_frequencies(weights: Weights, config: ModelConfig, inv_freq: Tensor) -> None:
    for layer in range(config.layers):
        weights[f"layers.{layer}.attention.pos_embed.inv_freq"] = inv_freq.clone()


def _write_ours(weights: Weights, config: ModelConfig, out: str, extra: dict[str, Any]) -> None:
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
