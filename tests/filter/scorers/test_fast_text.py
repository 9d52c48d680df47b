import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import read_documents, write_documents
from eval.faithfulness.words import stop_word_share
from filter.quality import main
from filter.scorers.batches import read_score, score_documents
from filter.scorers.fast_text import FastTextConfig, normalize, positive_probability
from filter.scorers.kinds import open_quality_scorer
from filter.scorers.separation import auc, bootstrap
from filter.scorers.simple import SimpleConfig, character_length
from filter.scorers.training import FastTextTraining, measure, read_rows, split, train_fasttext, zeroed_memory
from filter.selection.cut import Columns, Cut, keep
from filter.train_quality import main as train_main

GOOD = (
    "The story of the river is that it rises in the hills and that it ends in the sea, as the people of the valley say."
)
POOR = "Home | Login | Cart (0) | buy cheap shoes online free shipping click here subscribe now $$$ sale sale sale"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    rows = [{"text": f"{GOOD} {number}", "label": 1} for number in range(40)]
    rows += [{"text": f"{POOR} {number}", "label": 0} for number in range(40)]
    out = tmp_path_factory.mktemp("model") / "quality.bin"
    train_fasttext(rows, out)
    return str(out)


@pytest.fixture(scope="module")
def labelled(shared_data):
    return read_rows(shared_data / "web" / "human_quality.jsonl")


@pytest.fixture(scope="module")
def web_model(labelled, tmp_path_factory):
    out = tmp_path_factory.mktemp("web") / "quality.bin"
    train_fasttext(split(labelled, 0.7, 42)[0], out)
    return str(out)


def test_text_becomes_one_line_as_dclm_makes_it():  # the specification's vector
    assert normalize("  A\nB\r\nC\u2028D\n\nE  ") == "A B C D  E"


def test_every_line_boundary_of_unicode_becomes_a_space():
    for mark in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029":
        assert normalize(f"a{mark}b") == "a b", repr(mark)


@given(st.text(st.sampled_from("ab \n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\x1f\t\u00a0\u4e00"), max_size=12))
def test_a_line_is_dclms_own_for_every_mix_of_marks(text):
    assert normalize(text) == " ".join(text.strip().splitlines())


@pytest.mark.parametrize(
    ("label", "probability", "score"),
    [
        ("__label__hq", 0.7, 0.7),
        ("__label__cc", 0.7, 0.3),
        ("__label__cc", 1.00001, 0.0),
        ("__label__hq", 1.00001, 1.0),
    ],
)
def test_the_label_decides_which_way_the_probability_counts(label, probability, score):
    assert positive_probability(label, probability) == pytest.approx(score, abs=1e-12)


def test_a_label_that_is_neither_is_no_good_text():
    with pytest.raises(ValueError, match="__label__x is neither"):
        positive_probability("__label__x", 0.9)


def test_a_model_with_more_labels_must_be_told_which_is_good(tmp_path):
    lines = [f"__label__{name} {name} {name}s {number}" for number in range(30) for name in ("hq", "cc", "ad")]
    (tmp_path / "lines").write_text("\n".join(lines))
    train = (
        "import fasttext, sys; fasttext.train_supervised(sys.argv[1], verbose=0, dim=16, epoch=25, lr=0.5, "
        "wordNgrams=2, bucket=20_000, thread=1).save_model(sys.argv[2])"
    )
    with zeroed_memory():  # in a process of its own: fastText meets NaN in memory that was used before
        subprocess.run([sys.executable, "-c", train, tmp_path / "lines", tmp_path / "m.bin"], check=True)
    with pytest.raises(ValueError, match="set positive_label"):
        open_quality_scorer(FastTextConfig(model=str(tmp_path / "m.bin")))
    scorer = open_quality_scorer(FastTextConfig(model=str(tmp_path / "m.bin"), positive_label="__label__hq"))
    good, poor, neither = scorer.score(["hq hqs", "cc ccs", "ad ads"])
    assert good > 0.5 > max(poor, neither)


MARKUP = ["__label__hq", "__label__cc", "__label__", "__label__new word", "</s>", "x</s>", "</s>x", "a</s> </s> b"]


def test_pages_that_quote_the_librarys_markup_train_a_model_of_two_labels_and_are_read_whole(tmp_path):
    import fasttext

    places = ["{} " + POOR, POOR.replace(" | ", " {} "), POOR + " {}", "\t{}\v" + POOR, "{}\u2028" + POOR]
    quoting = [place.replace("{}", markup) for place in places for markup in MARKUP]
    rows = [{"text": f"{GOOD} {number}", "label": 1} for number in range(len(quoting))]
    rows += [{"text": f"{text} last{number}", "label": 0} for number, text in enumerate(quoting)]
    assert train_fasttext(rows, tmp_path / "m.bin") > 0
    model = fasttext.load_model(str(tmp_path / "m.bin"))
    assert sorted(model.labels) == ["__label__cc", "__label__hq"]
    assert {f"last{number}" for number in range(len(quoting))} <= set(model.words)  # what stands behind it was read


def test_training_says_how_many_words_it_escaped(tmp_path, capsys):
    rows = [{"text": f"{GOOD} {number}", "label": 1} for number in range(20)]
    rows += [{"text": f"{POOR} __label__hq </s> {number}", "label": 0} for number in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    train_main([str(tmp_path / "rows.jsonl"), f"out={tmp_path}/m.bin"])
    assert json.loads((tmp_path / "m.bin.json").read_text())["escaped_words"] == 28  # 2 in 70 % of 20 pages
    capsys.readouterr()


def test_the_published_threshold_keeps_what_equals_it():
    columns = Columns(np.array([0.018111, 0.018112]), np.ones(2, np.int64), np.zeros(2, np.uint64))
    assert keep(Cut(0.018112), columns).tolist() == [False, True]


def test_a_newline_scores_as_a_space_and_not_as_nothing(model):
    scorer = open_quality_scorer(FastTextConfig(model=model))
    broken, spaced, joined = scorer.score(["cheap\nshoes", "cheap shoes", "cheapshoes"])
    assert broken == spaced != joined


def test_a_text_without_words_scores_within_0_and_1(model):
    scores = open_quality_scorer(FastTextConfig(model=model)).score(["", " ", "\n", "\u00a0"])
    assert all(0 <= score <= 1 for score in scores)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=6))
def test_a_score_does_not_depend_on_the_texts_beside_it(model, texts):
    scorer = open_quality_scorer(FastTextConfig(model=model))
    assert scorer.score(texts) == [scorer.score([text])[0] for text in texts]


def test_scores_equal_the_librarys_own_on_every_labelled_page(labelled, web_model):
    import fasttext

    library = fasttext.load_model(web_model)
    scores = open_quality_scorer(FastTextConfig(model=web_model)).score([row["text"] for row in labelled])
    assert len(scores) == 349
    for row, score in zip(labelled, scores, strict=True):
        # DCLM's own few lines, with single predictions
        line = " ".join(row["text"].strip().splitlines())
        (label,), (probability,) = library.predict(line)
        expected = probability if label == "__label__hq" else 1 - probability
        assert score == pytest.approx(min(max(expected, 0), 1), abs=1e-6)


def test_a_classifier_trained_on_70_percent_separates_the_rest(labelled, web_model):
    figures = measure(web_model, split(labelled, 0.7, 42)[1])
    assert figures["pages"] == 105
    assert figures["auc"] > 0.85
    assert figures["auc_95"][0] < figures["auc"] < figures["auc_95"][1]
    assert figures["best_simple_auc"] < figures["auc"]


def test_simple_scores_reach_what_the_specification_measured(labelled):
    labels = [row["label"] for row in labelled]
    assert auc([character_length(row["text"]) for row in labelled], labels) == pytest.approx(0.782, abs=5e-4)
    assert auc([stop_word_share(row["text"]) for row in labelled], labels) == pytest.approx(0.812, abs=5e-4)


@pytest.mark.slow
def test_five_random_halves_reach_a_mean_auc_of_85_percent(labelled, tmp_path):
    found = []
    for seed in range(5):
        train, held_out = split(labelled, 0.5, seed)
        train_fasttext(train, tmp_path / f"{seed}.bin")
        found.append(measure(tmp_path / f"{seed}.bin", held_out)["auc"])
    assert np.mean(found) >= 0.85


def test_auc_counts_ties_one_half():  # by hand: of 2 x 2 pairs one is won, two are tied, one is lost
    assert auc([0.9, 0.5, 0.5, 0.1], [1, 0, 1, 0]) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert auc([1, 1, 1, 1], [1, 0, 1, 0]) == 0.5


def test_an_auc_needs_both_labels():
    with pytest.raises(ValueError, match="both labels"):
        auc([1.0, 2.0], [1, 1])


def test_the_bootstrap_interval_is_seeded():
    scores, labels = [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]
    assert bootstrap(scores, labels, 50, seed=3) == bootstrap(scores, labels, 50, seed=3)


def test_training_twice_in_one_process_works_and_repeats(tmp_path):  # in one process fastText fails with NaN
    rows = [{"text": GOOD, "label": 1}, {"text": POOR, "label": 0}] * 20
    for name in ("a.bin", "b.bin"):
        train_fasttext(rows, tmp_path / name, FastTextTraining(epoch=5))
    texts = [GOOD, POOR, "the sea"]
    first, second = (
        open_quality_scorer(FastTextConfig(model=str(tmp_path / name))).score(texts) for name in ("a.bin", "b.bin")
    )
    assert first == second


@pytest.mark.parametrize(("dim", "ngrams"), [(10, 1), (16, 2)])
def test_training_does_not_depend_on_what_the_allocator_is_told(tmp_path, monkeypatch, dim, ngrams):
    """With memory that comes back uncleared, as under `scripts/rl.sh`, fastText met NaN."""
    rows = [{"text": f"{GOOD} {number}", "label": 1} for number in range(40)]
    rows += [{"text": f"{POOR} {number}", "label": 0} for number in range(40)]
    options = FastTextTraining(epoch=3, dim=dim, wordNgrams=ngrams)
    train_fasttext(rows, tmp_path / "plain.bin", options)
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.setenv(name, "8589934592")
    monkeypatch.setenv("MALLOC_PERTURB_", "7")
    train_fasttext(rows, tmp_path / "told.bin", options)
    assert (tmp_path / "plain.bin").read_bytes() == (tmp_path / "told.bin").read_bytes()
    assert os.environ["MALLOC_PERTURB_"] == "7"


def test_one_label_trains_nothing(tmp_path):
    with pytest.raises(ValueError, match="pages of both"):
        train_fasttext([{"text": GOOD, "label": 1}] * 3, tmp_path / "x.bin")


def test_the_split_is_the_same_for_any_file_order():
    rows = [{"text": str(number), "label": number % 2} for number in range(50)]
    train, held_out = split(rows, 0.7, 1)
    assert split(rows[::-1], 0.7, 1) == (train, held_out)
    assert len(train) == 36 and len(held_out) == 14
    assert sum(row["label"] for row in held_out) == 7


def test_the_published_field_is_read_under_its_long_name():
    long = "fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob"
    assert read_score({"text": "", long: 0.5}, "fasttext_oh_eli5_vs_rw_v2_prob") == 0.5


@pytest.mark.parametrize("value", [None, "0.5", True, float("nan"), float("inf")])
def test_what_is_no_number_is_no_score(value):
    assert read_score({"text": "", "q": value}, "q") is None


def test_several_scorers_write_their_fields_in_one_pass(model):
    scorers = [
        open_quality_scorer(FastTextConfig(model=model, field="q")),
        open_quality_scorer(SimpleConfig(kind="simple")),
    ]
    (result,) = score_documents(iter([{"id": "a", "text": GOOD, "kept": [1]}]), scorers)
    assert set(result.document) == {"id", "text", "kept", "q", "stop_word_share"}
    assert result.document["kept"] == [1]


class NoScores:
    field = "q"

    def score(self, texts):
        return [None] * len(texts)


def test_a_scorer_that_scores_nothing_stops_the_run():
    with pytest.raises(RuntimeError, match="scored none"):
        list(score_documents(iter([{"id": "a", "text": "x"}]), [NoScores()]))


@pytest.mark.integration
def test_the_command_scores_a_pool_and_prints_its_histogram(model, tmp_path, capsys):
    texts = [GOOD, POOR, "", "one\u2028two"] * 3
    write_documents(str(tmp_path / "pool" / "a.jsonl.zst"), [{"text": text, "url": "u"} for text in texts])
    main(["score", str(tmp_path / "pool"), str(tmp_path / "out"), "kind=fasttext", f"model={model}", "field=q"])
    documents = list(read_documents(str(tmp_path / "out" / "a.jsonl.zst")))
    assert [document["text"] for document in documents] == texts
    assert all(0 <= document["q"] <= 1 and document["url"] == "u" for document in documents)
    out = capsys.readouterr().out
    assert "q: 12 scores" in out and "quantiles" in out
    stats = json.loads((tmp_path / "out" / "a.stats.json").read_text())
    assert stats["docs_in"] == stats["docs_out"] == 12
    assert stats["empty_text"] == 3


@pytest.mark.integration
def test_another_model_behind_the_same_path_is_another_configuration(model, tmp_path, capsys):
    import shutil

    write_documents(str(tmp_path / "pool" / "a.jsonl"), [{"text": GOOD}])
    path = shutil.copy(model, tmp_path / "m.bin")
    command = ["score", str(tmp_path / "pool"), str(tmp_path / "out"), "kind=fasttext", f"model={path}", "field=q"]
    main(command)
    train_fasttext([{"text": "x", "label": 1}, {"text": "y", "label": 0}], path)
    open_quality_scorer.cache_clear()
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 2
    assert "another configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "POOL", "out"], "no scorer given"),
        (["score", "POOL", "out", "kind=fasttext", "model=none.bin"], "no fastText model at none.bin"),
        (["score", "nowhere", "out", "kind=simple"], "no pool at nowhere"),
        (["score", "POOL", "out", "kind=fasttext", "modle=x"], "unknown key 'scorer.modle', did you mean 'model'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys):
    write_documents(str(tmp_path / "a.jsonl"), [{"text": GOOD}])
    with pytest.raises(SystemExit) as stop:
        main([argument.replace("POOL", str(tmp_path)) for argument in arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_model_without_the_negative_label_is_refused(model):
    with pytest.raises(ValueError, match="__label__bad"):
        open_quality_scorer(FastTextConfig(model=model, negative_label="__label__bad"))


@pytest.mark.integration
def test_the_training_command_writes_the_model_and_its_figures(tmp_path, capsys):
    rows = [
        {"text": f"{text} {number}", "label": label} for number in range(20) for text, label in ((GOOD, 1), (POOR, 0))
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    train_main([str(tmp_path / "rows.jsonl"), f"out={tmp_path / 'q.bin'}"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["auc"] == 1.0 and printed["trained_on"] == 28 and printed["pages"] == 12
    assert json.loads((tmp_path / "q.bin.json").read_text())["auc"] == 1.0


@pytest.mark.parametrize(
    ("line", "message"),
    [('{"text": "a", "label": 3}', "line 2"), ("{", "line 2"), ('{"label": 1}', "no text"), ("[1]", "line 2")],
)
def test_a_row_that_is_no_labelled_page_is_named(line, message, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": 1}\n' + line + "\n")
    with pytest.raises(SystemExit) as stop:
        train_main([str(tmp_path / "rows.jsonl"), f"out={tmp_path / 'q.bin'}"])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
