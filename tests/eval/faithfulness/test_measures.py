"""Pair measures against the specification's vectors and their properties."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import read_documents
from eval.faithfulness.__main__ import main
from eval.faithfulness.kept import numbers_kept, urls_kept
from eval.faithfulness.measures import (
    duplicate_ngrams,
    length_ok,
    lexical_f1,
    novel_ngrams,
    opening_collisions,
    repeats,
    score_pair,
    word_edit_distance,
)
from eval.faithfulness.pairs import percentiles
from eval.faithfulness.structure import block_shares, markdown_similarity
from eval.faithfulness.words import STOP_WORDS

TEXT = st.text(st.sampled_from("ab Cc1.,-#>*|`\n\t•é\u2028"), max_size=60)
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12).map(" ".join)
LONG = [f"Paragraph number {n} says something that is long enough." for n in range(4)]


@given(
    st.lists(
        st.sampled_from(["a", "b", "Kelvin", "\u212aelvin", "\u0130x", "ix", "na\u00efve", "don't", "\u65e5"]),
        max_size=60,
    ),
    st.lists(st.sampled_from([" ", ", ", " \u2013 ", "\u201c", "'", "\u2019", "\u00e9"]), min_size=60, max_size=60),
    st.integers(1, 4),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.1, 0.3, 0.6]),
)
def test_the_quick_look_for_repeats_says_what_the_count_says(some, between, times, n, most):
    text = "".join(word + gap for word, gap in zip(some, between, strict=False)) * times
    assert repeats(text, most, n) == (duplicate_ngrams(text, n) > most)


def test_the_quick_look_for_repeats_agrees_on_real_pages(shared_data):
    pages = read_documents(str(shared_data / "web/pool/shard_00000000_processed.jsonl.zst"))
    texts = [page["text"][:3000] for page in itertools.islice(pages, 150)]
    texts += [text[: 700 * number] + text[:900] * number for number, text in enumerate(texts[:20])]
    found = [repeats(text, 0.3) for text in texts]
    assert found == [duplicate_ngrams(text) > 0.3 for text in texts] and 5 < sum(found) < 60


@pytest.mark.parametrize(
    ("organic", "rephrased", "f1"),
    [
        ("The cat sat on the mat.", "The cat sat on the mat.", 1),
        ("The cat sat on the mat.", "A cat was sitting on a mat.", 0.666667),
        ("The cat sat on the mat.", "", 0),
        ("Mount Everest is 8,849 metres high.", "Everest rises 8,849 metres.", 0.727273),
    ],
)
def test_lexical_f1_vectors(organic, rephrased, f1):
    assert lexical_f1(organic, rephrased) == pytest.approx(f1, abs=1e-6)


def test_there_are_39_stop_words():
    assert len(STOP_WORDS) == 39


TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("organic", "rephrased", "sim", "passed"),
    [
        ("Cats sleep a lot.\n\nDogs bark at night.", "Cats rest often.\n\nAt night, dogs bark.", 1, True),
        ("- Red\n- Green\n- Blue", "Red, green and blue.", 0, False),
        ("• Red\n• Green", "- Crimson\n- Emerald", 1, True),
        ('{"a": 1, "b": [2, 3]}', '{"a": 1, "b": [2, 3], "c": 4}', 1, True),
        (
            "def f(x):\n    return x + 1",
            "```python\ndef f(x):\n    return x + 1\n```",
            0,
            False,
        ),
        ("# Soup\n\nBoil water.", "# Soup\n\nHeat the water until boiling.", 0.8522, True),
        ("# Soup\n\nBoil water.", "Boil water for soup.", 0.7143, False),
        (TABLE, TABLE.replace("2", "3"), 1, True),
        (TABLE, "a is 1 and b is 2", 0, False),
        ("One.\n\n---\n\nTwo.", "One.\n\nTwo.", 1, True),
        ("Intro text here.\n\n- one\n- two", "Opening words.\n\n- first\n- second\n- third", 0.7483, True),
        ("The tour starts at nine. Bring water.", "## Tour\n\n- Starts at **nine**\n- Bring water", 0, False),
        ("\n\n".join(LONG), " ".join(LONG), 1, False),
    ],
)
def test_markdown_similarity_vectors(organic, rephrased, sim, passed):
    found = markdown_similarity(organic, rephrased)
    assert found.sim == pytest.approx(sim, abs=5e-5)
    assert found.passed is passed


def test_a_blank_side_has_no_structure():
    assert markdown_similarity("text", " \n") == (0, False) == markdown_similarity("", "text")
    assert block_shares("\n\n---\n") == {}


def test_precedence_of_kinds_that_enclose_each_other():
    assert block_shares("- # Head") == {"list": 1}
    assert block_shares("> # Head") == {"quote": 1}
    assert block_shares("> - item") == {"list": 1}
    assert block_shares("- item\n\n  ```\n  code\n  ```") == {"list": 0.5, "code": 0.5}


@pytest.mark.parametrize(
    ("characters", "floor", "ok"),
    [(1250, 0.2, True), (1251, 0.2, False), (200, 0.2, True), (199, 0.2, False), (199, 0, True), (0, 0.2, False)],
)
def test_length_vectors(characters, floor, ok):
    assert length_ok("x" * 1000, "y" * characters, min_ratio=floor) is ok


def test_an_empty_rephrasing_is_never_long_enough():
    assert not length_ok("x" * 1000, "", min_ratio=0)


def test_number_vectors():
    organic, rephrased = (
        "In 1915, 8,709 men died; 19% were 20 or younger.",
        "8,709 men died in 1915, and 25% were young.",
    )
    recall, precision = numbers_kept(organic, rephrased)
    assert recall == 0.5 and precision == pytest.approx(0.6667, abs=1e-4)
    assert numbers_kept("none", "none") == (None, None)
    assert numbers_kept("in 1915", "long ago") == (0, None)


def test_urls_end_before_the_punctuation_of_their_sentence():
    assert urls_kept("See https://a.org/b?c=1. Or (www.d.com).", "See https://a.org/b?c=1 today") == (0.5, 1)


def test_edit_and_ngram_vectors():
    assert word_edit_distance("a b c d", "a x c") == 0.5
    assert novel_ngrams("the cat sat", "the cat ran", n=2) == 0.5
    assert novel_ngrams("the cat sat", "one", n=2) is None
    assert duplicate_ngrams("a b a b a b", n=2) == pytest.approx(0.6)  # ab ba ab ba ab: 2 of 5
    assert duplicate_ngrams("a b", n=10) == 0
    assert opening_collisions(["A", "A", "B", "C"]) == 500


def levenshtein(left, right):
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


@given(WORDS, WORDS)
def test_bit_parallel_distance_is_levenshteins(left, right):
    a, b = left.split(), right.split()
    expected = levenshtein(a, b) / max(len(a), len(b), 1)
    assert word_edit_distance(left, right) == pytest.approx(expected)
    assert word_edit_distance(right, left) == pytest.approx(expected)


@given(TEXT, TEXT)
def test_structure_similarity_is_symmetric_and_bounded(left, right):
    sim = markdown_similarity(left, right).sim
    assert 0 <= sim <= 1
    assert markdown_similarity(right, left).sim == pytest.approx(sim)


PARAGRAPHS = st.lists(st.sampled_from(["One two.", "- a\n- b", "# Head", "> quote", TABLE]), min_size=1, max_size=5)


@given(PARAGRAPHS, st.data())
def test_rules_between_paragraphs_change_no_share(paragraphs, data):
    text = "\n\n".join(paragraphs)
    position = data.draw(st.integers(0, len(paragraphs)))
    ruled = "\n\n".join([*paragraphs[:position], "---", *paragraphs[position:]])
    assert markdown_similarity(text, ruled).sim == pytest.approx(1)


@given(TEXT)
def test_the_identity_pair_changes_nothing(text):
    found = score_pair(text, text)
    assert found["number_recall"] in (1, None)
    assert found["word_edit_distance"] == 0
    assert found["novel_5grams"] in (0, None)
    if lexical_f1(text, text):
        assert found["lexical_f1"] == 1 and found["structure_sim"] == pytest.approx(1)


@given(TEXT, TEXT)
def test_rates_stay_between_0_and_1(left, right):
    for name, value in score_pair(left, right).items():
        if name != "length_ratio":
            assert value is None or 0 <= value <= 1


def test_percentiles_by_hand():
    assert percentiles([1, 2, 3, 4, 5]) == pytest.approx(
        {"mean": 3, "p5": 1.2, "p25": 2, "p50": 3, "p75": 4, "p95": 4.8}
    )
    assert percentiles([]) == {}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_the_command_joins_by_id_and_reports_every_pair(tmp_path, capsys):
    organic = write(tmp_path / "organic.jsonl", [{"id": "a", "text": "one two 3"}, {"id": "b", "text": "- x\n- y"}])
    recycled = write(
        tmp_path / "recycled.jsonl",
        [{"id": "b", "text": "x y"}, {"id": "a#1", "text": "one two 3"}, {"id": "c", "text": "z", "organic_text": "z"}],
    )
    out = tmp_path / "out.jsonl"
    main([organic, recycled, f"out={out}"])
    rows = {row["id"]: row for row in map(json.loads, out.read_text().splitlines())}
    assert set(rows) == {"a#1", "b", "c"}
    assert rows["a#1"]["number_recall"] == 1 and rows["b"]["structure_sim"] == 0
    assert "pairs 3" in capsys.readouterr().out


def test_a_pair_without_organic_text_is_a_usage_error(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([write(tmp_path / "r.jsonl", [{"id": "a", "text": "x"}])])
    assert "organic_text" in capsys.readouterr().err


def test_rows_with_a_clean_text_give_content_kept_and_noise_removed(tmp_path, capsys):
    row = {"id": "a", "text": "Home | Shop\nCats purr.", "clean_text": "Cats purr."}
    organic = write(tmp_path / "organic.jsonl", [row, {**row, "id": "b"}])
    recycled = write(tmp_path / "recycled.jsonl", [{**row, "text": "Shop cats."}])
    main([organic, recycled, f"out={tmp_path / 'out.jsonl'}"])
    found = json.loads((tmp_path / "out.jsonl").read_text())
    assert found["content_kept"] == 0.5 and found["noise_removed"] == pytest.approx(2 / 3)
    assert "without a rephrasing (dropped as out of form, or not in the pool): 1" in capsys.readouterr().out
