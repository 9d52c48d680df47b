"""The report shows what the folders hold, is one file, and runs nothing that a page's text may carry."""

import html
import json
import re
from html.parser import HTMLParser

import pytest

from common.config import RunConfig
from common.runs.folder import Run
from eval.report.__main__ import main
from eval.report.recycled import pick_pairs
from eval.report.stages import find_stages, sample_pairs


class Small(RunConfig):
    """A config for these tests."""

    seed: int = 3


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.attributes = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]


def test_a_point_of_a_reward_opens_its_samples_in_the_reader(runs, tmp_path):
    main([str(runs / "rl"), f"out={tmp_path / 'report.html'}"])
    page = html.unescape((tmp_path / "report.html").read_text())
    opened = set(re.findall(r'href="(http[^"]+)"', page))
    base = "http://127.0.0.1:8601/run/rl/step?step"
    assert opened == {f"{base}=1&split=train", f"{base}=0&split=eval", f"{base}=4&split=eval"}
    assert "bash scripts/view.sh RUN" in page


def test_one_page_shows_every_stage(runs, tmp_path, capsys):
    out, summary = tmp_path / "report.html", tmp_path / "summary.json"
    main([str(runs), f"out={out}", f"summary={summary}"])
    told = capsys.readouterr().out.strip().split("\n")
    assert told[-1] == str(out)
    assert any(line.split()[:3] == ["recycled", "9", "8"] for line in told)
    text = out.read_text()
    for shown in (
        "recycled",
        "the answer does not say where the rephrasing begins",
        "models/mixed",
        "copa",
        "<del>",
        "Total reward",
        "organic, kept",
        "score below the threshold",
        "55.6 %",
        "Share of the device&#x27;s peak speed (MFU)",
    ):
        assert shown in text
    for key in ("missing_sentinel", "eval_reward", "below_threshold", "bits_per_byte", "frac_reward_zero_std", "tok_s"):
        assert key not in text.partition("How it was made</h2>")[0]  # names, not keys
    figures = json.loads(summary.read_text())
    assert figures["recycled"]["docs_out"] == 8
    assert figures["recycled"]["drops"] == {"missing_sentinel": 1}
    assert (figures["rl"]["reward_first"], figures["rl"]["reward_last"]) == (3.0, 5.0)
    assert figures["models/mixed"]["loss_last"] == 5.25
    assert figures["eval"]["copa"] == 0.55
    assert figures["scores/mixed"]["bpb/bits_per_byte"] == pytest.approx(1.6086, abs=1e-4)  # 3,345 nats in 3,000 bytes


def test_the_three_questions_are_answered_first_on_the_page_and_in_the_terminal(runs, tmp_path, capsys):
    main([str(runs), f"out={tmp_path / 'report.html'}"])
    told, page = capsys.readouterr().out, (tmp_path / "report.html").read_text()
    first = page.partition("From pool to model</h2>")[0]
    for question, answer, learnt in (
        ("Is the text of recycled faithful?", "No: it keeps 92.3 % of the words",
         "The text of recycled is not faithful: it keeps 92.3 % of the words of its prose and 0.0 % of its numbers."),
        ("Did training rl help?", "Yes: on 5 held-out rows the total reward went from 1.02 to 2.02",
         "Training rl helped: held out, the total reward went from 1.02 to 2.02 (error 0.00)."),
        ("Is the difference between mixed and organic more than noise?", "Yes: mixed needs 0.043 bits per byte less",
         "mixed is better than organic by more than noise: -0.043 bits per byte (95 % over documents: "
         "-0.043 to -0.043)."),
    ):  # fmt: skip
        assert question in first and answer in first
        assert f"  {learnt}" in told.split("\n")


def test_a_crashed_run_shows_what_there_is_and_says_what_is_missing(crashed, tmp_path, capsys):
    out, summary = tmp_path / "report.html", tmp_path / "summary.json"
    main([str(crashed), f"out={out}", f"summary={summary}"])
    page, told = out.read_text(), capsys.readouterr().out
    for shown in (
        "Training with rewards has not finished: its last logged step is 4 of 40. "
        "It said: RuntimeError: the reward server \\x1b[31mwent away",
        "Recycled text has not finished: 1 of 2 shards are done, 1 more are begun.",
        "Pretraining has not finished: its last logged step is 1 of 50. It said: OSError: no space left",
        "Damaged and left out: dataset.json.",
    ):
        assert html.escape(shown) in page
        assert shown in told
    assert "Total reward" in page and "so far: on 5 held-out rows" in page and "Training loss" in page
    assert "40" in json.loads(summary.read_text())["rl"]["missing"]


def test_the_page_is_self_contained_and_escapes_page_text(runs, tmp_path):
    out = tmp_path / "report.html"
    main([str(runs), f"out={out}"])
    tags = Tags()
    tags.feed(out.read_text())
    assert "script" not in tags.tags
    assert not {"src", "onload", "onclick"} & set(tags.attributes)
    assert "&lt;script&gt;alert(" in out.read_text()


def test_the_same_pairs_are_drawn_every_time(runs):
    (stage,) = (stage for stage in find_stages([str(runs)]) if stage.name == "recycled")
    first = [document["id"] for document in sample_pairs(stage, 4, 2500)]
    assert len(first) == 4
    assert first == [document["id"] for document in sample_pairs(stage, 4, 2500)]
    assert sample_pairs(stage, 4, 100) == []  # all are longer


def test_the_median_page_two_of_the_worst_tenth_and_the_best_are_shown_first(runs):
    (stage,) = (stage for stage in find_stages([str(runs)]) if stage.name == "recycled")
    said = ["river", "rises", "among", "green", "hills", "falls", "every", "summer", "evening", "northwards"] * 4
    prose = " ".join(said)
    stage.recycled = [
        {"id": str(lost), "organic_text": f"Menu\n{prose}", "text": " ".join(said[: 40 - lost])} for lost in range(10)
    ]
    stage.recycled.append({"id": "copy", "organic_text": prose, "text": prose})
    pairs = pick_pairs(stage, 8, 2500)
    assert [(pair.why.partition(" of ")[0], pair.document["id"]) for pair in pairs[:3]] == [
        ("the median page", "5"),
        ("the worst page", "9"),  # of ten pages the worst tenth is this one
        ("the best page", "0"),
    ]
    assert len({pair.document["id"] for pair in pairs}) == 8
    assert [pair.document["id"] for pair in pick_pairs(stage, 1, 2500)] == ["5"]


def test_a_report_without_data_is_small_and_one_with_several_runs_overlays_them(runs, tmp_path):
    main([str(runs / "eval.json"), f"out={tmp_path / 'small.html'}"])
    assert (tmp_path / "small.html").stat().st_size < 500_000
    main([str(runs / "models" / name) for name in ("organic", "mixed")] + [f"out={tmp_path / 'two.html'}"])
    page = (tmp_path / "two.html").read_text()
    figure = page.partition("<figcaption>Training loss</figcaption>")[2].partition("</figure>")[0]
    assert figure.count("<polyline") == 2
    assert ">organic</span>" in figure and ">mixed</span>" in figure


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_missing_or_empty_folder_is_one_line_and_exit_code_2(tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / name)])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: no run")


class Supervised(RunConfig):
    """As `rl.sft` has it."""

    gradient_accumulation_steps: int = 2
    seed: int = 3


def test_supervised_runs_have_a_section_of_their_own_and_a_run_without_a_step_is_told(tmp_path, capsys):
    with Run(tmp_path / "runs" / "sft", Supervised()) as run:
        for step in (1, 2):
            run.log({"loss": 3.0 - step, "learning_rate": 1e-4}, step=step)
    Run(tmp_path / "runs" / "begun", Supervised()).close()
    out = tmp_path / "report.html"
    main([str(tmp_path / "runs"), f"out={out}"])
    text = out.read_text()
    assert "Supervised fine-tuning</h2>" in text and "Pretraining</h2>" not in text
    assert "no step was trained" in capsys.readouterr().out


def test_a_whole_core_score_stands_beside_published_ones(tmp_path):
    record = {"eval_metrics": {"icl": {"copa": 0.55}}, "Core_v2": 0.1}
    (tmp_path / "mine.json").write_text(json.dumps(record), encoding="utf-8")
    main([str(tmp_path / "mine.json"), f"out={tmp_path / 'report.html'}"])
    page = (tmp_path / "report.html").read_text("utf-8")
    assert '<th scope="row">411m_c4</th><td class="number" data-name="first baselines">0.131</td>' in page
    (tmp_path / "mine.json").write_text(json.dumps({**record, "Core_v2": "N/A due to missing tasks"}), encoding="utf-8")
    main([str(tmp_path / "mine.json"), f"out={tmp_path / 'report.html'}"])
    assert "411m_c4" not in (tmp_path / "report.html").read_text("utf-8")


def test_reasoning_tasks_stand_with_their_errors_beside_comparable_papers(tmp_path):
    setting = {"samples": 1, "temperature": 1.0, "top_p": 0.7, "top_k": 0, "max_tokens": 28672, "mode": "guru"}
    cell = {"title": "MATH500", "score": 0.8, "interval_95": [0.76, 0.84], "error_questions": 0.02}
    cell |= {"error_repeats": None, "truncated": 0.1, "unjudged": {"count": 3}, "questions": 500}
    cells = {
        "guru_math500": {**cell, "settings": {**setting, "judge": "", "limit": None}},
        "guru_mbpp": {**cell, "title": "MBPP", "settings": {**setting, "judge": "", "limit": None, "mode": "strict"}},
    }
    averages = {"guru17": {"score": 0.8, "missing": ["guru_zebra"]}, "mine": {"score": 0.7, "missing": []}}
    record = {"name": "mine", "eval_metrics": {}, "reasoning": {"cells": cells, "averages": averages}}
    (tmp_path / "mine.json").write_text(json.dumps(record), encoding="utf-8")
    main([str(tmp_path / "mine.json"), f"out={tmp_path / 'report.html'}"])
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "76.00 to 84.00" in page and "MATH500 (guru_math500)" in page and "average mine" in page
    assert page.count("Guru-7B 77.25") == page.count("Guru-7B") == 2  # in table and CSV; MBPP has other rules
    assert "average guru17" not in page  # a part of a suite is no average
