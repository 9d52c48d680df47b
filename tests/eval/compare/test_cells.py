"""Reasoning cells beside each other and beside papers': paired, settings looked at, published averages recomputed."""

import json
from itertools import pairwise

import numpy as np
import pytest

from eval.compare.__main__ import main
from eval.compare.cells import beside, cell_difference, crossings, pass_curve
from eval.compare.published import SETTINGS, model_names, published_model
from eval.reasoning.suites import SUITES
from eval.reasoning.task import load_task

SETTING = {"engine": "vllm", "dtype": "bfloat16", "temperature": 1.0, "top_p": 0.7, "top_k": 0, "max_tokens": 28672}
SETTING |= {"samples": 1, "mode": "guru", "judge": "", "template": "chat", "limit": None}


def cell(score=0.7725, **settings):
    return {"title": "MATH500", "score": score, "error_questions": 0.02, "settings": {**SETTING, **settings}}


def questions(scores, digest="d"):
    return {f"q{n}": {"cluster": f"q{n}", "digest": digest, "scores": list(one)} for n, one in enumerate(scores)}


def write_run(folder, name, tasks, **settings):
    cells = {
        task: cell(float(np.mean(scores)), **settings) | {"questions": len(scores)} for task, scores in tasks.items()
    }
    record = {"name": name, "eval_metrics": {}, "reasoning": {"cells": cells, "averages": {}, "skipped": {}}}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record))
    (folder / name / "questions").mkdir(parents=True)
    for task, scores in tasks.items():
        asked = [{"id": key, **one} for key, one in questions(scores).items()]
        (folder / name / "questions" / f"{task}.json").write_text(json.dumps(asked))
    return str(path)


# 14.2 and 14.3 of the specification: recomputed averages, and domain means of Guru-7B and Guru-32B
AVERAGES = {
    "guru7b": 43.2941,
    "general_reasoner7b": 33.7612,
    "orz7b": 35.4253,
    "simplerl7b": 33.9729,
    "guru32b": 54.2406,
    "orz32b": 47.5318,
    "simplerl32b": 46.2453,
}
DOMAINS = {
    ("aime24", "math500"): (47.375, 60.445),
    ("livecodebench", "humaneval", "mbpp"): (56.370, 66.317),
    ("gpqa_diamond", "supergpqa"): (36.290, 47.115),
    ("arcagi1", "zebra"): (21.355, 26.420),
    ("codeio", "cruxeval_i", "cruxeval_o"): (49.543, 60.670),
    ("finqa", "hitab", "multihiertt"): (51.280, 61.140),
    ("ifeval", "livebench"): (27.190, 44.875),
}
PRINTED_OTHERWISE = {
    ("gemma2_2b_rlpr", "all"),
    ("llama3.1_8b_instruct", "general"),
    ("llama3.1_8b_instruct", "all"),
}
"""Averages that the papers print and their own cells do not make."""


@pytest.mark.parametrize("name", AVERAGES)
def test_gurus_averages_come_out_of_its_cells(name):
    scores = [100 * one.score for one in published_model(name).cells.values()]
    assert len(scores) == 17 and np.mean(scores) == pytest.approx(AVERAGES[name], abs=5e-4)


@pytest.mark.parametrize("tasks", DOMAINS)
def test_gurus_domain_means_come_out_of_its_cells(tasks):
    for name, expected in zip(("guru7b", "guru32b"), DOMAINS[tasks], strict=True):
        cells = published_model(name).cells
        assert np.mean([100 * cells[f"guru_{task}"].score for task in tasks]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", model_names())
def test_printed_averages_come_out_of_the_printed_cells(name):
    model = published_model(name)
    for label, printed in model.averages.items():
        mean = np.mean([model.cells[task].score for task in model.average_of[label]])
        rounding = 0.0055 if label == "average" else 0.0501  # two decimals, one decimal
        fits = abs(100 * mean - 100 * printed) <= rounding
        assert fits != ((name, label) in PRINTED_OTHERWISE), (label, mean, printed)


def test_published_cells_carry_source_and_the_settings_of_our_tasks():
    for name in model_names():
        for task, published in published_model(name).cells.items():
            ours = load_task(task)
            assert published.source.startswith("arXiv:") and set(SETTINGS) <= set(published.settings)
            assert ours.samples == published.settings["samples"]
            decoding = ours.decoding.model_dump()
            changed = {"temperature", "top_p"} if name.startswith(("gemma", "llama")) else set()
            assert {key: published.settings[key] for key in decoding if key not in changed} == {
                key: value for key, value in decoding.items() if key not in changed
            }
            assert task == f"{task.split('_', 1)[0]}_{ours.published}" and 0 <= published.score <= 1


def test_all_tasks_have_published_cells():
    known = {task for name in model_names() for task in published_model(name).cells}
    assert known == {task for tasks in SUITES.values() for task in tasks}


def test_a_cell_beside_a_published_one():
    published = published_model("guru7b").cells["guru_math500"]
    found = beside(cell(0.80), published)
    assert (found.ours, found.theirs, found.differs) == (0.80, 0.7725, [])
    # 1.96 * sqrt(2) * 0.02
    assert found.interval_95 == pytest.approx([0.0275 - 0.055437, 0.0275 + 0.055437], abs=1e-5)
    other = beside(cell(0.80, temperature=0.6, mode="strict", limit=50) | {"questions": 50}, published)
    assert other.differs == ["temperature: 1.0, 0.6", "mode: guru, strict", "only 50 questions"]


def test_two_runs_differ_question_by_question():
    one, two = questions([[0.0], [1.0], [0.0], [1.0]] * 10), questions([[0.0], [1.0], [0.5], [1.0]] * 10)
    found = cell_difference(cell(0.5), cell(0.625), (one, two))
    assert found.paired.value == 0.125 and found.verdict == "better"
    assert cell_difference(cell(0.5), cell(0.5), (one, one)).verdict == "not distinguishable"
    assert cell_difference(cell(0.625), cell(0.5), (two, one)).verdict == "worse"


@pytest.mark.parametrize("change", [{"dtype": "float32"}, {"top_p": 1.0}, {"template": "plain"}, {"judge": "gpt-4.1"}])
def test_cells_made_otherwise_are_not_comparable(change):
    asked = questions([[0.0], [1.0]])
    found = cell_difference(cell(), cell(**change), (asked, asked))
    (name,) = change
    assert found.verdict.startswith(f"not comparable ({name}: ")


def test_questions_asked_otherwise_are_not_compared():
    one, two = questions([[0.0], [1.0]]), questions([[1.0], [1.0]])
    two["q1"]["digest"] = "reworded"
    found = cell_difference(cell(), cell(), (one, two))
    assert found.paired.questions == 1 and "other prompts for 1 of 2 questions" in found.verdict


def test_pass_at_k_curves_cross_where_brute_force_says():
    sharp, broad = questions([[1, 1, 1, 1], [0, 0, 0, 0]]), questions([[1, 0, 0, 0], [0, 0, 1, 0]])
    curves = pass_curve(sharp), pass_curve(broad)
    assert curves == ([0.5] * 4, pytest.approx([0.25, 0.5, 0.75, 1.0]))
    assert (
        crossings(*curves) == [3] and crossings(curves[1], curves[0]) == [3] and crossings(curves[0], curves[0]) == []
    )


def test_pass_curves_rise():
    scores = np.random.default_rng(0).random((20, 8)) < 0.3
    assert all(low <= high for low, high in pairwise(pass_curve(questions(scores * 1.0))))


def test_the_command_shows_runs_and_papers(tmp_path, capsys):
    base = np.random.default_rng(0).random((200, 1)) < 0.5
    better = base | (np.arange(200)[:, None] < 60)
    one = write_run(tmp_path, "one", {"guru_math500": base * 1.0, "guru_mbpp": base * 1.0})
    two = write_run(tmp_path, "two", {"guru_math500": better * 1.0})
    main([one, two, "--published", "guru7b"])
    shown = capsys.readouterr().out
    assert "better" in shown and "Guru-7B: arXiv:2506.14965, Table 3" in shown and "as published" in shown
    assert "not run" in shown and "2 of 17 tasks were run" in shown and "43.29" in shown
    with pytest.raises(SystemExit):
        main([one, "--published", "guru8b"])
    assert "did you mean guru7b" in capsys.readouterr().err
