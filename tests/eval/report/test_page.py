"""The report shows what the folders hold, is one file, and runs nothing that a page's text may carry."""

import json
from html.parser import HTMLParser

import pytest

from common.config import RunConfig
from common.pools.documents import write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards
from common.runs.folder import Run, write_json
from eval.report.__main__ import main
from eval.report.recycled import pick_pairs
from eval.report.stages import find_stages, sample_pairs


class Small(RunConfig):
    """A config for these tests."""

    seed: int = 3


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    with Run(folder / "rl", Small(), seed=3) as run:
        for step, reward in enumerate((3.0, 4.5, float("nan"), 5.0)):
            run.log({"reward": reward, "rewards/quality/mean": reward / 4, "kl": 0.1}, step=step)
    documents = [
        {"id": str(n), "text": f"Menu | Home <script>alert({n})</script> " + "The page goes on. " * 20}
        for n in range(9)
    ]
    write_documents(str(folder / "pool" / "a.jsonl.zst"), documents)

    def rephrase(documents):
        for document in documents:
            if document["id"] == "3":
                yield Result(document, reason="missing_sentinel")
            else:
                yield Result({**document, "organic_text": document["text"], "text": "The page goes on. " * 20})

    process_shard(list_shards(folder / "pool")[0], folder / "recycled", rephrase, config_hash="h")
    sources = [
        {"name": name, "scorer": "quality", "tokens_in": 2000, "tokens": 1234,
         "histogram": {"edges": [low, 0.5, 1.0], "documents": [5, 4], "kept": [0, 4]}}
        for name, low in (("organic", 0.0), ("recycled", 0.25))
    ]  # fmt: skip
    steps = [{"step": "select", "source": "organic", "docs_in": 9, "docs_out": 4, "drops": {"below_threshold": 5}}]
    (folder / "selected").mkdir()
    write_json(folder / "selected" / "dataset.json", {"documents": 8, "sources": sources, "steps": steps})
    stats = {"shard": "a", "docs_in": 8, "docs_out": 8, "drops": {}, "config_hash": "t", "seconds": 1.0}
    write_json(folder / "tokens" / "a.stats.json", stats)  # a tokenised set: stats without documents
    for name in ("organic", "mixed"):
        with Run(folder / "models" / name, Small()) as run:
            run.log({"loss": 6.5, "lr": 0.001}, step=0)
            run.log({"loss": 5.25, "lr": 0.001}, step=1)
    write_json(folder / "scores" / "mixed.json", {"eval_metrics": {}, "bpb": {"bits_per_byte": 2.25}})
    with Run(folder / "scores" / "mixed", Small()) as run:
        run.log({"bpb/bits_per_byte": 2.25})
    write_json(folder / "eval.json", {"eval_metrics": {"icl": {"copa": 0.55}}, "Core_v2": "N/A due to missing tasks"})
    return folder


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.attributes = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]


def test_one_page_shows_every_stage(runs, tmp_path, capsys):
    out, summary = tmp_path / "report.html", tmp_path / "summary.json"
    main([str(runs), f"out={out}", f"summary={summary}"])
    *table, _, last = capsys.readouterr().out.strip().split("\n")
    assert last == str(out)
    assert any(line.split()[:3] == ["recycled", "9", "8"] for line in table)
    text = out.read_text()
    for shown in (
        "recycled",
        "missing_sentinel",
        "models/mixed",
        "copa",
        "<del>",
        "total reward",
        "1,234",
        "organic, kept",
        "below_threshold",
        "55.6 %",
    ):
        assert shown in text
    figures = json.loads(summary.read_text())
    assert figures["recycled"]["docs_out"] == 8
    assert figures["recycled"]["drops"] == {"missing_sentinel": 1}
    assert (figures["rl"]["reward_first"], figures["rl"]["reward_last"]) == (3.0, 5.0)
    assert figures["models/mixed"]["loss_last"] == 5.25
    assert figures["eval"]["copa"] == 0.55
    assert figures["scores/mixed"] == {"bpb/bits_per_byte": 2.25}


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


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_missing_or_empty_folder_is_one_line_and_exit_code_2(tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / name)])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: no run")


class Supervised(Small):
    """As `rl.sft` has it."""

    gradient_accumulation_steps: int = 2


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
    assert page.count("Guru-7B") == 1 and "Guru-7B 77.25" in page  # MBPP was judged by other rules
    assert "average guru17" not in page  # a part of a suite is no average
