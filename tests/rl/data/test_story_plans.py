"""First lessons in planning: two habits, each as often, neither with a word of the chapter."""

import json
from collections import Counter

import pytest

from eval.plans import extract_plan
from eval.story_prompts import chapter_messages, plan_messages
from rl.data.story_plans import StoryPlansConfig, chats, main


def row(number):
    """A row whose texts share no word: `storyN...` came before, `goldN...` comes next."""
    letter = "abcdefghijklmnopqrstuvwxyz"[number]
    point = {
        "story_text": " ".join(f"story{letter}{other}" for other in "abcdefgh"),
        "next_chapter_header": f"Chapter {number}",
        "next_chapter": f"Chapter {number}\n\n" + " ".join(f"gold{letter}{other}" for other in "abcdefgh"),
    }
    return {
        "id": f"r{letter}",
        "prompt": plan_messages(point, system_role=False),
        "messages": chapter_messages(point, system_role=False),
        "reference": point["next_chapter"],
    }


ROWS = [row(number) for number in range(20)]


def test_plans_are_of_two_habits_and_neither_sees_the_chapter():
    habits = Counter()
    for seed in range(20):
        for chat in chats(ROWS, StoryPlansConfig(source="rows", out="out", seed=seed, words=4)):
            letter, habit = chat["id"][1], chat["id"].partition(":")[2]
            answer = chat["messages"][-1]["content"]
            assert answer.startswith("In summary: ") and f"gold{letter}" not in answer
            plan = extract_plan(answer).split()
            assert len(plan) == 4
            if habit == "told":
                assert plan == [f"story{letter}{other}" for other in "efgh"]
            else:
                assert plan == ["Chapter", str("abcdefghijklmnopqrstuvwxyz".index(letter)), "###", "Task"]
            habits[habit] += 1
    assert sum(habits.values()) == 400 and min(habits.values()) > 160


def test_every_row_becomes_a_chat_behind_its_own_prompt(tmp_path, capsys):
    source = tmp_path / "train.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    main([f"source={source}", f"out={tmp_path}/sft.jsonl", "limit=6"])
    assert "6 chats in" in capsys.readouterr().out
    prompts = {row["id"]: row["prompt"] for row in ROWS}
    made = [json.loads(line) for line in (tmp_path / "sft.jsonl").read_text().splitlines()]
    assert all(chat["messages"][:-1] == prompts[chat["id"].partition(":")[0]] for chat in made)


def test_rows_that_tell_no_story_are_a_mistake(tmp_path, capsys):
    source = tmp_path / "train.jsonl"
    rows = [{**row, "prompt": [{"role": "user", "content": "Hi"}]} for row in ROWS]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([f"source={source}", f"out={tmp_path}/sft.jsonl"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
