"""The decoder: counts, initial values, equality with a plain reference, and its masks."""

import math

import pytest
import torch
from torch.nn import functional as F

from pretrain.model.config import ModelConfig, load_model_config
from pretrain.model.decoder import Decoder, build
from pretrain.model.documents import document_layout
from pretrain.model.sizes import count_parameters

SMALL = ModelConfig(dim=64, layers=2, heads=2, vocab_size=300, seq_len=32)


def shake(model, seed=0):
    """Gains far from 1 and weights with strong means, so that no mistake hides."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.3, 3.0, generator=generator)
            else:
                parameter.add_(0.3 * torch.rand(parameter.shape[-1:], generator=generator) * parameter.std())
                parameter.add_(0.5 * parameter.std())
    return model


def plain_logits(weights, ids, config):
    """The architecture of the specification written out with loops and no torch.nn module; one sequence."""
    dim, heads = config.dim, config.heads
    head = dim // heads

    def norm(x, gain):
        return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5) * gain

    def rope(x):  # [T, head]
        out = torch.empty_like(x)
        for t in range(x.shape[0]):
            for i in range(head // 2):
                angle = t * config.rope_theta ** (-2 * i / head)
                a, b = x[t, i], x[t, i + head // 2]
                out[t, i] = a * math.cos(angle) - b * math.sin(angle)
                out[t, i + head // 2] = b * math.cos(angle) + a * math.sin(angle)
        return out

    x = weights["tok_embeddings.weight"][ids]
    for layer in range(config.layers):
        get = {k.removeprefix(f"layers.{layer}."): v for k, v in weights.items() if k.startswith(f"layers.{layer}.")}
        y = norm(x, get["attention_norm.weight"]) @ get["attention.in_proj.weight"].T
        q = norm(y[:, :dim], get["attention.q_norm.weight"])
        k = norm(y[:, dim : 2 * dim], get["attention.k_norm.weight"])
        v = y[:, 2 * dim :]
        mixed = torch.zeros_like(x)
        for h in range(heads):
            part = slice(h * head, (h + 1) * head)
            scores = rope(q[:, part]) @ rope(k[:, part]).T / math.sqrt(head)
            scores = scores.masked_fill(torch.triu(torch.ones_like(scores), 1) > 0, -math.inf)
            mixed[:, part] = scores.softmax(-1) @ v[:, part]
        x = x + mixed @ get["attention.out_proj.weight"].T
        y = norm(x, get["ffn_norm.weight"]) @ get["feed_forward.w12.weight"].T
        gate, up = y[:, : config.hidden], y[:, config.hidden :]
        x = x + (gate / (1 + torch.exp(-gate)) * up) @ get["feed_forward.w3.weight"].T
    return norm(x, weights["norm.weight"]) @ weights["output.weight"].T


# Published, true and embedding-free counts and hidden widths of DCLM's scales: specification, section 6.
COUNTS = {
    "d=1024_l=24_h=8": (2816, 411_616_256, 359_973_888, 411_665_408),
    "open_lm_1b_swiglutorch": (5632, 1_439_795_200, 1_336_510_464, 1_439_893_504),
    "open_lm_3b_swiglutorch": (6912, 2_795_932_160, 2_666_826_240, 2_796_096_000),
    "open_lm_7b_swiglutorch": (11008, 6_889_410_560, 6_682_841_088, 6_889_672_704),
}


@pytest.mark.parametrize("name", COUNTS)
def test_presets_have_the_published_parameter_counts(name):
    config = load_model_config(name)
    hidden, published, no_embed, total = COUNTS[name]
    assert config.hidden == hidden
    assert count_parameters(config) == (total, published, no_embed)
    with torch.device("meta"):
        model = Decoder(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == total


@pytest.mark.parametrize(("start", "tolerance"), [(build, 1e-5), (lambda *a, **k: shake(build(*a, **k)), 5e-5)])
def test_logits_equal_a_plain_reference(start, tolerance):
    model = start(SMALL, seed=1)
    ids = torch.randint(0, 300, (12,), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        ours = model(ids[None]).logits[0]
        theirs = plain_logits({name: value.double() for name, value in model.state_dict().items()}, ids, SMALL)
    assert (ours - theirs).abs().max() < tolerance


def test_initial_loss_and_spread_are_those_of_the_formulas():
    config = ModelConfig(dim=128, layers=3, heads=2, vocab_size=50432)
    model = build(config, seed=124)
    ids = torch.randint(0, 50432, (4, 1025), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        sums = model(ids[:, :-1], targets=ids[:, 1:], z_loss=1e-4)
    assert float(sums.cross_entropy / sums.count) == pytest.approx(11.3, abs=0.1)  # ln V + Var(logit) / 2
    assert float(1e-4 * sums.z / sums.count) == pytest.approx(0.013, abs=0.001)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            assert bool((parameter == 1).all())
            continue
        fan_in = config.hidden if "w3" in name else config.dim
        sigma = fan_in**-0.5
        if "out_proj" in name or "w3" in name:
            sigma /= math.sqrt(2 * (int(name.split(".")[1]) + 1))
        assert float(parameter.detach().std()) == pytest.approx(0.98658 * sigma, rel=0.02), name
        assert float(parameter.detach().abs().max()) <= 3 * sigma * 1.0001


def test_a_document_mask_scores_documents_as_if_alone():
    model = shake(build(SMALL, seed=3))
    first, second = torch.tensor([[5, 9, 0]]), torch.tensor([[7, 8, 21, 4]])
    both = torch.cat([first, second], 1)
    positions, mask = document_layout(both, eot_id=0)
    assert positions.tolist() == [[0, 1, 2, 0, 1, 2, 3]]
    with torch.no_grad():
        packed = model(both, positions, mask).logits
        alone = torch.cat([model(first).logits, model(second).logits], 1)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)


def test_logits_to_keep_and_explicit_arguments_change_no_value():
    model = build(SMALL, seed=3)
    ids = torch.randint(0, 300, (2, 9))
    causal = torch.tril(torch.ones(9, 9, dtype=torch.bool)).expand(2, 1, 9, 9)
    with torch.no_grad():
        whole = model(ids).logits
        same = model(input_ids=ids, position_ids=torch.arange(9).expand(2, 9), attention_mask=causal, logits_to_keep=3)
        picked = model(ids, logits_to_keep=torch.tensor([1, 4]))
    torch.testing.assert_close(same.logits, whole[:, -3:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(picked.logits, whole[:, [1, 4]])


def test_rounded_frequencies_are_those_of_bf16():
    exact = build(SMALL).layers[0].attention.pos_embed.inv_freq
    rounded = build(SMALL.model_copy(update={"rope_freqs": "bf16"})).layers[1].attention.pos_embed.inv_freq
    assert torch.equal(rounded, exact.bfloat16().float()) and not torch.equal(rounded, exact)


def test_a_tied_model_has_one_matrix():
    model = build(SMALL.model_copy(update={"tied": True}))
    assert model.output.weight is model.tok_embeddings.weight
    assert sum(parameter.numel() for parameter in model.parameters()) == count_parameters(model.config).total


def test_rms_norm_does_not_subtract_the_mean():
    model = build(SMALL.model_copy(update={"norm": "rms_norm"}))
    x = torch.randn(3, 64) + 2
    expected = x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5)
    torch.testing.assert_close(model.norm(x), expected)
    assert not torch.allclose(F.layer_norm(x, (64,)), expected, atol=0.1)
