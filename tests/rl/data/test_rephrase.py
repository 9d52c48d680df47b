"""Rows: real passages, known boilerplate, request and answer; held-out documents stay out."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rephrase.text.prompts import SENTINEL, messages
from rl.data.recycling.clean_rows import SENTENCE, RephraseDataConfig, build_rows, careless, echoed
from rl.data.recycling.noise import add_noise
from rl.data.recycling.passages import part_of
from rl.data.rephrase import main


def words(text):
    return len(text.split())


def rows(pool, **values):
    return list(build_rows(RephraseDataConfig(pool=pool, **{"min_tokens": 8, "max_tokens": 40, **values}), words))


def test_a_row_holds_page_clean_text_noise_and_the_request_for_it(small_pool):
    for row in rows(small_pool, rows=40):
        assert row["messages"][:-1] == messages(row["text"])
        assert row["messages"][-1]["content"] == f"{SENTINEL}\n\n{row['clean_text']}"
        assert all(piece["text"] in row["text"] for piece in row["noise"])
        assert (row["text"] == row["clean_text"]) == (not row["noise"])


def test_the_share_of_clean_pages_is_as_asked(small_pool):
    assert all(row["noise"] for row in rows(small_pool, rows=40, clean_frac=0))
    assert not any(row["noise"] for row in rows(small_pool, rows=40, clean_frac=1))


def test_parts_share_no_document(small_pool):
    ids = {
        part: {row["id"].split("#")[0] for row in rows(small_pool, rows=100, part=part)}
        for part in ("train", "held_out")
    }
    assert not ids["train"] & ids["held_out"]
    assert all(part_of(document, 0.1) == part for part, documents in ids.items() for document in documents)


def test_passages_come_again_with_other_boilerplate_when_they_run_out(small_pool):
    made = rows(small_pool, rows=2000)
    assert len(made) == 2000
    assert len({row["id"] for row in made}) == 2000
    assert len({row["text"] for row in made}) > 1500


def test_the_same_seed_gives_the_same_rows(small_pool):
    assert rows(small_pool, rows=30) == rows(small_pool, rows=30)
    assert rows(small_pool, rows=30) != rows(small_pool, rows=30, seed=1)


def test_text_rows_say_their_passage_once_or_twice(small_pool):
    for row in rows(small_pool, rows=40, form="text", repeat_frac=1.0):
        first, second = row["text"][: len(row["text"]) // 2 - 1], row["text"][len(row["text"]) // 2 + 1 :]
        assert first == second
    assert any("\n\n" not in row["text"] for row in rows(small_pool, rows=40, form="text"))


def test_scrambled_passages_are_no_sentences(small_pool):
    plain = {row["clean_text"] for row in rows(small_pool, rows=200)}
    scrambled = rows(small_pool, rows=40, scrambled_frac=1.0)
    assert not plain & {row["clean_text"] for row in scrambled}


def test_a_pool_without_prose_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "Home | News"}) + "\n")
    with pytest.raises(ValueError, match="no clean passage"):
        rows(str(tmp_path), rows=1, held_out_frac=0, harvest_pages=0)


def test_a_missing_tokenizer_is_one_line_and_exit_code_2(small_pool, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([f"pool={small_pool}", f"out={tmp_path / 'rows.jsonl'}", f"tokenizer={tmp_path}"])
    assert stopped.value.code == 2
    assert "no tokenizer" in capsys.readouterr().err


def test_noise_of_a_row_does_not_depend_on_the_rows_before_it(small_pool):
    first = rows(small_pool, rows=5, harvest_pages=0)
    later = {row["id"]: row for row in rows(small_pool, rows=50, harvest_pages=0)}
    assert all(later[row["id"]] == row for row in first)
    assert add_noise("A cat.", "x").clean() == "A cat."


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=9), min_size=1, max_size=4), st.integers(0, 99)
)
def test_echoed_passages_hold_all_their_words_in_order_and_some_again(lines, seed):
    passage = "\n".join(" ".join(line) for line in lines)
    echo = echoed(random.Random(seed), passage)
    assert echo == echoed(random.Random(seed), passage)
    for before, after in zip(passage.split("\n"), echo.split("\n"), strict=True):
        words = iter(after.split(" "))
        assert all(word in words for word in before.split(" "))  # a subsequence
    more = len(echo.split()) - len(passage.split())
    assert 1 <= more <= 18 if any(len(line) > 1 for line in lines) else more == 0


def test_a_share_of_passages_echoes_and_the_others_stay_as_they_were(small_pool):
    plain = {row["id"]: row["clean_text"] for row in rows(small_pool, rows=60)}
    echo = {row["id"]: row["clean_text"] for row in rows(small_pool, rows=60, echo_frac=0.5)}
    changed = sum(plain[name] != echo[name] for name in plain)
    assert plain.keys() == echo.keys()
    assert 15 <= changed <= 45


@given(st.text("ab .!\n”", max_size=40))
def test_a_text_is_all_of_its_sentences(text):
    assert "".join(SENTENCE.findall(text)) == text


@given(st.integers(0, 999))
def test_a_careless_answer_is_a_part_of_its_page_in_order(seed):
    passage = "The first sentence. A second one follows it.\nThen a line.\n\nAnd the last paragraph ends here."
    page = add_noise(passage, str(seed), pieces=3)
    answered = careless(random.Random(seed), page)
    letters = iter(page.text)
    assert all(letter in letters for letter in answered)  # a subsequence


def test_carelessness_takes_half_of_the_content_and_leaves_half_of_the_noise():
    passage = "One goes here. Two goes here. Three goes here. Four goes here."
    page = add_noise(passage, "a", pieces=2)
    answers = [careless(random.Random(seed), page) for seed in range(400)]
    for part in (*passage.split(". "), *(piece["text"] for piece in page.pieces())):
        assert 140 <= sum(part.strip(". ") in text for text in answers) <= 260


def test_a_share_of_answers_is_careless_and_none_is_empty(small_pool):
    careful, mixed = rows(small_pool, rows=60, clean_frac=0), rows(small_pool, rows=60, clean_frac=0, careless_frac=0.5)
    assert [row["text"] for row in careful] == [row["text"] for row in mixed]
    answers = [row["messages"][-1]["content"].removeprefix(f"{SENTINEL}\n\n") for row in mixed]
    assert 12 <= sum(said != row["clean_text"] for said, row in zip(answers, mixed, strict=True)) <= 45
    assert all(answers)
