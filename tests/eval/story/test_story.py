"""The story protocol end to end with a small model: plans, chapters, gains, measures, judged pairs."""

import json
import math

import pytest

from common.pools.documents import write_documents
from eval.judges.pairwise import in_both_orders
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.story.__main__ import lexical_metrics, main
from eval.story.generate import ContinueConfig, plan_of
from eval.story.plans import gold_trunk
from eval.story.prompts import chapter_messages, plan_messages

POINT = {"story_text": "The harbour opens at six. " * 6, "next_chapter_header": "Chapter 3"}


@pytest.fixture(scope="module")
def story_policy(root):
    """The small model that ships with the repository."""
    return str(root / "rephrase" / "tiny")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("story") / "test.jsonl"
    found = [
        {
            "id": f"sea:{n}",
            "prompt": plan_messages(POINT, system_role=False),
            "messages": chapter_messages(POINT, system_role=False),
            "reference": f"Chapter 3\n\nBees store honey for winter {n}. Bakers knead the dough twice.",
        }
        for n in range(2)
    ]
    write_documents(str(path), found)
    return str(path)


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(capsys, *arguments):
    main([str(argument) for argument in arguments])
    return json.loads(capsys.readouterr().out)


def test_plans_chapters_and_gains_of_a_real_model(story_policy, rows, tmp_path, capsys):
    plans, chapters, gains = (tmp_path / f"{name}.jsonl" for name in ("plans", "chapters", "gains"))
    reasoning = ["reason", story_policy, f"rows={rows}", f"out={plans}", "completions=2", "max_tokens=12"]
    assert run(capsys, *reasoning) == {"written": 4, "there": 0, "failed": 0}
    first = read(plans)
    assert {(row["id"], row["number"]) for row in first} == {(f"sea:{n}", k) for n in range(2) for k in range(2)}
    assert all(row["tokens"] <= 12 for row in first)
    assert run(capsys, *reasoning) == {"written": 0, "there": 4, "failed": 0}  # nothing twice

    writing = ["continue", story_policy, f"rows={rows}", f"plans={plans}", f"out={chapters}", "limit=1"]
    assert run(capsys, *writing)["written"] == 2
    scoring = ["improvement", story_policy, f"rows={rows}", f"completions={plans}", f"out={gains}"]
    figures = run(capsys, *scoring, "scorer.dtype=float32")
    assert figures["completions"] == 4 and figures["failed"] == {}
    tokenizer = _tokenizer(story_policy)
    row = next(row for row in read(tmp_path / "gains.jsonl") if (row["id"], row["number"]) == ("sea:1", 1))
    data = read(type(tmp_path)(rows))[1]
    plan = plan_of(next(p["completion"] for p in first if (p["id"], p["number"]) == ("sea:1", 1)))
    base, found = (_perplexity(story_policy, tokenizer, data, text) for text in ("", plan))
    assert row["baseline_ppl"] == pytest.approx(base, rel=1e-4)
    assert row["with_reasoning_ppl"] == pytest.approx(found, rel=1e-4)
    assert row["percent_improvement"] == pytest.approx(100 * (base - found) / base, abs=1e-2)

    means = run(capsys, "metrics", f"rows={rows}", f"completions={chapters}", f"out={tmp_path / 'metrics.json'}")
    assert means["completions"] == 2 and 0 <= means["rouge_l_f1"] <= 1
    assert len(json.loads((tmp_path / "metrics.json").read_text())["each"]) == 2


def _tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def _perplexity(folder, tokenizer, row, plan):
    trunk = gold_trunk(tokenizer, row["messages"], plan, row["reference"])
    (scores,) = open_scorer(folder, ScorerConfig(dtype="float32")).score([trunk])
    return math.exp(-scores.branches[0].logprobs.mean(dtype="float64"))


def test_an_empty_plan_gains_exactly_nothing(story_policy, rows, tmp_path, capsys):
    plans = tmp_path / "plans.jsonl"
    write_documents(str(plans), [{"id": "sea:0", "number": 0, "completion": "I think. In summary:"}])
    for baseline in ("neutral", "no_plan"):
        arguments = [f"rows={rows}", f"completions={plans}", f"out={tmp_path / 'o.jsonl'}", f"baseline={baseline}"]
        figures = run(capsys, "improvement", story_policy, *arguments)
        assert figures["percent_improvement"] == 0.0


def test_a_completion_of_no_row_is_a_mistake(story_policy, rows, tmp_path, capsys):
    plans = tmp_path / "plans.jsonl"
    write_documents(str(plans), [{"id": "land:0", "number": 0, "completion": "go"}])
    with pytest.raises(SystemExit) as ended:
        main(["improvement", story_policy, f"rows={rows}", f"completions={plans}", f"out={tmp_path / 'o.jsonl'}"])
    assert ended.value.code == 2 and "'land:0'" in capsys.readouterr().err


def test_likelihoods_that_all_fail_are_counted_and_no_result(story_policy, rows, tmp_path, capsys):
    plans, out = tmp_path / "plans.jsonl", tmp_path / "o.jsonl"
    write_documents(str(plans), [{"id": "sea:0", "number": n, "completion": f"In summary: {n}"} for n in range(3)])
    arguments = [f"rows={rows}", f"completions={plans}", f"out={out}", "scorer.max_length=4"]
    with pytest.raises(SystemExit) as ended:
        main(["improvement", story_policy, *arguments])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "none of the gains of 3 plans could be had (baseline_too_long 3)" in said.err and not said.out
    assert [row["error"] for row in read(out)] == ["baseline_too_long"] * 3  # what failed is written all the same


def test_measures_by_hand():
    found = lexical_metrics("the cat sat down", "The cat sat.", "the cat slept")
    assert found == {
        "words": 4,
        "unseen_trigrams_pct": 50.0,
        "rouge_l_f1": pytest.approx(2 * 0.75 / 1.75),
        "rouge_l_precision": 0.75,
        "gold_rouge_l_f1": pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3)),
        "gold_rouge_l_precision": 0.5,
    }


def test_the_published_sampling_is_the_default():
    config = ContinueConfig(model="m", rows="r", out="o")
    assert (config.temperature, config.top_p, config.top_k, config.repetition_penalty) == (0.7, 0.8, 20, 1.05)
    assert (config.min_length, config.max_length, config.max_tokens) == (0.5, 1.5, 2048)


def test_win_rates_are_printed_as_published(shared_data, capsys):
    main(["winrate", str(shared_data / "story" / "3b_pairwise_annotations.csv")])
    lines = capsys.readouterr().out.splitlines()
    assert "overall_quality: trained_3b over basesft_3b: BT 94.1 %, wins 80.0 % (16-1, 3 same)" in lines
    assert len(lines) == 36


def test_win_rates_of_one_genre_count_its_stories_only(shared_data, tmp_path, capsys):
    file = shared_data / "story" / "3b_pairwise_annotations.csv"
    main(["winrate", str(file), "genre=scifi", f"out={tmp_path / 'w.json'}"])
    table = json.loads((tmp_path / "w.json").read_text())["table"]
    compared = sum(row["first_wins"] + row["second_wins"] + row["ties"] for row in table)
    flagged = sum(line.rsplit(",", 4)[1] == "True" for line in file.read_text(encoding="utf-8").splitlines())
    assert compared == 6 * flagged > 0


@pytest.mark.parametrize(
    ("there", "back", "winner"),
    [("A", "B", "x"), ("B", "A", "y"), ("A", "A", "same"), ("C", "C", "same"), ("A", "C", "same"), (None, "A", None)],
)
def test_a_chapter_wins_only_in_both_orders(there, back, winner):
    assert in_both_orders(there, back, ("x", "y")) == winner


@pytest.mark.parametrize("arguments", [["sing"], [], ["metrics"], ["winrate", "none.csv"]])
def test_a_mistake_is_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("lacking", ["number", "completion", "id"])
def test_a_completion_that_lacks_a_field_is_named_with_its_file_and_row(tmp_path, capsys, lacking):
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"id": "a", "messages": [{"role": "user", "content": "Go on."}], "reference": "Then."}) + "\n"
    )
    whole = {"id": "a", "number": 0, "completion": "So."}
    cut = {name: value for name, value in whole.items() if name != lacking}
    (tmp_path / "made.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (whole, cut)))
    with pytest.raises(SystemExit, match="2"):
        main(["metrics", f"rows={tmp_path / 'rows.jsonl'}", f"completions={tmp_path / 'made.jsonl'}"])
    assert f"made.jsonl, row 2 has no {lacking!r}" in capsys.readouterr().err
