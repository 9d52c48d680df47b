"""BERTScore against the bert-score package, on a small encoder with random weights."""

import json

import pytest

from rl.rewards.base import Batch
from rl.rewards.rephrase import SemanticConfig, SemanticReward

TEXTS = [
    "The cat sat on the mat.",
    "A cat was sitting on a mat",
    "Completely other words here",
    "1",
    "the the the mat mat cat on on on sat sat here words",
]
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "cat",
    "sat",
    "on",
    "mat",
    "a",
    "was",
    "##ting",
    "sit",
    ".",
    "1",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A BERT of 3 layers whose random weights are large enough to tell tokens apart."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=64, initializer_range=0.5, **sizes)
    BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def scorer(encoder):
    """The scorer at layer 2."""
    from eval.faithfulness.bert_scorer import BertScorer

    return BertScorer(encoder, layer=2, max_tokens=64, device="cpu")


def test_equals_the_package(encoder, scorer):
    package = pytest.importorskip("bert_score")
    pairs = [(a, b) for a in TEXTS for b in TEXTS]
    candidates, references = zip(*pairs, strict=True)
    theirs = package.BERTScorer(model_type=encoder, num_layers=2, device="cpu")
    theirs._tokenizer.model_max_length = 64
    # One pair at a time: where it pads, the package lets a cosine of 0 to the padding win over negative ones.
    expected = theirs.score(list(candidates), list(references), batch_size=1)[2].tolist()
    assert scorer.f1(candidates, references) == pytest.approx(expected, abs=1e-5)


def test_gives_the_packages_numbers(scorer):  # of bert-score 0.3.13 for this encoder
    theirs = [0.452194, 0.406106, 0.825967, 0.455447, 0.781229]
    assert scorer.f1(TEXTS, TEXTS[1:] + TEXTS[:1]) == pytest.approx(theirs, abs=1e-4)


def test_identity_is_1_and_a_blank_side_0(scorer):
    assert scorer.f1([TEXTS[0], "", "  ", TEXTS[0]], [TEXTS[0], TEXTS[0], "", " "]) == pytest.approx([1, 0, 0, 0])


def test_batches_and_order_change_nothing(encoder, scorer):
    from eval.faithfulness.bert_scorer import BertScorer

    one_by_one = BertScorer(encoder, layer=2, max_tokens=64, device="cpu", batch_tokens=1)
    whole = scorer.f1(TEXTS, TEXTS[::-1])
    assert one_by_one.f1(TEXTS, TEXTS[::-1]) == pytest.approx(whole, abs=1e-5)
    assert scorer.f1(TEXTS[::-1], TEXTS) == pytest.approx(whole[::-1], abs=1e-5)


def test_what_is_cut_off_is_counted_and_windows_see_it(encoder):
    from eval.faithfulness.bert_scorer import BertScorer

    reference = "the cat sat on the mat . " * 2
    padded = reference + "1 was 1 was 1 was"
    cut = BertScorer(encoder, layer=2, max_tokens=16, long="truncate", device="cpu")
    assert cut.f1([padded, "the cat"], [reference, "the cat"])[0] == pytest.approx(1)  # blind to what was added
    assert cut.truncated == [True, False]
    windows = BertScorer(encoder, layer=2, max_tokens=16, device="cpu")
    assert windows.f1([padded], [reference])[0] < 0.99
    assert windows.truncated == [False]
    assert windows.f1([padded], [padded]) == pytest.approx([1])


def test_windows_use_every_token_once(encoder):
    from eval.faithfulness.bert_scorer import BertScorer

    scorer = BertScorer(encoder, layer=2, max_tokens=12, device="cpu")
    for length in range(3, 60):
        ids = list(range(100, 100 + length))
        used = [token for piece, part in scorer._windows(ids) for token in piece[part]]
        assert used == ids


def test_limits_are_checked_at_the_start(encoder):
    from eval.faithfulness.bert_scorer import BertScorer

    with pytest.raises(ValueError, match="has 3 layers, so no layer 4"):
        BertScorer(encoder, layer=4, max_tokens=64)
    with pytest.raises(ValueError, match="64 positions"):
        BertScorer(encoder, layer=2, max_tokens=2048)


def test_the_reward_sees_what_was_added_behind_the_limit(encoder):
    text = "the cat sat on the mat . " * 2
    padded = "Here is a paraphrased version:\n" + text + "1 was 1 was 1 was"
    for long, value in (("windows", pytest.approx(0.9, abs=0.09)), ("truncate", pytest.approx(1))):
        config = SemanticConfig(model=encoder, layer=2, max_tokens=16, mode="continuous", device="cpu", long=long)
        scores = SemanticReward(config).score(Batch([padded], {"text": [text]}))
        assert scores.values == [value]
        assert scores.parts["truncated"] == [float(long == "truncate")]


def test_the_command_says_what_a_limit_leaves_out(encoder, tmp_path, capsys):  # by hand
    from eval.bertscore import main

    rows = [{"id": "a", "text": "cat " * 6}, {"id": "b", "text": "cat " * 14}]  # 8 and 16 tokens with their marks
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    main([str(tmp_path / "pool.jsonl"), f"model={encoder}", "max_tokens=10"])
    printed = capsys.readouterr().out
    assert "50.0% over 10 tokens" in printed and "25.0% of all tokens" in printed  # 6 of 24
    for arguments, message in (
        ([tmp_path / "none.jsonl", f"model={encoder}"], "none.jsonl"),
        ([tmp_path / "pool.jsonl", f"model={tmp_path / 'none'}"], "no model at"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr().err
        assert message in printed and printed.count("\n") == 1
