"""Any text gets a verdict: no exception, no trace on the machine, bounded time, and nothing wrong is called right."""

import json
import os
import random
import socket
import string

import pytest

from eval.judges.panel import Panel, PanelConfig, Verdict
from eval.verifiers.registry import score

ZEBRA = {"header": ["Position", "Pet", "Job"], "rows": [["1", "cat", "cook"], ["2", "dog", "smith"]]}
SPIRAL = {"question": "", "answer": "1 2 3 6 9 8 7 4 5", "metadata": {"source_dataset": "spiral_matrix"}}
GOLDS = {
    "grid": ([[1, 2, 0], [3, 4, 5]], "<answer>[[1, 2, 0], [3, 4, 5]]</answer>", {}),
    "zebra": (ZEBRA, f"<answer>{json.dumps(ZEBRA)}</answer>", {}),
    "ordering": (["pigeon", "sparrow", "quail"], "<answer>['pigeon', 'sparrow', 'quail']</answer>", {}),
    "graph": ("fdebme", "<answer>fdebme</answer>", {}),
    "math": ("\\frac{3}{7}", "\\boxed{3/7}", {}),
    "choice": ("E", "\\boxed{E}", {"options": ["iron", "tin", "zinc", "lead", "gold"]}),
    "table": ("12.5|canada", "\\boxed{12.5|Canada}", {}),
    "ifeval": (
        [{"num_bullets": 2}, {"end_phrase": "quite so"}],
        "* one\n* two\nquite so",
        {"instruction_id_list": ["detectable_format:number_bullet_lists", "startend:end_checker"], "prompt": "p"},
    ),
    "ifbench": (
        {"instruction_id": ["count:conjunctions", "format:no_whitespace"], "kwargs": [{"small_n": 0}, {}]},
        "oneword",
        {"prompt": "p"},
    ),
    "livebench": ("anna, bob, carl", "**Anna, Bob, Carl**", {"task": "house_traversal"}),
    "reasoning_gym": (SPIRAL, "<answer>1 2 3 6 9 8 7 4 5</answer>", {}),
}
"""Reference, right completion and info of each verifier."""

PROGRAM = "def f(x):\n    return x + 1"
PROGRAMS = {
    "codeio": ({"predict": "output", "value": 3, "given": {"x": 2}}, '```json\n{"output": 3}\n```', {}),
    "cruxeval": (
        {"predict": "output", "code": PROGRAM, "functional": PROGRAM, "input": "2", "output": "3"},
        "```python\nassert f(2) == 3\n```",
        {},
    ),
    "code": ({"functional": "assert f(1) == 2\nassert f(5) == 6"}, f"```python\n{PROGRAM}\n```", {"entry_point": "f"}),
    "judge": ("8,645 dollars", "\\boxed{8,645 dollars}", {"question": "How much?"}),
}
"""Likewise, for verifiers that may start a program or ask a judge: fewer texts in the suite, all in the long form."""

TEXTS = [
    "__import__('os').system('touch trace')",
    "open('trace', 'w')",
    "<answer>" * 50,
    "</answer>" * 50 + "<answer>",
    "\\boxed{" * 40 + "1" + "}" * 40,
    "{" * 300,
    "[[" * 300 + "]]" * 300,
    "\u202e\u200b\u2066",
    "\x00\ud800",
    "9**9**9",
    "<think>",
    "</think>",
    "```json\n",
    "1e999999999",
    "\u0661\u0662",
    "|" * 99,
    "**" * 99,
]


def mutated(rng, text):
    text = list(text)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(4)
        if kind == 0 and text:
            del text[at % len(text)]
        elif kind == 1:
            text.insert(at, rng.choice(string.printable + "\u200b\u202e\x00"))
        elif kind == 2:
            text[at:at] = rng.choice(TEXTS)
        else:
            text = text[:at]
    return "".join(text)


def completions(rng, name, count):
    right = ALL[name][1]
    for number in range(count):
        kind = number % 4
        if kind == 0:
            yield bytes(rng.randrange(256) for _ in range(rng.randint(0, 300))).decode("latin-1")
        elif kind == 1:
            yield "".join(rng.choice([*TEXTS, right[: rng.randint(0, len(right))], " ", "\n"]) for _ in range(8))
        elif kind == 2:
            yield rng.choice([other for own, (_, other, _) in ALL.items() if own != name and other != right])
        else:
            yield mutated(rng, right)


class Disagrees(Panel):
    """A judge that is never asked over a network and never agrees."""

    def decide(self, exchange):
        return Verdict(False, "No", "")


ALL = GOLDS | PROGRAMS
OPTIONS = {"judge": Disagrees(PanelConfig(urls=["http://127.0.0.1:9/v1"]))}


def judged(name, text, mode="strict"):
    return score(row(name), text, mode, options=OPTIONS)


def row(name):
    gold, _, info = ALL[name]
    return {"verifier": name, "ground_truth": gold, "info": info}


def ready(name):
    found = judged(name, ALL[name][1])
    if found.reason == "missing_resource":
        pytest.skip(found.detail["message"])
    assert found.status == "correct", found


@pytest.fixture(autouse=True)
def _no_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def refuse(*_):
        raise AssertionError("a verifier opened a socket")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["strict", "guru"])
@pytest.mark.parametrize("name", GOLDS)
def test_a_thousand_texts_get_a_verdict(name, mode, capfd):
    ready(name)
    rng = random.Random(f"{name} {mode}")
    capfd.readouterr()
    began = os.times()
    for number, text in enumerate(completions(rng, name, 1000 if mode == "strict" else 250)):
        found = score(row(name), text, mode)
        assert found.status not in ("infra_error", "skipped"), (text, found)
        if number % 4 in (0, 2) and name not in ("ifeval", "ifbench"):
            assert found.status != "correct", (text, found)
        if number % 97 == 0:
            again = score(row(name), text, mode)
            assert again.with_(seconds=0) == found.with_(seconds=0)
    ended = os.times()
    assert ended.user + ended.system - began.user - began.system < 20
    assert capfd.readouterr() == ("", "")


def verdicts(name, mode, count):
    for number, text in enumerate(completions(random.Random(f"{name} {mode}"), name, count)):
        found = judged(name, text, mode)
        assert found.status not in ("infra_error", "skipped"), (text, found)
        if mode == "strict" and number % 4 in (0, 2):
            assert found.status != "correct", (text, found)


@pytest.mark.parametrize("mode", ["strict", "guru"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_texts_for_a_program_or_a_judge_get_a_verdict(name, mode, capfd):
    ready(name)
    capfd.readouterr()
    verdicts(name, mode, 40)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["strict", "guru"])
@pytest.mark.parametrize("name", ALL)
def test_a_thousand_texts_in_both_modes(name, mode):
    ready(name)
    if name not in ("ifeval", "ifbench"):
        verdicts(name, mode, 1000)


@pytest.mark.parametrize("name", GOLDS)
def test_thinking_and_blank_lines_around_a_right_answer_change_nothing_and_a_later_answer_counts(name):
    ready(name)
    right = GOLDS[name][1]
    thinking = "<think>\\boxed{7} <answer>[[9]]</answer> **no, no** hmm</think>"
    for text in (thinking + right, thinking + "\n\n" + right, f"{thinking}{right}<|im_end|>junk", f"{right}</s>"):
        assert score(row(name), text).status == "correct", text
    if name not in ("ifeval", "ifbench"):
        other = "\n\\boxed{0.5|peru}\n<answer>[[9, 9, 9], [9, 9, 9]]</answer>\n**Carl, Bob, Anna**"
        assert score(row(name), right + other).score < 1
    assert score(row(name), f"<think>{right}").status == "truncated"
    assert score({**row(name), "think_open": True}, right).status == "truncated"


@pytest.mark.parametrize("mode", ["strict", "guru"])
@pytest.mark.parametrize("name", ALL)
def test_a_megabyte_of_anything_costs_less_than_a_second(name, mode):
    ready(name)
    mega = 1_000_000
    right = ALL[name][1]
    pieces = (
        "[",
        "]",
        "[[",
        "<answer>",
        "{",
        "\\boxed{",
        "*",
        '"',
        "\\",
        "1",
        "1,",
        " ",
        "a ",
        "**a",
        "|",
        "\n",
        "({[",
        "<<",
    )
    texts = [piece * (mega // len(piece)) for piece in pieces]
    texts += [f"<answer>{piece * (mega // len(piece))}</answer>" for piece in ("[", "[1],", "{", "1 ", "a, ", "'", "9")]
    texts += [right * (mega // len(right)), "\\boxed{" + "9" * mega + "}", "\\boxed{" + "{" * mega + "}" * mega + "}"]
    for text in texts:
        began = os.times()
        found = judged(name, text, mode)
        ended = os.times()
        assert ended.user + ended.system - began.user - began.system < 1, (text[:30], found)
        # Programs of a megabyte may wait for a processor on a busy machine, which is said and is no verdict.
        assert found.status != "infra_error" or found.reason == "overloaded", (text[:30], found)
