"""Verdicts are remembered by what was asked: read again from the file, line by line, also after a crash."""

import json

import pytest

from eval.judges import replies
from eval.judges.panel import Panel, PanelConfig
from eval.judges.replies import VerdictMemory, reply_text
from eval.judges.upgrades import UpgradeConfig, UpgradeJudge


def test_a_verdict_is_there_for_the_next_process(tmp_path):
    path = str(tmp_path / "verdicts.jsonl")
    first = VerdictMemory(path, "equal")
    assert first.get("a") is None
    first.add("a", True, "Yes.\nSure.")
    first.add("b", False, "")
    second = VerdictMemory(path, "equal")
    assert second.get("a") == (True, "Yes.\nSure.")
    assert second.get("b") == (False, "")
    assert json.loads((tmp_path / "verdicts.jsonl").read_text().splitlines()[0]) == {
        "key": "a",
        "equal": True,
        "reply": "Yes.\nSure.",
    }


def test_a_line_that_says_nothing_is_counted_and_passed_over(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    path.write_text('{"key": "a", "right": true, "reply": "Y"}\n{"key": "b", "ri\n[]\n{"key": "c", "reply": "N"}\n')
    memory = VerdictMemory(str(path), "right")
    assert memory.get("a") == (True, "Y")
    assert memory.unreadable == 3
    assert memory.get("b") is None is memory.get("c")


def test_the_verdict_used_longest_ago_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(replies, "KEPT", 2)
    memory = VerdictMemory("", "equal")
    memory.add("a", True, "")
    memory.add("b", True, "")
    memory.get("a")
    memory.add("c", True, "")
    assert memory.get("a") and memory.get("c") and memory.get("b") is None


def test_both_judges_say_how_many_lines_they_could_not_read(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    path.write_text("{")
    url = "http://127.0.0.1:9"
    panel = Panel(PanelConfig(urls=[url], cache=str(path)))
    upgrade = UpgradeJudge(UpgradeConfig(model="m", url=url, cache=str(path)))
    assert panel.counts == upgrade.counts == {"unreadable_cache_line": 1}


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{"message": {"content": None}}]}, [], None])
def test_an_answer_of_another_form_is_no_text(answer):
    with pytest.raises((KeyError, IndexError, TypeError)):
        reply_text(answer)


def test_the_text_of_a_chat_completion_is_its_first_choice():
    assert reply_text({"choices": [{"message": {"content": "Yes"}}, {"message": {"content": "No"}}]}) == "Yes"
