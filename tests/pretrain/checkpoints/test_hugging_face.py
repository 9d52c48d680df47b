"""Exports load in stock classes with the same logits; open_lm files come in whole or not at all."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.checkpoints import hugging_face as convert
from pretrain.checkpoints import open_lm
from pretrain.checkpoints.folding import (
    centre,
    exact_inv_freq,
    from_hf_weights,
    rope_parameters,
    to_hf_config,
    to_hf_weights,
)
from pretrain.checkpoints.torch_files import save_weights
from pretrain.model.config import ModelConfig
from pretrain.model.decoder import Decoder, build

SMALL = ModelConfig(dim=64, layers=2, heads=2, vocab_size=300, seq_len=32)
IDS = torch.randint(0, 300, (2, 32), generator=torch.Generator().manual_seed(5))


def shaken(config, seed=0):
    """Gains far from 1, weights with strong means: what folding has to survive."""
    model = build(config, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.3, 3.0, generator=generator)
            else:
                spread = parameter.std() / 2
                parameter.add_(spread * torch.randn(parameter.shape[-1:], generator=generator) + spread)
        model.output.weight.mul_(15 / model(IDS).logits.abs().max())
    return model.eval()


def saved(model, folder):
    """A checkpoint folder of a model."""
    folder.mkdir()
    description = {"kind": "open_lm", "config": model.config.model_dump(), "eot_id": 0, "bos_id": None, "pad_id": 1}
    (folder / "model.json").write_text(json.dumps(description | {"tokenizer": None, "run": "made"}))
    save_weights(folder, dict(model.state_dict()))
    return folder


def hf_logits(folder, ids):
    from transformers import AutoModelForCausalLM

    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()(ids).logits


VARIANTS = {
    "open_lm": ({}, "olmoe"),
    "rounded": ({"rope_freqs": "bf16"}, "olmoe"),
    "rms": ({"norm": "rms_norm"}, "olmoe"),
    "no_qk_norm": ({"qk_norm": False}, "llama"),
    "rms_llama": ({"norm": "rms_norm", "qk_norm": False}, "llama"),
    "tied": ({"tied": True}, "olmoe"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_exported_logits_equal_ours(tmp_path, name):
    changes, kind = VARIANTS[name]
    model = shaken(SMALL.model_copy(update=changes))
    convert.to_hf(str(saved(model, tmp_path / "ours")), str(tmp_path / "hf"), verify=False)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["model_type"] == kind
    if kind == "olmoe":  # as OLMoE itself: one expert's weight is 1 either way
        assert (config["num_experts"], config["num_experts_per_tok"]) == (1, 1)
        assert not config["norm_topk_prob"] and not config["output_router_logits"]  # nor anything to train a router by
    assert config["rope_parameters"]["rope_type"] == ("longrope" if name == "rounded" else "default")
    with torch.no_grad():
        ours = model(IDS).logits
    theirs = hf_logits(tmp_path / "hf", IDS)
    assert 5 < ours.abs().max() <= 20  # a scale at which a mistake shows
    assert (ours - theirs).abs().max() < 1e-4


def test_reloading_is_bit_equal_and_verification_passes(tmp_path):
    checkpoint = saved(shaken(SMALL), tmp_path / "ours")
    assert "logits within" in convert.to_hf(str(checkpoint), str(tmp_path / "hf"))
    first = hf_logits(tmp_path / "hf", IDS)
    convert.to_hf(str(checkpoint), str(tmp_path / "hf"))  # over itself
    assert torch.equal(first, hf_logits(tmp_path / "hf", IDS))


def test_bf16_export_says_what_it_costs(tmp_path):
    report = convert.to_hf(str(saved(build(SMALL), tmp_path / "ours")), str(tmp_path / "hf"), dtype="bfloat16")
    assert "bfloat16" in report and "mean KL" in report


def test_without_folding_the_logits_are_far_off():  # the trap the fold is for
    model = shaken(SMALL)
    rms = Decoder(SMALL.model_copy(update={"norm": "rms_norm"}))
    rms.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert (model(IDS).logits - rms(IDS).logits).abs().max() > 1


def test_folded_weights_compute_the_same_under_both_norms():
    model = shaken(SMALL)
    folded = from_hf_weights(to_hf_weights(dict(model.state_dict()), SMALL), SMALL)
    frequencies = {name: value for name, value in model.state_dict().items() if "inv_freq" in name}
    with torch.no_grad():
        expected = model(IDS).logits
        for norm in ("layer_norm", "rms_norm"):
            other = Decoder(SMALL.model_copy(update={"norm": norm}))
            other.load_state_dict({**folded, **frequencies})
            torch.testing.assert_close(other(IDS).logits, expected, atol=1e-4, rtol=0)


@given(st.integers(1, 9), st.integers(2, 9), st.integers(0, 2**31), st.integers(0, 1))
def test_folding_twice_is_folding_once(rows, columns, seed, dim):
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) + 3
    once = centre(weight, dim)
    torch.testing.assert_close(centre(once, dim), once, atol=1e-6, rtol=0)


@settings(max_examples=8)
@given(st.integers(0, 2**31))
def test_folding_a_folded_model_changes_nothing(seed):
    weights = to_hf_weights(dict(shaken(SMALL, seed % 1000).state_dict()), SMALL)
    again = to_hf_weights(from_hf_weights(weights, SMALL), SMALL)
    for name, value in weights.items():
        torch.testing.assert_close(again[name], value, atol=1e-6, rtol=0)


@pytest.mark.parametrize("norm", ["layer_norm", "rms_norm"])
def test_hugging_face_and_back_is_the_same_function(tmp_path, norm):
    model = shaken(SMALL.model_copy(update={"norm": norm, "rope_freqs": "bf16"}))
    convert.to_hf(str(saved(model, tmp_path / "ours")), str(tmp_path / "hf"), verify=False)
    convert.from_hf(str(tmp_path / "hf"), str(tmp_path / "back"))
    back, _ = convert.load_checkpoint(tmp_path / "back")
    assert back.config.norm == norm
    with torch.no_grad():
        torch.testing.assert_close(back(IDS).logits, model(IDS).logits, atol=2e-4, rtol=0)


def open_lm_file(path, model, prefix="", **more):
    """A checkpoint as open_lm saves it, NumPy scalars in its metrics included."""
    import numpy as np

    weights = {prefix + name: value for name, value in model.state_dict().items()}
    torch.save({"epoch": 5, "name": "x", "state_dict": weights, "step": np.int64(7), **more}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_open_lm_files_come_in_with_equal_logits(tmp_path, prefix):
    model = shaken(SMALL.model_copy(update={"rope_freqs": "bf16"}))
    file = open_lm_file(tmp_path / "epoch_5.pt", model, prefix, evaluation_metrics=[{"loss": 1.5}])
    assert "rounded to bf16" in open_lm.from_open_lm(str(file), None, str(tmp_path / "ours"))
    loaded, _ = convert.load_checkpoint(tmp_path / "ours")
    assert loaded.config == model.config.model_copy(update={"ffn_hidden": 256, "seq_len": 2048})
    with torch.no_grad():
        assert torch.equal(loaded(IDS).logits, model(IDS).logits)


def test_to_open_lm_and_back_keeps_every_bit(tmp_path):
    model = shaken(SMALL)
    open_lm.to_open_lm(str(saved(model, tmp_path / "ours")), str(tmp_path / "olm"))
    file, described = tmp_path / "olm" / "checkpoints" / "epoch_0.pt", tmp_path / "olm" / "model.json"
    open_lm.from_open_lm(str(file), str(described), str(tmp_path / "back"))
    back, _ = convert.load_checkpoint(tmp_path / "back")
    for name, value in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], value)


def test_without_frequencies_the_text_decides(tmp_path, make_set):
    model = shaken(SMALL.model_copy(update={"rope_freqs": "bf16", "rope_theta": 10000.0}))
    with torch.no_grad():  # text the model itself finds likely: its own greedy continuation
        ids = IDS[:1, :4]
        for _ in range(29):
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], 1)
    text = make_set(tmp_path / "text", ids.numpy())
    weights = {name: value for name, value in model.state_dict().items() if "inv_freq" not in name}
    file = tmp_path / "epoch_1.pt"
    torch.save({"state_dict": weights}, file)
    described = tmp_path / "small.yaml"
    described.write_text("dim: 64\nlayers: 2\nheads: 2\nvocab_size: 300\nseq_len: 32\n")
    said = open_lm.from_open_lm(str(file), str(described), str(tmp_path / "a"), text=str(text))
    assert "bf16 by the loss" in said
    with pytest.raises(ValueError, match="number of heads is unknown"):
        open_lm.from_open_lm(str(file), None, str(tmp_path / "b"))


def test_bad_open_lm_files_are_one_clear_error(tmp_path):
    model = shaken(SMALL)
    weights = dict(model.state_dict())
    del weights["layers.1.ffn_norm.weight"]
    file = tmp_path / "epoch_1.pt"
    torch.save({"state_dict": {**weights, "layers.1.moe.weight": torch.zeros(2)}}, file)
    with pytest.raises(ValueError, match=r"missing \['layers.1.ffn_norm.weight'\], unknown \['layers.1.moe.weight'\]"):
        open_lm.from_open_lm(str(file), None, str(tmp_path / "out"))
    torch.save({"state_dict": {}, "danger": pytest.raises}, file)
    with pytest.raises(ValueError, match="unsafe=true"):
        open_lm.from_open_lm(str(file), None, str(tmp_path / "out"))


def test_a_folder_that_is_no_export_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="no exported model"):
        convert.to_hf(str(saved(build(SMALL), tmp_path / "ours")), str(tmp_path / "mine"))
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_missing_step_names_those_there_are(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint of step 3; saved steps: none"):
        convert.load_checkpoint(tmp_path, step=3)


def llama(folder, **changes):
    """A Llama folder that our decoder holds, but for the changes."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"vocab_size": 300, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    limits = {"num_attention_heads": 2, "max_position_embeddings": 32, "initializer_range": 0.3}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**{**sizes, **limits, **changes}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.fill_(0.5)
    model.save_pretrained(folder)
    return folder


def test_a_llama_comes_in_with_its_logits_compared(tmp_path):
    folder = llama(tmp_path / "llama")
    assert "of the source's" in convert.from_hf(str(folder), str(tmp_path / "ours"))
    loaded, _ = convert.load_checkpoint(tmp_path / "ours")
    with torch.no_grad():
        torch.testing.assert_close(loaded(IDS).logits, hf_logits(folder, IDS), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "gelu"},
        {"head_dim": 16},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"num_key_value_heads": 1},
    ],
)
def test_what_our_decoder_lacks_is_refused_however_the_config_says_it(tmp_path, changes):
    folder = llama(tmp_path / "llama", **changes)
    with pytest.raises(ValueError, match=f"cannot hold; train it with model=hf:{folder}"):
        convert.from_hf(str(folder), str(tmp_path / "ours"))
    assert not (tmp_path / "ours").exists()


def test_the_older_form_of_scaled_positions_is_read(tmp_path):
    folder = llama(tmp_path / "llama")
    config = json.loads((folder / "config.json").read_text())
    config.pop("rope_parameters", None)
    (folder / "config.json").write_text(json.dumps({**config, "rope_scaling": {"type": "linear", "factor": 4.0}}))
    with pytest.raises(ValueError, match="type linear, which ours do not have"):
        convert.from_hf(str(folder), str(tmp_path / "ours"))


def test_dclms_own_model_file_need_not_speak_of_the_norm_that_its_runs_asked_for(tmp_path):
    model = shaken(SMALL)
    described = {"hidden_dim": 64, "n_layers": 2, "n_heads": 2, "seq_len": 32, "vocab_size": 300}
    (tmp_path / "dclm.json").write_text(json.dumps({**described, "model_norm": "gain_only_lp_layer_norm"}))
    file = open_lm_file(tmp_path / "epoch_5.pt", model, "")
    open_lm.from_open_lm(str(file), str(tmp_path / "dclm.json"), str(tmp_path / "ours"))
    loaded, _ = convert.load_checkpoint(tmp_path / "ours")
    with torch.no_grad():
        assert torch.equal(loaded(IDS).logits, model(IDS).logits)
    (tmp_path / "dclm.json").write_text(json.dumps({**described, "qk_norm": False}))
    with pytest.raises(ValueError, match="does not describe this checkpoint: it has qk_norm True"):
        open_lm.from_open_lm(str(file), str(tmp_path / "dclm.json"), str(tmp_path / "other"))


def test_an_export_of_a_transformers_model_keeps_its_special_tokens(tmp_path):
    from pretrain.model.hugging_face import HFModel
    from pretrain.training.build import described

    folder = llama(tmp_path / "llama", bos_token_id=5, eos_token_id=[6, 7], pad_token_id=8)
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 5, "eos_token_id": [6, 7, 9]}))
    model = HFModel.create(folder, str(folder), None)
    (tmp_path / "run").mkdir()
    description = {"kind": "hf", **described(model, folder), "tokenizer": None, "run": "r", "eot_id": 0}
    (tmp_path / "run" / "model.json").write_text(json.dumps(description))
    save_weights(tmp_path / "run", dict(model.state_dict()))
    convert.to_hf(str(tmp_path / "run"), str(tmp_path / "export"))
    config = json.loads((tmp_path / "export" / "config.json").read_text())
    generation = json.loads((tmp_path / "export" / "generation_config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (5, [6, 7], 8)
    assert (generation["bos_token_id"], generation["eos_token_id"]) == (5, [6, 7, 9])


def test_an_export_that_computes_something_else_is_refused_and_the_old_one_stays(tmp_path, monkeypatch):
    checkpoint = saved(shaken(SMALL), tmp_path / "ours")
    convert.to_hf(str(checkpoint), str(tmp_path / "hf"))
    before = hf_logits(tmp_path / "hf", IDS)

    def wrong(weights, config):
        found = to_hf_weights(weights, config)
        return {**found, "lm_head.weight": found["lm_head.weight"] * 1.001}

    monkeypatch.setattr(convert, "to_hf_weights", wrong)
    with pytest.raises(RuntimeError, match=r"logits differ by .* from the checkpoint's"):
        convert.to_hf(str(checkpoint), str(tmp_path / "hf"))
    assert torch.equal(before, hf_logits(tmp_path / "hf", IDS))


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"eot_id": 3, "bos_id": 1, "pad_id": 2}, (1, 3, 2)),
        (
            {"eot_id": 3, "bos_id": None, "pad_id": None},
            (3, 3, None),
        ),  # a context begins with the end of the one before
        ({"eot_id": 3, "bos_id": 0, "pad_id": SMALL.vocab_size}, (0, 3, None)),
        ({"eot_id": SMALL.vocab_size - 1, "pad_id": -1}, (SMALL.vocab_size - 1, SMALL.vocab_size - 1, None)),
        ({}, (None, None, None)),
    ],
)
def test_special_tokens_outside_the_vocabulary_are_left_out(given, written):
    config = to_hf_config(SMALL, exact_inv_freq(SMALL), given)
    assert tuple(config[f"{name}_token_id"] for name in ("bos", "eos", "pad")) == written


def test_frequencies_that_float32_alone_rounds_are_the_default_ones():
    exact = exact_inv_freq(SMALL)
    assert rope_parameters(SMALL, exact * (1 + 2**-23))["rope_type"] == "default"
    for off, kind in ((0.9e-5, "default"), (1.2e-5, "longrope")):  # the bound is 1e-5 of a frequency
        assert rope_parameters(SMALL, exact * (1 + off))["rope_type"] == kind
    rounded = rope_parameters(SMALL, exact.bfloat16())
    assert rounded["rope_type"] == "longrope" and rounded["short_factor"] == rounded["long_factor"]
