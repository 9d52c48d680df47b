"""First lessons in planning: whose words a plan takes, and that no plan of the policy looks at the chapter."""

import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.plans import extract_plan
from eval.story_prompts import chapter_messages, plan_messages
from rl.data.story_plans import StoryPlansConfig, chats, key_words, main


def row(number):
    """A row whose three texts share no word: `storyN...` came before, `goldN...` comes next."""
    letters = "abcdefghijklmnopqrstuvwxyz"[number]
    point = {
        "story_text": " ".join(f"story{letters}{other}" for other in "abcdef"),
        "next_chapter_header": "Chapter",
        "next_chapter": "Chapter\n\n" + " ".join(f"gold{letters}{other}" for other in "abcdef"),
    }
    return {
        "id": f"r{letters}",
        "prompt": plan_messages(point, system_role=False),
        "messages": chapter_messages(point, system_role=False),
        "reference": point["next_chapter"],
    }


ROWS = [row(number) for number in range(20)]


def test_the_policys_plans_are_of_two_habits_and_neither_sees_the_chapter():
    config = StoryPlansConfig(source="rows", out="out")
    told = other = 0
    for seed in range(20):
        for chat in chats(ROWS, config.model_copy(update={"seed": seed})):
            if not chat["id"].endswith(":plan"):
                continue
            letter = chat["id"][1]
            plan = extract_plan(chat["messages"][-1]["content"]).split(", ")
            assert len(plan) == 4 and not any(word.startswith(f"gold{letter}") for word in plan)
            told += all(word.startswith(f"story{letter}") for word in plan)
            other += all(word.startswith("gold") for word in plan)
    assert told + other == 400 and told > 150 and other > 150


def test_chapters_follow_plans_of_every_kind_and_none():
    kinds = {"story": 0, "gold_own": 0, "gold_other": 0, "none": 0}
    for seed in range(10):
        for chat in chats(ROWS, StoryPlansConfig(source="rows", out="out", seed=seed)):
            *_, user, answer = chat["messages"]
            if not chat["id"].endswith(":write"):
                continue
            letter = chat["id"][1]
            assert answer["content"].startswith(f"Chapter\n\ngold{letter}a ")
            plan = user["content"].partition("### Detailed Plan\n")[2]
            kind = "none" if not plan else "story" if plan.startswith("story") else "gold_own"
            if kind == "gold_own" and not plan.startswith(f"gold{letter}"):
                kind = "gold_other"
            kinds[kind] += 1
    assert sum(kinds.values()) == 200 and min(kinds.values()) > 25


@given(st.text(), st.integers(1, 5), st.integers(0, 3))
def test_key_words_are_words_of_the_text_in_its_order_each_once(text, count, seed):
    found = key_words(text, count, random.Random(seed))
    assert len(found) <= count and len(set(found)) == len(found)
    places = [re.search(rf"(?<![^\W\d_]){word}(?![^\W\d_])", text).start() for word in found]
    assert places == sorted(places)


def test_rows_become_chats_with_a_plan_and_a_chapter_each(tmp_path, capsys):
    source = tmp_path / "train.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    main([f"source={source}", f"out={tmp_path}/sft.jsonl", "limit=6"])
    assert "12 chats in" in capsys.readouterr().out
    made = [json.loads(line) for line in (tmp_path / "sft.jsonl").read_text().splitlines()]
    assert all(chat["messages"][-1]["role"] == "assistant" for chat in made)
    source.write_text(json.dumps({**ROWS[0], "prompt": [{"role": "user", "content": "Hi"}]}) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([f"source={source}", f"out={tmp_path}/sft.jsonl"])
    assert ended.value.code == 2
