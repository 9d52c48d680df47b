"""Bits per byte: hand-made models, windows, bytes, and tokenised sets."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import write_documents
from common.tokens.counting import token_bytes as bytes_behind
from common.tokens.token_set import is_tokenised
from eval.likelihood.open import open_scorer
from eval.likelihood.table import TableScorer
from eval.likelihood.trunks import BranchScores, TrunkScores
from eval.runner.bits_per_byte import (
    Text,
    TextScores,
    contexts,
    documents,
    measure,
    resample,
    score_texts,
    store,
    stored,
)


class ByteTokenizer:
    """A token per byte, and one that starts and ends texts."""

    bos_token_id = None
    eos_token_id = 256

    def __call__(self, text, *, add_special_tokens, split_special_tokens, verbose):
        return {"input_ids": list(text.encode())}

    def __len__(self):
        return 257


def uniform(size):
    return TableScorer(lambda context: np.full(size, -math.log(size)))


def pool(folder, texts, name="shard_0.jsonl"):
    write_documents(str(folder / name), ({"text": text} for text in texts))
    return str(folder)


def test_equally_likely_bytes_cost_eight_bits_each(tmp_path):  # by hand: log2(256)
    figures = measure(uniform(256), ByteTokenizer(), pool(tmp_path, ["plain", "naïve ☃"]), seq_len=64).figures()
    assert figures["bits_per_byte"] == pytest.approx(8)
    assert figures["nats_per_token"] == pytest.approx(math.log(256))
    assert figures["bytes"] == 5 + 10 and figures["documents"] == 2  # ï is 2 bytes, the snowman 3
    assert figures["interval_95"] == pytest.approx([8, 8])


def test_fewer_tokens_for_the_same_bytes_cost_fewer_bits():  # by hand: 3 tokens of log2(16) bits over 6 bytes
    texts = [Text("a", [0, 1, 2, 3], bytes=6)]
    figures = score_texts(texts, uniform(16), seq_len=8, overlap=1).figures()
    assert figures["bits_per_byte"] == pytest.approx(3 * 4 / 6) and figures["tokens"] == 3


class Notes:
    """Remembers what it was asked and gives every token ln 2 nats."""

    def __init__(self):
        self.asked = []

    def score(self, trunks):
        self.asked += trunks
        return [
            TrunkScores([BranchScores(np.full(len(b.token_ids), -math.log(2), np.float32), None) for b in t.branches])
            for t in trunks
        ]


@given(st.integers(2, 70), st.integers(2, 20), st.integers(1, 19), st.integers(1, 3))
def test_every_token_is_scored_once_in_a_window_that_fits(length, seq_len, overlap, given_tokens):
    ids = list(range(length + given_tokens))
    if overlap >= seq_len or given_tokens >= seq_len:
        return
    notes = Notes()
    scores = score_texts([Text("a", ids, 1, given_tokens)], notes, seq_len=seq_len, overlap=overlap)
    scored = []
    for number, trunk in enumerate(notes.asked):
        (branch,) = trunk.branches
        assert branch.cut == len(trunk.token_ids) and len(trunk.token_ids) + len(branch.token_ids) <= seq_len
        assert [*trunk.token_ids, *branch.token_ids] == list(range(trunk.token_ids[0], branch.token_ids[-1] + 1))
        assert len(trunk.token_ids) == (overlap if number else given_tokens)
        scored += branch.token_ids
    assert scored == ids[given_tokens:] and scores.tokens == [length]
    assert scores.nats[0] == pytest.approx(length * math.log(2), rel=1e-6)


def test_what_cannot_be_measured_is_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n{"text": ""}\nno json\n{"text": 3}\n')
    skipped = TextScores()
    texts = list(documents(str(tmp_path), ByteTokenizer(), skipped))
    assert [text.ids[0] for text in texts] == [256] and [text.bytes for text in texts] == [4]
    assert skipped.skipped == {"empty": 1, "not_json": 1, "no_text": 1}
    scores = measure(uniform(257), ByteTokenizer(), str(tmp_path), seq_len=32)
    assert scores.figures()["skipped"] == {"empty": 1, "no_text": 1, "not_json": 1}


def test_a_pool_without_text_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no document to score"):
        measure(uniform(257), ByteTokenizer(), pool(tmp_path, [""]), seq_len=32)
    with pytest.raises(ValueError, match="overlap=32 should be"):
        measure(uniform(257), ByteTokenizer(), pool(tmp_path, ["a"]), seq_len=32, overlap=32)


def test_a_limit_takes_documents_from_the_front(tmp_path):
    scores = measure(uniform(257), ByteTokenizer(), pool(tmp_path, ["a", "", "bb", "ccc"]), seq_len=32, limit=2)
    assert scores.bytes == [1, 2]


@pytest.fixture(scope="module")
def neox(shared_data):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared_data / "tokenizers/gpt-neox-20b")


@pytest.fixture(scope="module")
def model():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50304,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


@torch.no_grad()
def plain_nats(model, ids, given=1):
    logits = model(input_ids=torch.tensor([ids[:-1]])).logits[0, given - 1 :]
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(ids[given:]), reduction="sum"))


def test_real_pages_cost_what_a_plain_loop_says(shared_data, neox, model):
    path = str(shared_data / "web/pool/shard_00000000_processed.jsonl.zst")
    scores = measure(open_scorer(model), neox, path, seq_len=128, overlap=32, limit=3)
    for text, nats, size in zip(documents(path, neox, TextScores(), 3), scores.nats, scores.bytes, strict=True):
        expected = plain_nats(model, text.ids[:128])
        for start in range(96, len(text.ids) - 32, 96):
            expected += plain_nats(model, text.ids[start : start + 128], given=32)
        assert nats == pytest.approx(expected, rel=1e-5)
        assert size == text.bytes


def test_text_that_looks_like_a_special_token_is_text(neox, tmp_path):
    (text,) = documents(pool(tmp_path, ["a <|endoftext|> b<|padding|>"]), neox, TextScores())
    assert text.ids == [0, 66, 654, 93, 423, 1171, 1156, 49651, 270, 29, 93, 17333, 49651]  # published golden
    assert text.bytes == 28


def test_bytes_behind_tokens_add_up_to_the_text(neox, shared_data):
    sizes = bytes_behind(neox)
    pages = shared_data / "web/pool/shard_00000001_processed.jsonl.zst"
    for text in documents(str(pages), neox, TextScores(), 50):
        assert sizes[text.ids[1:]].sum() == pytest.approx(text.bytes, abs=2)  # NFC may shorten an accent
    assert sizes[0] == 0 and sizes[50276] == 2


def tokenised(folder, rows, pads=()):
    folder.mkdir()
    np.array(rows, "<u2").tofile(folder / "shard_00000000.bin")
    manifest = {"shard": "shard_00000000", "num_sequences": len(rows), "pads": list(pads)}
    (folder / "manifest.jsonl").write_text(json.dumps(manifest) + "\n")
    about = {"seq_len": len(rows[0]) - 1, "dtype": "uint16", "vocab_size": 50277}
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def test_contexts_of_a_tokenised_set_are_scored_without_pads(neox, model, tmp_path):
    ids = neox("Hello world, this is a page of text.\nAnd more of it.")["input_ids"][:12]
    folder = tokenised(tmp_path / "set", [ids, [*ids[:8], 1, 1, 1, 1]], [[1, 4]])
    assert is_tokenised(folder) and not is_tokenised(tmp_path)
    assert [len(text.ids) for text in contexts(folder, None)] == [12, 8]
    scores = measure(open_scorer(model), neox, str(folder), seq_len=128)
    assert scores.nats == pytest.approx([plain_nats(model, ids), plain_nats(model, ids[:8])], rel=1e-5)
    assert scores.tokens == [11, 7]
    assert scores.bytes == [len(neox.decode(ids[1:])), len(neox.decode(ids[1:8]))]


def test_a_full_context_of_the_model_is_one_window(neox, model, tmp_path):
    row = np.random.default_rng(0).integers(2, 50000, 129).tolist()
    scores = measure(open_scorer(model), neox, str(tokenised(tmp_path / "set", [row])), seq_len=128)
    assert scores.nats[0] == pytest.approx(plain_nats(model, row), rel=1e-5)


def test_a_tokenised_set_that_does_not_fit_is_one_clear_line(neox, tmp_path):
    folder = tokenised(tmp_path / "set", [[5, 6, 7]])
    (folder / "shard_00000000.bin").write_bytes(b"12")
    with pytest.raises(ValueError, match="does not hold 1 contexts of 3 ids"):
        list(contexts(folder, None))
    (folder / "dataset.json").write_text('{"seq_len": 2, "dtype": "uint16", "vocab_size": 60000}')
    with pytest.raises(ValueError, match="tokenised with 60000 ids"):
        measure(uniform(8), neox, str(folder), seq_len=8)
    (folder / "dataset.json").write_text("{}")
    with pytest.raises(ValueError, match="describes no tokenised set"):
        list(contexts(folder, None))


def test_resampling_documents_has_the_spread_of_a_mean():
    nats = np.log(2) * np.random.default_rng(0).normal(8, 1, (1, 400))  # bits per document of one byte
    drawn = resample(nats, np.ones((1, 400)), 2000, 0)[0]
    assert drawn.std() == pytest.approx(1 / 20, rel=0.1)
    twice = resample(np.concatenate([nats, nats]), np.ones((1, 400)), 50, 0)
    assert np.array_equal(twice[0], twice[1])


def test_what_was_measured_is_kept(tmp_path):
    scores = TextScores(["a", "b"], [1.5, 2.5], [3, 4], [5, 6])
    assert stored(tmp_path) is None
    store(scores, tmp_path, {"key": "k", **scores.figures()})
    figures, rows = stored(tmp_path)
    assert figures["key"] == "k" and rows == scores
