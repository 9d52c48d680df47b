"""First lessons in planning: two habits, each as often, and chapters that follow plans of every kind."""

import json
from collections import Counter

import pytest

from eval.story.plans import extract_plan
from rl.data.prepare import main as prepare
from rl.data.story.datapoints import StoryConfig, book_datapoints, to_row
from rl.data.story.lessons import StoryPlansConfig, chats
from rl.data.story_plans import main

CHAPTER = " ".join(f"word{letter}{other}" for letter in "abcdefghij" for other in "abcdefghij")
BOOK = "".join(
    f"Chapter {number}\n\n{CHAPTER.replace('word', name)}\n\n" for number, name in enumerate(["one", "two"] * 3)
)
OPTIONS = StoryConfig(
    source="books",
    excerpt_words=20,
    excerpts=4,
    include_synopsis=True,
    synopsis_words=5,
    writer_knows_synopsis=False,
    system_role=False,
)


@pytest.fixture(scope="module")
def rows():
    return [to_row(point, OPTIONS) for point in book_datapoints("walk", BOOK, OPTIONS)]


def test_a_synopsis_is_words_of_the_excerpt_in_another_order():
    for point in book_datapoints("walk", BOOK, OPTIONS):
        words = point["next_chapter_synopsis"].split(", ")
        text = point["next_chapter"].partition("\n\n")[2].split()
        assert len(set(words)) == 5 and set(words) <= set(text)
    assert any(
        point["next_chapter_synopsis"].split(", ") != sorted(point["next_chapter_synopsis"].split(", "))
        for point in book_datapoints("walk", BOOK, OPTIONS)
    )
    assert book_datapoints("walk", BOOK, OPTIONS) == book_datapoints("walk", BOOK, OPTIONS)


@pytest.mark.parametrize("known", [True, False])
def test_the_planner_is_told_the_synopsis_and_the_writer_if_he_is_to_know(known):
    options = OPTIONS.model_copy(update={"writer_knows_synopsis": known})
    point = book_datapoints("walk", BOOK, options)[0]
    row = to_row(point, options)
    assert point["next_chapter_synopsis"] in row["prompt"][-1]["content"]
    assert (point["next_chapter_synopsis"] in row["messages"][-1]["content"]) == known


@pytest.mark.parametrize("wrong", [{"include_synopsis": False}, {"excerpt_words": None, "excerpts": 1}])
def test_a_synopsis_nobody_tells_is_a_mistake(wrong):
    with pytest.raises(ValueError, match=r"include_synopsis|excerpt_words"):
        StoryConfig.model_validate({**OPTIONS.model_dump(), **wrong})


def test_plans_repeat_the_synopsis_or_the_story_and_chapters_follow_either_or_none(rows):
    by_id = {row["id"]: row for row in rows}
    habits, followed = Counter(), Counter()
    for seed in range(20):
        for chat in chats(rows, StoryPlansConfig(source="rows", out="out", seed=seed, words=4)):
            name, _, kind = chat["id"].rpartition(":")
            row, (*prompt, answer) = by_id[name], chat["messages"]
            told = row["prompt"][-1]["content"]
            synopsis = told.partition("### Next Chapter Synopsis\n")[2].partition("\n")[0]
            story = " ".join(told.partition("### Previous Chapter\n")[2].partition("\n")[0].split()[-4:])
            if kind == "write":
                asked, _, plan = prompt[-1]["content"].partition("\n\n### Detailed Plan\n")
                assert "### Next Chapter Synopsis" not in asked and answer["content"] == row["reference"]
                followed[{synopsis: "synopsis", story: "told", "": "none"}[plan]] += 1
            else:
                assert prompt == row["prompt"]
                assert extract_plan(answer["content"]) == {"synopsis": synopsis, "told": story}[kind]
                habits[kind] += 1
    assert sum(habits.values()) == 20 * len(rows) == sum(followed.values())
    assert min(habits.values()) > 8 * len(rows) and min(followed.values()) > 5 * len(rows)


def test_books_become_chats_by_two_commands(tmp_path, capsys):
    for name in ("a", "b", "c"):
        (tmp_path / "books").mkdir(exist_ok=True)
        (tmp_path / "books" / f"{name}.txt").write_text(BOOK, encoding="utf-8")
    words = ["excerpt_words=20", "excerpts=4", "include_synopsis=true", "synopsis_words=5"]
    words += ["writer_knows_synopsis=false", "system_role=false"]
    prepare(["story", f"source={tmp_path}/books", f"out={tmp_path}/rows", *words, "first_chapter=1"])
    main([f"source={tmp_path}/rows/train.jsonl", f"out={tmp_path}/sft.jsonl", "limit=6"])
    assert "12 chats in" in capsys.readouterr().out
    assert len((tmp_path / "sft.jsonl").read_text().splitlines()) == 12


def test_rows_that_tell_no_synopsis_are_a_mistake(tmp_path, rows, capsys):
    source = tmp_path / "train.jsonl"
    rows = [{**row, "prompt": [{"role": "user", "content": "Hi"}]} for row in rows]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([f"source={source}", f"out={tmp_path}/sft.jsonl"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
