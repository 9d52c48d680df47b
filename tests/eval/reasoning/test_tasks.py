"""Every task is sound, its prompt is pinned, and it asks what the training rows of the same data set ask."""

import json
import re
from pathlib import Path

import pytest

from eval.reasoning.examples import TaskFiles, absent, examples_of, locate
from eval.reasoning.suites import SUITES, averages, expand
from eval.reasoning.task import load_task, task_names
from eval.reasoning.templates import fill
from eval.verifiers.registry import score
from rl.data.raw.dataset import PrepareConfig
from rl.data.rows.answers import gold_completion
from rl.data.rows.conversations import R1_SYSTEM
from rl.data.rows.schema import new_row
from rl.data.sources.programs import ProgramsConfig
from rl.data.sources.registry import DATA_SETS

GOLDEN = [json.loads(line) for line in Path(__file__).with_name("prompts.jsonl").read_text("utf-8").splitlines()]
LOCAL = {
    "guru17": 9,
    "rlpr7": 4,
    "process6": 3,
}
"""Tasks of each suite whose rows lie in the shared data."""


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["task"])
def test_a_prompt_is_as_it_was(golden, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(golden["record"]), encoding="utf-8")
    example = examples_of(golden["task"], load_task(golden["task"]), TaskFiles([path]))[0]
    assert example.messages == golden["messages"]
    assert example.ground_truth == golden["ground_truth"]
    assert example.info == golden["info"]


def test_every_task_has_a_golden_prompt():
    assert sorted(golden["task"] for golden in GOLDEN) == task_names()


def test_every_task_is_in_a_suite():
    assert sorted(name for tasks in SUITES.values() for name in tasks) == task_names()
    assert [len(SUITES[name]) for name in ("guru17", "rlpr7", "process6")] == [17, 7, 6]


def test_the_published_settings_stand_in_the_tasks():
    guru = {name: load_task(name) for name in SUITES["guru17"]}
    assert {(task.decoding.temperature, task.decoding.top_p, task.decoding.top_k) for task in guru.values()} == {
        (1.0, 0.7, 0)
    }
    # section 13 of the specification: rows and samples
    samples = [32, 1, 4, 4, 1, 4, 1, 4, 4, 4, 1, 1, 1, 1, 4, 1, 1]
    assert [task.samples for task in guru.values()] == samples
    assert {name for name, task in guru.items() if task.decoding.max_tokens != 28672} == {"guru_arcagi1"}
    assert guru["guru_arcagi1"].decoding.max_tokens == 16384
    # K is read off the files' names
    assert [load_task(name).samples for name in SUITES["rlpr7"]] == [2, 4, 2, 2, 2, 4, 16]
    assert {load_task(name).decoding.max_tokens for name in SUITES["rlpr7"]} == {3072}
    assert [load_task(name).samples for name in SUITES["process6"]] == [16, 16, 4, 4, 4, 4]
    assert {load_task(name).decoding.max_tokens for name in SUITES["process6"]} == {32768}


def test_rlpr_asks_as_its_training_rows_do():
    assert {fill(load_task(name).system, {}).strip() for name in SUITES["rlpr7"]} == {R1_SYSTEM}


SAME = {
    "guru_aime24": "math__aime24",
    "guru_math500": "math__math_500",
    "guru_humaneval": "codegen__humaneval",
    "guru_mbpp": "codegen__mbpp",
    "guru_arcagi1": "logic__arcagi1",
    "guru_cruxeval_i": "simulation__cruxeval-i",
    "guru_cruxeval_o": "simulation__cruxeval-o",
    "guru_codeio": "simulation__codeio",
    "guru_supergpqa": "stem__supergpqa",
    "guru_ifeval": "ood__ifeval",
}
"""Tasks to the data sets whose builders make training rows of the same records."""


@pytest.mark.parametrize("name", SAME)
def test_evaluation_and_training_rows_ask_the_same(name):
    record = next(golden for golden in GOLDEN if golden["task"] == name)["record"]
    data_set = DATA_SETS[SAME[name]]
    made = load_task(name)
    values = record | {new: record[next(key for key in old if key in record)] for new, old in made.fields.items()}
    config = ProgramsConfig if name in ("guru_humaneval", "guru_mbpp") else data_set.config or PrepareConfig
    questions = data_set.build(record, config(out="unused.parquet"))
    prompts = [fill(made.prompt, values | drawn) for drawn in made.draw or [{}]]
    golds = [fill(made.gold, values | drawn) for drawn in made.draw or [{}]]
    assert questions[0].prompt in prompts
    gold = golds[prompts.index(questions[0].prompt)]
    if "functional" in gold:
        gold["functional"] = gold["functional"].strip()
    assert json.loads(json.dumps(gold)) == json.loads(json.dumps(questions[0].ground_truth))


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_has_local_rows_and_says_of_the_others_what_could_be_given(suite, shared_data):
    here = {}
    for name in SUITES[suite]:
        task = load_task(name)
        found = locate(name, task, [str(shared_data / "reasoning"), str(shared_data / "verifiable")])
        if found is None:
            line = absent(name, task, "not here")
            assert "\n" not in line and f"task_data.{name}=FILE" in line and task.source.local[0] in line
        else:
            here[name] = examples_of(name, task, found)
    assert len(here) == LOCAL[suite]
    assert all(here.values())


JUDGED_HERE = ("math", "choice", "grid", "codeio", "cruxeval", "table")


@pytest.mark.parametrize("name", [name for tasks in SUITES.values() for name in tasks])
def test_gold_answers_are_right_and_empty_ones_are_not(name, shared_data):
    task = load_task(name)
    found = locate(name, task, [str(shared_data / "reasoning"), str(shared_data / "verifiable")])
    if found is None or task.verifier not in JUDGED_HERE:
        pytest.skip("no rows here, or an answer takes a program")
    for example in examples_of(name, task, found, limit=12):
        row = new_row("math__math_500", example.messages, example.ground_truth, key=example.id)
        completion = gold_completion({**row, "verifier": example.verifier})
        verdict = score(example.row, completion)
        assert verdict.status == "correct" or verdict.status == "skipped", (example.id, verdict)
        assert score(example.row, "").score == 0


def test_suites_expand_in_order_and_once():
    assert expand(["rlpr7", "rlpr_aime24"]) == list(SUITES["rlpr7"])
    assert set(averages(["rlpr7"])) == {"rlpr7", "rlpr7 general"}


def test_the_code_holds_no_prompt():
    for path in (Path(__file__).parents[3] / "eval" / "reasoning").glob("*.py"):
        assert not re.search(r"Please output the final answer", path.read_text("utf-8")), path
