import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter.contamination.config import DecontaminateConfig
from filter.contamination.items import item_text, open_index, words_of
from filter.contamination.treat import excise, find, owners_of, rare, report, scan, treat

QUESTION = "What is the boiling point of water at sea level in degrees Celsius on Earth?"
PAGE = "He asked: what is the boiling point of water, at sea level, in degrees celsius on earth? One hundred."
EIGHT = {"id": "eight", "context": "the quick brown fox jumps over the", "continuation": "lazy"}
SHORT = {"id": "short", "context": "too short", "continuation": "to look for"}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("items")
    rows = [{"query": QUESTION, "choices": ["0", "100"], "gold": 1}, EIGHT, SHORT]
    (folder / "water.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DecontaminateConfig(data=[str(folder)])


def shared_grams(config, text):
    return len({gram for gram, _, _ in find(open_index(config), words_of(text), 13)})


@pytest.mark.parametrize(
    ("text", "number"),
    [(PAGE, 3), (PAGE.replace(" on earth", ""), 1), (PAGE.replace(" degrees celsius on earth", ""), 0)],
)
def test_an_item_is_found_by_any_13_words_in_a_row(config, text, number):  # the specification's vector
    assert len(words_of(QUESTION + " 100")) == 16
    assert shared_grams(config, text) == number


MARKS = ["_{}_", "__{}__", "*{}*", "_{}", "**_{}_**", "`{}`"]


@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_emphasis_hide_no_item(config, mark):
    every_word = " ".join(mark.format(word) for word in PAGE.split())
    assert shared_grams(config, every_word) == shared_grams(config, mark.format(PAGE)) == 3
    assert shared_grams(config, PAGE.replace(" ", "_")) == 3  # words joined by underscores


def test_an_item_of_8_words_is_found_whole_and_a_shorter_one_is_skipped(config):
    assert shared_grams(config, "… The QUICK brown-fox jumps, over the lazy dog") == 1
    assert shared_grams(config, "the quick brown fox jumps over the dog") == 0
    assert open_index(config).skipped == {"water": 1} and open_index(config).lengths == {"water": 3}


NOISE = st.sampled_from([" ", "  ", "\n", ", ", " - ", "\u00a0", "… "])


@given(st.data())
def test_a_planted_item_is_found_under_case_punctuation_and_spacing(config, data):
    words = QUESTION.split()
    text = "".join(word.upper() if data.draw(st.booleans()) else word for word in _joined(words, data))
    before, after = data.draw(st.text(max_size=20)), data.draw(st.text(max_size=20))
    assert shared_grams(config, f"{before} {text} {after}") >= 2


def _joined(words, data):
    for word in words:
        yield word
        yield data.draw(NOISE)


def test_common_phrases_do_not_count():
    pages = [[1, 2], [1], [1, 3]]
    assert rare(pages, max_pages=2) == {2, 3}


def decide(config, texts):
    grams = list(scan([{"text": text} for text in texts], open_index(config), 13))
    return grams, rare(grams, config.max_pages)


@pytest.mark.parametrize(
    ("action", "texts", "reasons"),
    [("report", [PAGE, "clean"], [None, None]), ("drop", [None, "clean"], ["contaminated", None])],
)
def test_pages_are_reported_or_dropped(config, action, texts, reasons):
    config = config.model_copy(update={"action": action})
    grams, counted = decide(config, [PAGE, "clean"])
    results = list(treat([{"text": PAGE}, {"text": "clean"}], grams, counted, config))
    assert [result.reason for result in results] == reasons
    assert [result.document and result.document["text"] for result in results] == texts
    assert [result.counts for result in results] == [{"docs_contaminated": 1}, {}]


def test_only_the_paragraphs_that_hold_an_item_are_cut(config):
    index = open_index(config)
    _, counted = decide(config, [PAGE])
    assert excise(f"Before.\n{PAGE}\nAfter.", index, counted, 13) == "Before.\nAfter."
    first, second = PAGE.split(" at ")
    assert excise(f"Before.\n{first} at\n{second}\nAfter.", index, counted, 13) == "Before.\nAfter."


def test_a_page_of_nothing_but_an_item_is_dropped_when_cut(config):
    config = config.model_copy(update={"action": "excise"})
    grams, counted = decide(config, [PAGE])
    (result,) = treat([{"text": PAGE}], grams, counted, config)
    assert result.reason == "contaminated"


def test_the_report_names_the_items_of_each_task_and_source(config):
    index = open_index(config)
    grams, counted = decide(config, [PAGE, PAGE])
    pages = {}
    for one in grams:
        for item in owners_of(index, [gram for gram in one if gram in counted]):
            pages[item] = pages.get(item, 0) + 1
    found = report(index, {"organic": pages, "recycled": {}})
    assert found["water"]["sources"]["organic"] == {"items": 1, "matches": 2, "ids": ["0"]}
    assert found["water"]["sources"]["recycled"] == {"items": 0, "matches": 0, "ids": []}
    assert (found["water"]["items"], found["water"]["too_short"], found["water"]["looked_for"]) == (3, 1, 2)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"query": "q", "choices": ["a", "b"], "gold": 1}, "q b"),
        ({"context_options": ["x", "y"], "continuation": "c", "gold": 0}, "x c"),
        ({"context": "a", "continuation": "b", "category": "c"}, "a b"),
        ({"question": "a", "answer": "b"}, "a b"),
        ({"prompt": "a", "canonical_solution": "b", "test": "t"}, "a b"),
        ({"code": "a", "input": "1", "output": "2"}, "a 1 2"),
        ({"Question": "a", "Answer": 3}, "a 3"),
        ({"other": 1}, None),
    ],
)
def test_what_is_looked_for_is_the_question_with_its_answer(row, text):
    assert item_text(row) == text


def test_every_item_of_the_shared_data_has_a_known_form(shared_data):
    folders = [str(shared_data / "core"), str(shared_data / "reasoning")]
    index = open_index(DecontaminateConfig(data=folders))
    assert (
        sum(number for task, number in index.lengths.items() if (shared_data / "core" / f"{task}.jsonl").exists())
        == 2172
    )
    assert len(index.lengths) == 25


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no .jsonl files"),
        ({"a.jsonl": ""}, "holds no items"),
        ({"a.jsonl": "{"}, "line 1"),
        ({"a.jsonl": '{"x": 1}'}, "no item of a known form"),
    ],
)
def test_bad_item_files_are_named(files, message, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        open_index(DecontaminateConfig(data=[str(tmp_path)]))


def test_missing_items_are_named():
    with pytest.raises(ValueError, match="no evaluation items at nowhere"):
        open_index(DecontaminateConfig(data=["nowhere"]))
