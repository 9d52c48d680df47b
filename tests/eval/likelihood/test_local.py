"""The likelihood engine against plain, one-sequence-at-a-time scoring on small real models."""

import json
import math

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.likelihood.__main__ import main
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.table import TableScorer
from eval.likelihood.trunks import Branch, Trunk, needed
from pretrain.model.config import ModelConfig
from pretrain.model.decoder import build

VOCAB = 61
SMALL = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.15,  # wide enough that a token seen wrongly moves every number by more than 1e-3
}
QWEN3 = transformers.Qwen3Config(**SMALL, head_dim=8)
GPT2 = transformers.GPT2Config(
    vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=256, initializer_range=0.15
)
MISTRAL = transformers.MistralConfig(**SMALL, sliding_window=32)


def model_of(config, attention="sdpa"):
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


def ours(**changes):
    return build(ModelConfig(dim=32, layers=2, heads=4, vocab_size=VOCAB, qk_norm=True, **changes)).eval()


MODELS = {
    "qwen3": lambda: model_of(QWEN3),
    "qwen3_eager": lambda: model_of(QWEN3, "eager"),
    "llama": lambda: model_of(transformers.LlamaConfig(**SMALL)),
    "olmoe": lambda: model_of(transformers.OlmoeConfig(**SMALL, num_experts=4, num_experts_per_tok=2)),
    "ours": ours,
    "gemma2": lambda: model_of(transformers.Gemma2Config(**SMALL, head_dim=8, sliding_window=32), "eager"),
    "mistral": lambda: model_of(MISTRAL),
    "gpt2": lambda: model_of(GPT2),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return MODELS[request.param]()


@pytest.fixture(scope="module")
def qwen3():
    return model_of(QWEN3)


@torch.no_grad()
def plainly(model, trunk):
    """[branches] of (logprobs, greedy) and the entropies: one whole sequence at a time, full logits."""
    ids = list(trunk.token_ids)
    found = []
    for branch in trunk.branches:
        text = ids[: branch.cut] + list(branch.token_ids)
        logits = model(input_ids=torch.tensor([text[:-1] or text])).logits[0].double()
        logprobs = logits.log_softmax(-1)
        rows = range(branch.cut - 1, len(text) - 1)
        numbers = [float(logprobs[row, text[row + 1]]) for row in rows]
        found.append((numbers, [int(logits[row].argmax()) == text[row + 1] for row in rows]))
    entropy = []
    if trunk.probe_rows:
        logprobs = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        entropy = [float(-(logprobs[row].exp() * logprobs[row]).sum()) for row in trunk.probe_rows]
    return found, entropy


def assert_equal_to_plain(model, trunks, scores, tolerance=1e-5):
    assert len(scores) == len(trunks)
    for trunk, score in zip(trunks, scores, strict=True):
        assert score.error is None
        expected, entropy = plainly(model, trunk)
        np.testing.assert_allclose(score.entropy, entropy, atol=tolerance)
        for (logprobs, greedy), branch in zip(expected, score.branches, strict=True):
            np.testing.assert_allclose(branch.logprobs, logprobs, atol=tolerance)
            assert branch.logprobs.dtype == np.float32
            assert branch.greedy.tolist() == greedy


def random_trunk(random, length=40, branches=4, longest=9):
    ids = random.integers(0, VOCAB, length).tolist()
    made = [
        Branch(int(random.integers(1, length + 1)), random.integers(0, VOCAB, random.integers(1, longest + 1)).tolist())
        for _ in range(branches)
    ]
    return Trunk(ids, made, probe_rows=sorted(random.choice(length, 3, replace=False).tolist()))


def hard_trunks():
    """Many branches, two at one cut, one behind the whole trunk, single tokens, an empty one, shared beginnings."""
    random = np.random.default_rng(7)
    first = random_trunk(random, 50, 12)
    shared = list(first.token_ids[:30])
    return [
        first,
        Trunk(
            range(20), [Branch(cut, ids) for cut, ids in [(7, [1, 2]), (7, [4]), (7, [1, 9]), (20, [5, 6]), (1, [8])]]
        ),
        Trunk([*shared, 1, 2, 3], [Branch(33, [4, 5, 6]), Branch(12, [9, 9])], probe_rows=[32, 3]),
        Trunk([*shared, 1, 2, 3, 7, 7], [Branch(35, [4, 5, 6])]),
        Trunk([*shared, 6], [Branch(31, [3]), Branch(31, [])]),
        Trunk([3], [Branch(1, [2])]),
        Trunk([3, 4, 5]),
    ]


@pytest.mark.parametrize("mode", ["auto", "packed", "cached", "duplicate"])
def test_every_mode_equals_separate_scoring(model, mode):
    trunks = hard_trunks()
    scorer = open_scorer(model, ScorerConfig(mode=mode))
    assert_equal_to_plain(model, trunks, scorer.score(trunks))


@pytest.mark.parametrize("name", ["qwen3", "qwen3_eager", "llama", "olmoe", "ours"])
def test_attention_that_takes_a_mask_is_packed(name):
    scorer = open_scorer(MODELS[name](), ScorerConfig(mode="packed"))
    scorer.score([])
    before = scorer.forwards
    scorer.score([random_trunk(np.random.default_rng(1))])
    assert "packed" in scorer.modes
    assert scorer.forwards - before == 1


@given(seed=st.integers(0, 10**6), length=st.integers(1, 60), branches=st.integers(0, 8))
@settings(max_examples=15)
def test_random_cuts_equal_separate_scoring(qwen3, seed, length, branches):
    random = np.random.default_rng(seed)
    ids = random.integers(0, VOCAB, length).tolist()
    cuts = random.integers(1, length + 1, branches)
    made = [Branch(int(cut), random.integers(0, VOCAB, random.integers(0, 7)).tolist()) for cut in cuts]
    trunk = Trunk(ids, made, probe_rows=[0, length - 1])
    assert_equal_to_plain(qwen3, [trunk], open_scorer(qwen3).score([trunk]))


def test_batch_mates_order_padding_and_batch_size_change_nothing(qwen3):
    random = np.random.default_rng(3)
    trunks = [random_trunk(random, int(length)) for length in random.integers(5, 80, 12)] + hard_trunks()
    alone = [open_scorer(qwen3).score([trunk])[0] for trunk in trunks]
    for size in (1, 64, 300, 16384):
        order = random.permutation(len(trunks))
        together = open_scorer(qwen3, ScorerConfig(max_tokens_per_batch=size)).score([trunks[i] for i in order])
        for index, scores in zip(order, together, strict=True):
            for a, b in zip(alone[index].branches, scores.branches, strict=True):
                np.testing.assert_allclose(a.logprobs, b.logprobs, atol=1e-5)


def test_tokens_behind_the_cut_and_other_branches_change_nothing(qwen3):
    kept = Branch(10, [4, 5, 6])
    before = Trunk(list(range(30)), [kept, Branch(20, [1, 2]), Branch(10, [9, 9, 9])])
    after = Trunk([*range(10), *[50] * 20], [kept, Branch(25, [7, 7, 7, 7, 7])])
    scores = open_scorer(qwen3).score([before])[0], open_scorer(qwen3).score([after])[0]
    np.testing.assert_allclose(scores[0].branches[0].logprobs, scores[1].branches[0].logprobs, atol=1e-5)


def test_the_chain_rule_holds_over_any_split(qwen3):
    """log p(a·b | c) = log p(a | c) + log p(b | c·a)."""
    context, text = [5, 6, 7], [1, 2, 3, 4, 9, 8]
    (whole,) = open_scorer(qwen3).score([Trunk(context, [Branch(3, text)])])
    for split in range(1, 6):
        trunk = Trunk(context + text[:split], [Branch(3, text[:split]), Branch(3 + split, text[split:])])
        (parts,) = open_scorer(qwen3).score([trunk])
        total = sum(float(branch.logprobs.sum()) for branch in parts.branches)
        assert total == pytest.approx(float(whole.branches[0].logprobs.sum()), abs=1e-5)


def test_cut_0_is_refused():
    with pytest.raises(ValueError, match="begin with BOS or EOT"):
        Branch(0, [1, 2])


def test_a_cut_or_probe_row_outside_the_trunk_is_refused():
    with pytest.raises(ValueError, match="cut 4 lies behind a trunk of 3"):
        Trunk([1, 2, 3], [Branch(4, [1])])
    with pytest.raises(ValueError, match="probe row 3"):
        Trunk([1, 2, 3], probe_rows=[3])
    with pytest.raises(ValueError, match="1 scored flags for a branch of 2"):
        Branch(1, [1, 2], [True])


def test_text_beyond_the_context_is_an_error_of_its_trunk_alone(qwen3):
    fits = Trunk([1] * 256, [Branch(256, [3])])  # 256 tokens fed: the last one of a branch is not
    long = Trunk([1] * 256, [Branch(256, [3, 4])])
    unused_end = Trunk([1] * 900, [Branch(100, [3, 4])])
    scores = open_scorer(qwen3).score([fits, long, unused_end])
    assert [score.error for score in scores] == [None, "too_long", None]
    assert not scores[1].branches
    assert open_scorer(qwen3, ScorerConfig(max_length=50)).score([unused_end])[0].error == "too_long"


def test_nothing_to_score_is_allowed(qwen3):
    assert open_scorer(qwen3).score([]) == []


def test_long_rows_go_through_the_cache_in_bounded_chunks(qwen3):
    config = ScorerConfig(max_packed_tokens=48, max_scored_rows=7)
    trunks = [random_trunk(np.random.default_rng(5), 120, 10), Trunk([1] * 90, [Branch(1, list(range(40)))])]
    seen = []
    scorer = open_scorer(qwen3, config)
    scorer.score([])
    hook = qwen3.register_forward_hook(lambda module, inputs, output: seen.append(output.logits.shape[1]))
    scores = scorer.score(trunks)
    hook.remove()
    assert_equal_to_plain(qwen3, trunks, scores)
    assert max(seen) <= 7 and len(seen) > 6


@pytest.mark.parametrize("plain", [32, 70, 4096])
def test_a_trunk_goes_through_the_cache_in_chunks(qwen3, plain):
    trunk = random_trunk(np.random.default_rng(6), 120, 10)
    scorer = open_scorer(qwen3, ScorerConfig(mode="cached"))
    scorer.plain_tokens, scorer.chunk_tokens = plain, 32
    scorer.score([])
    seen = []
    hook = qwen3.model.embed_tokens.register_forward_hook(lambda module, ids, output: seen.append(ids[0].numel()))
    scores = scorer.score([trunk])
    hook.remove()
    assert_equal_to_plain(qwen3, [trunk], scores)
    # the first chunk ends where the trunk does, at the latest: what stands behind it needs a mask
    assert seen[0] == min(plain, needed(trunk)) and seen[1:-1] == [32] * (len(seen) - 2)


def test_a_row_longer_than_the_window_is_one_chunk_because_its_cache_forgets():
    model = model_of(MISTRAL)
    scorer = open_scorer(model, ScorerConfig(mode="cached"))
    scorer.chunk_tokens = 8
    trunks = [Trunk(range(20), [Branch(cut, [1, 2, 3, 4, 5, 6, 7]) for cut in (3, 9, 15, 20)])]
    assert_equal_to_plain(model, trunks, scorer.score(trunks))
    assert "cached" in scorer.modes


def test_logits_are_read_in_pieces_without_changing_a_number(qwen3):
    trunks, scorer = hard_trunks(), open_scorer(qwen3)
    scorer.piece = 3 * VOCAB
    assert_equal_to_plain(qwen3, trunks, scorer.score(trunks))


@pytest.mark.parametrize("config", [MISTRAL, transformers.Gemma2Config(**SMALL, head_dim=8, sliding_window=32)])
def test_text_longer_than_a_sliding_window_is_scored_separately(config):
    model = model_of(config, "eager")
    scorer = open_scorer(model)
    scorer.score([])
    inside = Trunk([1] * 10, [Branch(3, [2, 3]), Branch(9, [4, 5])])
    across = Trunk([*range(50)], [Branch(49, [2, 3]), Branch(20, [4])])
    masked = []
    hook = model.register_forward_pre_hook(
        lambda module, args, kwargs: masked.append(kwargs.get("attention_mask") is not None), with_kwargs=True
    )
    found = [scorer.score([trunk])[0] for trunk in (inside, across)]
    hook.remove()
    assert masked == [True, False]
    assert_equal_to_plain(model, [inside, across], found)


@pytest.mark.filterwarnings("ignore")  # its fast kernels are absent on a CPU and it says so in several ways
def test_a_recurrent_model_is_detected_and_scored_separately():
    config = transformers.MambaConfig(vocab_size=VOCAB, hidden_size=16, state_size=4, num_hidden_layers=2)
    model = model_of(config, "eager")
    scorer = open_scorer(model)
    trunks = hard_trunks()
    assert_equal_to_plain(model, trunks, scorer.score(trunks))
    assert scorer.modes == set()


class RunningPositions(torch.nn.Module):
    """A model that ignores the positions it is given, as many older ones do."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.config = inner, inner.config

    def forward(self, input_ids, attention_mask=None, position_ids=None, logits_to_keep=0):
        return self.inner(input_ids=input_ids, attention_mask=attention_mask, logits_to_keep=logits_to_keep)


class NoMask(RunningPositions):
    """A model that ignores the mask it is given."""

    def forward(self, input_ids, attention_mask=None, position_ids=None, logits_to_keep=0):
        return self.inner(input_ids=input_ids, position_ids=position_ids, logits_to_keep=logits_to_keep)


@pytest.mark.parametrize("wrong", [RunningPositions, NoMask])
def test_the_probe_notices_a_model_that_ignores_positions_or_mask(qwen3, wrong):
    scorer = open_scorer(wrong(qwen3))
    trunks = hard_trunks()
    assert_equal_to_plain(qwen3, trunks, scorer.score(trunks))
    assert scorer.modes == set()


def test_the_probe_notices_a_bool_mask_added_to_eager_scores(monkeypatch):
    from eval.likelihood.mask import MaskLayout

    model = model_of(QWEN3, "eager")
    monkeypatch.setattr(MaskLayout, "form", lambda self, attention, dtype, start=0, end=None: self.dense(start, end))
    scorer = open_scorer(model)
    assert_equal_to_plain(model, hard_trunks(), scorer.score(hard_trunks()))
    assert scorer.modes == set()


def test_positions_scaled_by_the_longest_text_are_scored_alone():
    factors = {"short_factor": [1.0] * 4, "long_factor": [1.0, 2.0, 3.0, 4.0], "original_max_position_embeddings": 32}
    scaling = {"rope_type": "longrope", "rope_theta": 10000.0, **factors}
    model = model_of(transformers.LlamaConfig(**SMALL, rope_parameters=scaling))
    random = np.random.default_rng(2)
    trunks = [Trunk(random_trunk(random, size).token_ids, [Branch(size, [1, 2, 3])]) for size in (20, 31, 33, 50, 29)]
    trunks.append(Trunk(range(41), [Branch(10, [1, 2]), Branch(40, [3, 5]), Branch(32, [3])]))
    assert_equal_to_plain(model, trunks, open_scorer(model).score(trunks))


def test_shared_beginnings_are_computed_once(qwen3):
    random = np.random.default_rng(0)
    prompt = random.integers(0, VOCAB, 120).tolist()
    rollouts = [random.integers(0, VOCAB, 30).tolist() for _ in range(6)]
    trunks = [Trunk(prompt + rollout, [Branch(150, [1, 2, 3])]) for rollout in rollouts]
    tokens = []
    hook = qwen3.model.embed_tokens.register_forward_hook(lambda module, ids, output: tokens.append(ids[0].numel()))
    scorer = open_scorer(qwen3)
    scorer.score([])
    tokens.clear()
    scores = scorer.score(trunks)
    hook.remove()
    assert sum(tokens) == 120 + 6 * (30 + 2)
    assert_equal_to_plain(qwen3, trunks, scores)


def test_training_state_is_restored_and_no_gradient_remains(qwen3):
    qwen3.train()
    qwen3.lm_head.eval()
    open_scorer(qwen3).score(hard_trunks())
    assert qwen3.training and qwen3.model.training and not qwen3.lm_head.training
    assert all(parameter.grad is None for parameter in qwen3.parameters())
    qwen3.eval()


def test_temperature_divides_the_logits(qwen3):
    trunk = Trunk([1, 2, 3], [Branch(2, [4])])
    (score,) = open_scorer(qwen3, ScorerConfig(temperature=2.0)).score([trunk])
    with torch.no_grad():
        logits = qwen3(input_ids=torch.tensor([[1, 2]])).logits[0, -1] / 2
    assert score.branches[0].logprobs[0] == pytest.approx(float(logits.log_softmax(-1)[4]), abs=1e-5)


def test_bfloat16_stays_within_its_noise():
    model = model_of(QWEN3).bfloat16()
    trunks = hard_trunks()
    for packed, separate in zip(
        open_scorer(model).score(trunks), open_scorer(model, ScorerConfig(mode="duplicate")).score(trunks), strict=True
    ):
        for a, b in zip(packed.branches, separate.branches, strict=True):
            np.testing.assert_allclose(a.logprobs, b.logprobs, atol=3e-2)


def test_the_table_scorer_gives_exact_numbers():
    table = {0: [0.5, 0.25, 0.25], 1: [0.1, 0.8, 0.1], 2: [0.2, 0.2, 0.6]}
    scorer = TableScorer(lambda context: np.log(table[context[-1]]))
    (score,) = scorer.score([Trunk([0, 1], [Branch(1, [1, 1, 0]), Branch(2, [2])], probe_rows=[0])])
    np.testing.assert_allclose(score.branches[0].logprobs, np.log([0.25, 0.8, 0.1]), rtol=1e-6)
    assert score.branches[0].greedy.tolist() == [False, True, False]
    np.testing.assert_allclose(score.branches[1].logprobs, [math.log(0.1)], rtol=1e-6)
    np.testing.assert_allclose(score.entropy, [1.5 * math.log(2)], rtol=1e-6)


@pytest.mark.integration
def test_the_command_scores_rows_of_ids(qwen3, tmp_path):
    qwen3.save_pretrained(tmp_path / "model")
    rows = tmp_path / "rows.jsonl"
    first = '{"id": "a\u2028b", "trunk_ids": [1, 2, 3], "branches": [{"cut": 2, "ids": [4, 5]}]}'
    second = '{"trunk_ids": [1], "branches": [{"cut": 1, "ids": [1]}]}'
    rows.write_text(f"{first}\n{second}\n", encoding="utf-8")
    main([str(tmp_path / "model"), str(rows), f"out={tmp_path / 'out.jsonl'}", "max_length=2"])
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n")
    first, second = [json.loads(line) for line in lines if line]
    assert first["error"] == "too_long" and first["id"] == "a\u2028b"
    ((expected, greedy),) = plainly(qwen3, Trunk([1], [Branch(1, [1])]))[0]
    (branch,) = second["branches"]
    assert branch == {"cut": 1, "ids": [1], "logprobs": [pytest.approx(expected[0], abs=1e-5)], "greedy": greedy}


def test_a_bad_row_is_one_line_and_code_2(tmp_path, capsys):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"trunk_ids": [1, 2], "branches": [{"cut": 0, "ids": [4]}]}\n')
    with pytest.raises(SystemExit) as stop:
        main(["nowhere", str(rows), "out=x"])
    assert stop.value.code == 2
    message = "error: a branch needs at least one token of context, not cut 0: begin with BOS or EOT\n"
    assert capsys.readouterr().err == message
