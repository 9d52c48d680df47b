import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter.scorers.classifier import ClassifierConfig, ClassifierScorer, length_batches

TEXTS = ["a b c", "b", "c c c c c c c c c c c c c c c c c c c c", "a a", "b c a b"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A random two-layer BERT with a word tokenizer, saved as a Hugging Face folder; classes as asked for."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3, "c": 4}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()

    def make(classes):
        folder = tmp_path_factory.mktemp("classifier")
        torch.manual_seed(0)
        shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        model = BertForSequenceClassification(BertConfig(vocab_size=8, num_labels=classes, **shape))
        # larger weights than the library's, so that the scores differ from text to text
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        model.save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]").save_pretrained(folder)
        return str(folder)

    return make


def scores(model, texts=TEXTS, **changes):
    return ClassifierScorer(ClassifierConfig(model=model, device="cpu", **changes)).score(texts)


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 120))
def test_batches_hold_every_row_once_and_stay_within_the_budget(lengths, budget):
    batches = length_batches(lengths, budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[row] for row in batch) <= budget for batch in batches if len(batch) > 1)


def test_batching_changes_no_score(classifier):
    model = classifier(1)
    together, alone = scores(model), scores(model, batch_tokens=8)
    assert together == pytest.approx(alone, abs=1e-5)
    assert together == pytest.approx([scores(model, [text])[0] for text in TEXTS], abs=1e-5)
    assert len(set(together)) == len(TEXTS)


def test_one_output_is_the_score_itself(classifier):
    import torch
    from transformers import AutoModelForSequenceClassification

    model = classifier(1)
    with torch.inference_mode():
        logits = AutoModelForSequenceClassification.from_pretrained(model)(torch.tensor([[2, 3, 4]])).logits
    assert scores(model, ["a b c"]) == [pytest.approx(float(logits[0, 0]), abs=1e-5)]


def test_two_classes_give_the_last_ones_probability(classifier):
    model = classifier(2)
    last, first = scores(model), scores(model, label=0)
    assert [one + other for one, other in zip(last, first, strict=True)] == pytest.approx([1] * len(TEXTS))


def test_the_expected_class_is_the_mean_over_probabilities(classifier):
    model = classifier(3)
    probabilities = [scores(model, ["a b"], label=label)[0] for label in range(3)]
    assert scores(model, ["a b"], read="expected") == [pytest.approx(probabilities[1] + 2 * probabilities[2], abs=1e-5)]


def test_a_text_without_tokens_has_no_score(classifier):
    assert scores(classifier(1), ["", "a"])[0] is None


def test_only_max_tokens_are_read(classifier):
    model = classifier(1)
    assert scores(model, ["a b c a b c a b c c c c"], max_tokens=8) == scores(model, ["a b c a b c a b"], max_tokens=8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"read": "regression"}, "has 2 classes, so read=regression"), ({"label": 2}, "label 2 is not one of them")],
)
def test_a_reading_that_does_not_fit_is_refused(classifier, changes, message):
    with pytest.raises(ValueError, match=message):
        scores(classifier(2), **changes)


def test_a_missing_classifier_is_named():
    with pytest.raises(ValueError, match=r"no classifier at \./nowhere"):
        scores("./nowhere")
