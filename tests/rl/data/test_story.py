"""Next-chapter rows: the published filters, books apart between splits, nothing of the gold in a prompt."""

import json

import pytest

from common.engines.config import TransformersEngineConfig
from eval.story.prompts import SECTIONS, chapter_messages, plan_messages, story_information
from rl.data.prepare import main
from rl.data.rows.conversations import ConversationsConfig, normalise
from rl.data.rows.conversations import build as build_conversations
from rl.data.story.books import split_chapters
from rl.data.story.datapoints import StoryConfig, book_datapoints, reason_to_drop, split_books, to_row
from rl.data.story.notes import Notes, add_notes

POINT = {
    "story_text": "It rained. " * 150,
    "next_chapter_header": "Chapter 5",
    "next_chapter": "Chapter 5\n\n" + "The sun came out. " * 100,
    "prior_plot_summary": "Ann left.",
    "high_level_plot_summary": "A journey.",
    "character_sheets": {"Ann": "Brave.", "Bob": "Old."},
    "next_chapter_synopsis": "Ann returns.",
    "chapter_index": 4,
    "chapters": 20,
    "story_id": "journey",
}


def config(**options):
    return StoryConfig(source="books", **options)


def words(text):
    return len(text.split())


def novel(chapters=8, name="Ann"):
    text = [
        f"{name} walked to harbour number {n} and watched the boats of the morning come in. " * 20 for n in range(9)
    ]
    return "".join(f"Chapter {n + 1}\n\n{text[n]}\n\n" for n in range(chapters))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"story_text": ""}, "no_story_text"),
        ({"next_chapter_header": None}, "no_next_chapter_header"),
        ({"next_chapter_synopsis": ""}, ""),
        ({"chapter_index": 1}, "early_chapter"),
        ({"chapter_index": 2}, ""),
        ({"chapter_index": 17}, ""),
        ({"chapter_index": 18}, "last_chapters"),
        ({"next_chapter": "word " * 200}, "chapter_too_short"),
        ({"next_chapter": "word " * 201}, ""),
        ({"next_chapter": "word " * 4999}, ""),
        ({"next_chapter": "word " * 5000}, "chapter_too_long"),
        ({"story_text": "word " * 5000}, "story_too_long"),
    ],
)
def test_the_published_filters(change, reason):
    assert reason_to_drop({**POINT, **change}, config(), words) == reason


def test_a_wanted_field_that_is_missing_drops_the_row():
    bare = {key: value for key, value in POINT.items() if key != "next_chapter_synopsis"}
    assert reason_to_drop(bare, config(include_synopsis=True), words) == "no_next_chapter_synopsis"
    assert reason_to_drop(POINT, config(include_synopsis=True), words) == ""


def test_long_prompts_are_left_out_by_words_and_by_tokens():
    assert reason_to_drop(POINT, config(max_prompt_words=300), words) == "prompt_too_many_words"
    assert reason_to_drop(POINT, config(), lambda text: 50 * words(text)) == "prompt_too_many_tokens"


def test_prompts_tell_what_the_switches_say_in_one_order_and_never_the_gold():
    every = {f"include_{name}": True for name in ("plan", "plot_summary", "characters", "synopsis")}
    for options, told in ((every, list(SECTIONS.values())), ({}, ["Previous Chapter", "Next Chapter Header"])):
        row = to_row(POINT, config(**options))
        for messages in (row["prompt"], row["messages"]):
            text = messages[-1]["content"]
            headings = [line[4:] for line in text.split("\n") if line.startswith("### ")]
            assert headings == [*told, "Task"]
            assert "The sun came out." not in text
    assert row["reference"] == POINT["next_chapter"]
    assert row["prompt"][-1]["content"] != row["messages"][-1]["content"]
    assert "In summary: " in row["prompt"][-1]["content"] and "In summary" not in row["messages"][-1]["content"]


def test_without_a_system_role_its_text_opens_the_users():
    with_role, without = plan_messages(POINT), plan_messages(POINT, system_role=False)
    assert [message["role"] for message in with_role] == ["system", "user"]
    assert [message["role"] for message in without] == ["user"]
    assert without[0]["content"] == f"{with_role[0]['content']}\n\n{with_role[1]['content']}"


def test_writing_adds_a_length_and_an_end_that_scoring_does_not_have():
    scored, written = chapter_messages(POINT)[-1]["content"], chapter_messages(POINT, min_words=700)[-1]["content"]
    assert written.startswith(scored) and "700" in written[len(scored) :] and "700" not in scored


def test_character_sheets_stand_under_their_names():
    assert "#### Ann\nBrave.\n\n#### Bob\nOld." in story_information(POINT)


def test_a_book_becomes_datapoints_chapter_by_chapter():
    points = book_datapoints("walk", novel(6), config(last_n=2))
    chapters = split_chapters(novel(6))
    assert [point["chapter_index"] for point in points] == [2, 3, 4, 5]
    for point in points:
        index = point["chapter_index"]
        assert point["next_chapter"] == f"{chapters[index].header}\n\n{chapters[index].text}"
        assert all(chapter.text in point["story_text"] for chapter in chapters[index - 2 : index])
        assert chapters[index].text not in point["story_text"]


def test_further_excerpts_follow_what_stands_before_them_in_the_chapter():
    options = config(excerpt_words=20, excerpts=4)
    points = book_datapoints("walk", novel(6), options)
    chapter = split_chapters(novel(6))[1]
    text = f"{split_chapters(novel(6))[0].text} {chapter.text}".split()
    assert [point["excerpt"] for point in points[:4]] == [0, 1, 2, 3]
    for number, point in enumerate(points[:4]):
        before, after = point["story_text"].split(), point["next_chapter"].partition("\n\n")[2].split()
        start = len(text) - words(chapter.text) + words(chapter.text) * number // 4
        assert (before, after) == (text[start - 20 : start], text[start : start + 20])
    ids = [to_row(point, options)["id"] for point in points]
    assert len(set(ids)) == len(ids) == 20
    with pytest.raises(ValueError, match="set excerpt_words"):
        config(excerpts=2)


def test_excerpts_are_the_last_words_before_and_the_first_after():
    point = book_datapoints("walk", novel(6), config(excerpt_words=20))[0]
    chapters = split_chapters(novel(6))
    assert point["story_text"].split() == chapters[0].text.split()[-20:]
    assert point["next_chapter"].split() == ["Chapter", "2", *chapters[1].text.split()[:20]]


def test_books_are_whole_in_one_split():
    names = [f"b{n}" for n in range(9)]
    splits = split_books(names, config(val_books=2, test_books=3))
    assert sorted(name for part in splits.values() for name in part) == names
    assert [len(splits[name]) for name in ("train", "val", "test")] == [4, 2, 3]
    assert split_books(names, config(test_names=["b3"]))["test"] == ["b3"]
    with pytest.raises(ValueError, match="leave none to train on"):
        split_books(names[:2], config())
    with pytest.raises(ValueError, match="no book 'b77'"):
        split_books(names, config(test_names=["b77"]))


def test_the_command_writes_what_training_sft_and_itself_read(tmp_path, root, capsys):
    books = tmp_path / "books"
    books.mkdir()
    for name in ("Ann", "Bob", "Cy"):
        (books / f"{name}.txt").write_text(novel(name=name), encoding="utf-8")
    tokenizer = f"tokenizer={root / 'rephrase' / 'tiny'}"
    main(["story", f"source={books}", f"out={tmp_path / 'data'}", tokenizer])
    figures = json.loads(capsys.readouterr().out)
    # of 8 chapters, 7 have one before them; numbers 2 to 5 stay
    assert figures == {"train": 4, "val": 4, "test": 4, "drops": {"early_chapter": 3, "last_chapters": 6}}
    rows = lines(tmp_path / "data" / "train.jsonl")
    assert normalise(rows[0])[0] == rows[0]
    chats = lines(tmp_path / "data" / "train_messages.jsonl")
    assert [chat["messages"][-1]["content"] for chat in chats] == [row["reference"] for row in rows]
    files = {name: [str(tmp_path / "data" / f"{name}.jsonl")] for name in ("train", "test")}
    read = ConversationsConfig(train=files["train"], eval=files["test"], eval_rows=4, max_prompt_tokens=4096)
    assert build_conversations(read, tmp_path / "run", words)["drops"] == {}
    main(["story", f"source={tmp_path / 'data'}", f"out={tmp_path / 'again'}", tokenizer])  # from datapoints
    assert json.loads(capsys.readouterr().out) == {"train": 4, "val": 4, "test": 4, "drops": {}}
    assert lines(tmp_path / "again" / "train.jsonl") == rows


@pytest.mark.parametrize("arguments", [["story"], ["novels"], []])
def test_a_mistake_is_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_an_empty_folder_is_a_mistake(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["story", f"source={tmp_path}", "tokenizer=rephrase/tiny"])
    assert "neither books" in capsys.readouterr().err


class Writer:
    """An engine's interface over a function of the prompt; records what it was asked."""

    tokenizer = None

    def __init__(self, answer):
        self.answer, self.prompts = answer, []

    def stream(self, requests):
        from common.engines.requests import Completion

        for request in requests:
            self.prompts.append(request.messages[0]["content"])
            text = self.answer(self.prompts[-1])
            yield Completion(request.id, text or "", "stop" if text else "error", 1, 1, 0.0)


def test_a_plot_grows_by_a_chapter_a_round_and_never_looks_ahead():
    chapters = {"walk": split_chapters(novel(5))}
    writer = Writer(lambda prompt: f"plot of {prompt.count('harbour number')}")
    notes = Notes(writer, chapters)
    notes.read(sheets=False)
    assert sorted(notes.plots["walk"]) == list("01234")
    for number, prompt in enumerate(writer.prompts):
        assert f"harbour number {number} " in prompt
        assert not any(f"harbour number {later} " in prompt for later in range(number + 1, 5))


def test_a_failed_plot_leaves_the_rest_of_its_book_without_one():
    writer = Writer(lambda prompt: None if "harbour number 2" in prompt else "plot")
    notes = Notes(writer, {"walk": split_chapters(novel(5)), "other": split_chapters(novel(2))})
    notes.read(sheets=False)
    assert (sorted(notes.plots["walk"]), notes.failures["engine_plot"]) == (["0", "1"], 1)


def test_sheets_are_of_three_named_characters_and_carried_on():
    def answer(prompt):
        if "main characters" in prompt:
            return "1. Ann\n- Bob\nCy\nDee"
        return f"sheet {prompt.count('sheet')}" if "the notes on" in prompt else "plot"

    notes = Notes(Writer(answer), {"walk": split_chapters(novel(3))})
    notes.read(sheets=True)
    assert list(notes.sheets["walk"]["2"]) == ["Ann", "Bob", "Cy"]
    assert [notes.sheets["walk"][str(n)]["Ann"] for n in range(3)] == ["sheet 0", "sheet 1", "sheet 1"]


def test_a_real_engine_fills_the_wanted_fields(small_policy):
    text = "".join(f"Chapter {n}\n\n{'Bakers knead the dough twice. ' * 12}\n\n" for n in range(1, 5))
    points = {"dough": book_datapoints("dough", text, config())}
    engine = TransformersEngineConfig(batch_size=4)
    chapters = {"dough": split_chapters(text)}
    add_notes(points, chapters, engine, small_policy, ("next_chapter_synopsis",))
    assert all(point["next_chapter_synopsis"] for point in points["dough"])
    assert not any("prior_plot_summary" in point for point in points["dough"])


def test_the_six_novels_give_rows_without_an_engine(shared_data, tmp_path, root, capsys):
    arguments = [f"source={shared_data / 'books'}", f"out={tmp_path}", f"tokenizer={root / 'rephrase' / 'tiny'}"]
    main(["story", *arguments, "test_names=alice", "val_books=1"])
    figures = json.loads(capsys.readouterr().out)
    points = 12 + 28 + 59 + 61 + 12 + 34 - 6  # chapters that have one before them
    assert sum(figures[split] for split in ("train", "val", "test")) + sum(figures["drops"].values()) == points
    assert figures["test"] == 8 and figures["drops"]["early_chapter"] == 6 and figures["drops"]["last_chapters"] == 12


def test_chats_whose_last_turn_is_the_chapter_are_datapoints_too(tmp_path, capsys):
    turns = [{"role": "system", "content": "A writer."}, {"role": "user", "content": "What comes next?"}]
    chats = [{"messages": [*turns, {"role": "assistant", "content": f"Chapter {at}."}]} for at in range(3)]
    chats.append({"messages": turns})
    lines = "".join(json.dumps(chat) + "\n" for chat in chats)
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "story_dataset_train.jsonl").write_text(lines)
    main(["story", f"source={tmp_path / 'points'}", f"out={tmp_path / 'out'}"])
    figures = json.loads(capsys.readouterr().out)
    assert (figures["train"], figures["drops"]) == (3, {"no_prompt": 1})
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text().splitlines()[0])
    assert row["reference"] == "Chapter 0."
    assert row["messages"] == turns
    assert row["prompt"][-1]["content"].startswith("What comes next?")
    assert "In summary: " in row["prompt"][-1]["content"]


def test_nothing_kept_and_no_utf8_are_one_line(tmp_path, capsys):
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "story_dataset_train.jsonl").write_text('{"story_text": "x"}\n')
    with pytest.raises(SystemExit) as ended:
        main(["story", f"source={tmp_path / 'points'}", f"out={tmp_path / 'out'}"])
    assert ended.value.code == 1
    assert "no row is kept" in capsys.readouterr().err
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(SystemExit):
        main(["story", f"source={tmp_path / 'books'}", f"out={tmp_path / 'out'}"])
    assert "a.txt is no UTF-8 text (byte 3)" in capsys.readouterr().err
