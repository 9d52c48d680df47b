"""Verifiers that run programs: golds score 1, empties and neighbours 0, and any text is survived."""

import json
import random

import pytest

from eval.verifiers.registry import score

FENCE = "Here it is.\n```{1}\n{0}\n```\n"
CHECK = "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(5) == 6\n\ncheck(add_one)\n"
FUNCTIONAL = {"verifier": "code", "ground_truth": {"functional": CHECK}, "info": {"entry_point": "add_one"}}


def rows(shared_data, name):
    return [json.loads(line) for line in (shared_data / name).read_text(encoding="utf-8").split("\n") if line]


def fenced(program, language="python"):
    return FENCE.format(program, language)


def row(verifier, gold, **info):
    return {"verifier": verifier, "ground_truth": json.dumps(gold), "info": info}


def human_eval(shared_data):
    for one in rows(shared_data, "reasoning/human_eval.jsonl"):
        gold = {"functional": one["test"] + f"\n\ncheck({one['entry_point']})"}
        yield row("code", gold, entry_point=one["entry_point"]), fenced(one["prompt"] + one["canonical_solution"])


def mbpp(shared_data):
    for one in rows(shared_data, "verifiable/mbpp.jsonl"):
        gold = {"functional": one["test_list"] + one["challenge_test_list"]}
        yield row("code", gold, test_setup_code=one["test_setup_code"]), fenced(one["code"])


def leetcode(shared_data):
    for one in rows(shared_data, "verifiable/leetcode.jsonl"):
        gold = {"functional": one["test"] + f"\n\ncheck({one['entry_point']})"}
        yield row("code", gold, prefix=one["prompt"], entry_point=one["entry_point"]), fenced(one["completion"])


def cruxeval(predict):
    def made(shared_data):
        for one in rows(shared_data, "reasoning/cruxeval.jsonl"):
            gold = {"predict": predict, **{name: one[name] for name in ("code", "input", "output")}}
            yield row("cruxeval", gold), fenced(f"assert f({one['input']}) == {one['output']}")

    return made


def codeio(predict, given):
    def made(shared_data):
        for one in rows(shared_data, "verifiable/codeio.jsonl"):
            pair = one["ios"][0]
            gold = {"predict": predict, "value": pair[predict], "given": pair[given]}
            yield row("codeio", gold, refcode=one["refcode"]), fenced(json.dumps({predict: pair[predict]}), "json")

    return made


SETS = {
    "human_eval": (human_eval, 64),
    "mbpp": (mbpp, 60),
    "leetcode": (leetcode, 12),
    "cruxeval-i": (cruxeval("input"), 200),
    "cruxeval-o": (cruxeval("output"), 200),
    "codeio-i": (codeio("input", "output"), 60),
    "codeio-o": (codeio("output", "input"), 100),
}


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SETS)
def test_golds_are_right_and_nothing_and_the_neighbours_gold_are_not(name, whole, shared_data):
    make, few = SETS[name]
    pairs = list(make(shared_data))
    pairs = pairs if whole else pairs[:few]
    assert {score(one, gold).status for one, gold in pairs} == {"correct"}
    assert {score(one, "").score for one, _ in pairs} == {0.0}
    nearby = [
        (one["ground_truth"], other["ground_truth"])
        for (one, gold), (other, _) in zip(pairs, pairs[1:] + pairs[:1], strict=True)
        if score(other, gold).score != 0.0
    ]
    # One pair each: an input that also fits the next function, and two rows whose output is true.
    assert len(nearby) <= {"cruxeval-i": 1, "codeio-o": 1}.get(name, 0), nearby


def test_published_samples_with_a_pass_rate_of_one_pass(shared_data):
    one = rows(shared_data, "verifiable/acecode_sample.jsonl")[0]
    good = [sample["completion"] for sample in one["inferences"] if sample["pass_rate"] == 1.0]
    task = row("code", one["test_cases"])
    assert {score(task, fenced(program)).status for program in good[:12]} == {"correct"}
    assert score(task, fenced("def parse_tokens(tokens): return tokens[:2]")).detail["pass_fraction"] < 1


def test_examples_of_standard_input_and_output_run(shared_data):
    for one in rows(shared_data, "verifiable/code_stdio_examples.jsonl"):
        task = row("code", one["unit_tests"])
        # No solutions come with them: a table of the right answers is one, any one output is none.
        table = dict(zip(one["unit_tests"]["inputs"], one["unit_tests"]["outputs"], strict=True))
        assert score(task, fenced(f"import sys\nprint({table!r}[sys.stdin.read()])")).status == "correct"
        assert score(task, fenced("print(0)")).status == "wrong"


@pytest.mark.parametrize("verifier", ["code", "codeio", "cruxeval"])
@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_any_text_gets_a_verdict_and_only_the_answer_is_right(verifier, count, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = {"output": {"a": [1, 2.5, "x"]}}
    gold = {"predict": "output", "code": "def f(x): return x + 1", "input": "2", "output": "3"}
    tasks = {
        "code": (FUNCTIONAL, fenced("def add_one(x):\n    return x + 1")),
        "codeio": (row("codeio", {"predict": "output", "value": value["output"]}), fenced(json.dumps(value), "json")),
        "cruxeval": (row("cruxeval", gold), fenced("assert f(2) == 3")),
    }
    task, right = tasks[verifier]
    draw = random.Random(7)
    pieces = ["```", "\n", "\x00", "\u202e", "\u200b", "\\boxed{", "}", "{", "((((", "assert f(", "<think>", "</think>"]
    pieces += ["\ud800", "[1, 2]", "import os; os.system('touch side_effect')", "def add_one(x): ", "lambda: 0", "'"]
    for _ in range(count):
        text = list(right)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(text) + 1)
            if draw.random() < 0.5:
                text.insert(place, draw.choice(pieces))
            else:
                del text[place : place + draw.randint(1, 5)]
        for mode in ("strict", "guru"):
            found = score(task, "".join(text), mode)
            assert found.status != "infra_error", (text, found)
    assert list(tmp_path.iterdir()) == []
    assert score(task, right).status == "correct"


@pytest.mark.parametrize("verifier", ["code", "codeio", "cruxeval"])
def test_a_megabyte_of_nonsense_is_quick(verifier):
    import os

    task = FUNCTIONAL if verifier == "code" else row("codeio", {"predict": "output", "value": 3})
    if verifier == "cruxeval":
        task = row("cruxeval", {"predict": "input", "code": "def f(x): return x", "input": "2", "output": "2"})
    for unit in ("(", "{", "```\n", "-", "assert f(", '"', "f.", "a=", "[[", "\\boxed{"):
        for text in (unit * (1_000_000 // len(unit)), "```python\n" + unit * (40_000 // len(unit)) + "\n```"):
            before = sum(os.times()[:2])
            assert score(task, text).score == 0.0
            assert sum(os.times()[:2]) - before < 1, unit


def test_infrastructure_that_fails_gives_no_score(monkeypatch):
    refused = {"sandbox": {"backend": "local", "require": "isolated"}}
    found = score(FUNCTIONAL, fenced("def add_one(x): return x + 1"), options=refused)
    assert found.status == "infra_error" and found.score is None and found.mask


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def add_one(x):\n    while True: pass", "time_limit"),
        ("def add_one(x): return bytearray(1 << 40)", "memory_limit"),
        ("def add_one(x): return x", "tests_failed"),
        ("def add_two(x): return x", "entry_missing"),
        ("def add_one(x) return x", "syntax"),
        ("import socket\ndef add_one(x):\n    socket.create_connection(('127.0.0.1', 1))", "network"),
        ("import os\nos._exit(0)\ndef add_one(x): return x + 1", "no_tests_run"),
    ],
)
def test_every_failure_has_its_reason(program, reason):
    found = score(FUNCTIONAL, fenced(program), options={"sandbox": {"cpu_s": 0.5, "wall_s": 2.0}})
    if reason == "memory_limit" and found.reason == "tests_failed":  # MemoryError is what a function raises
        assert "MemoryError" in found.detail["message"]
        return
    assert (found.status, found.reason) == ("wrong", reason), found


@pytest.mark.parametrize(
    ("gold", "answer", "status"),
    [
        ({"predict": "input", "value": {"x": 2}, "given": 4}, '{"input": {"x": -2}}', "correct"),
        ({"predict": "input", "value": {"x": 2}, "given": 4}, '{"input": {"x": 3}}', "wrong"),
        ({"predict": "input", "value": {"x": 2}, "given": 5}, '{"input": {"x": -2}}', "wrong"),
        ({"predict": "input", "value": {"x": 2}, "given": 4}, '{"input": {"y": 2}}', "wrong"),
        ({"predict": "input", "value": {"x": 2}, "given": 4}, '{"input": [2]}', "wrong"),
        ({"predict": "output", "value": "true"}, '{"output": true}', "wrong"),
        ({"predict": "output", "value": {"a": 1}}, '{"output": "{\\"a\\": 1}"}', "correct"),
        ('"output": 3', '{"output": 3.0}', "correct"),
    ],
)
def test_an_input_is_tried_and_an_output_compared_by_value(gold, answer, status):
    task = {"verifier": "codeio", "ground_truth": gold, "info": {"refcode": "def main_solution(x): return x * x"}}
    assert score(task, answer).status == status


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("assert f(*[3]) == 4", "correct"),
        ("assert f(x=3) == 4, 'because'", "correct"),
        ("f(int('3')) == 4", "correct"),
        ("assert f(2) == 4", "wrong"),
        ("assert f(3) == 5", "wrong"),
        ("assert f((lambda: 3)()) == 4", "unparseable"),
        ("assert f(f(2)) == 4", "unparseable"),
        ("assert f((y := 3)) == 4", "unparseable"),
        ("assert f(type('E', (), {'__add__': lambda a, b: 4})()) == 4", "unparseable"),
        ("assert f(globals().update(f=len)) == 4", "wrong"),
    ],
)
def test_a_predicted_input_goes_to_the_rows_own_function_as_a_plain_value(answer, status):
    gold = {"predict": "input", "code": "def f(x): return x + 1", "input": "3.0", "output": "4"}
    assert score({"verifier": "cruxeval", "ground_truth": gold}, fenced(answer)).status == status
