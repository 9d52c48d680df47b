"""Conversations become rows: every published form, nothing lost without a reason, no question on both sides."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import load
from rl.data.rows.conversations import (
    BOXED,
    PLAN,
    R1_NOTHINK,
    R1_SYSTEM,
    ConversationsConfig,
    ask,
    build,
    normalise,
)


def words(text):
    return len(text.split())


def user(text):
    return [{"role": "user", "content": text}]


def assistant(text):
    return {"role": "assistant", "content": text}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def built(tmp_path, raw, /, **options):
    config = ConversationsConfig(train=[write(tmp_path / "rows.jsonl", raw)], **options)
    figures = build(config, tmp_path / "out", words)
    return figures, lines(tmp_path / "out" / "train.jsonl"), lines(tmp_path / "out" / "eval.jsonl")


def questions(count, **more):
    return [{"prompt": f"What is {n} and {n}?", "reference": str(2 * n), **more} for n in range(count)]


def test_verl_parquet_becomes_rows(tmp_path):
    rows = [
        {
            "data_source": source,
            "prompt": [{"role": "system", "content": "Old template."}, *user(f"Question {n}?")],
            "ability": "physics",
            "reward_model": {"ground_truth": f"{n} m/s", "style": "rule"},
            "extra_info": {"index": n},
        }
        for n, source in enumerate(["web", "web", "other"])
    ]
    path = tmp_path / "rlpr_train.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    config = ConversationsConfig(train=[str(path)], data_sources=["web"], prompt="R1", eval_rows=0)
    figures = build(config, tmp_path / "out", words)
    assert (figures["train"], figures["drops"]) == (2, {"other_source": 1})
    row = min(lines(tmp_path / "out" / "train.jsonl"), key=lambda row: row["extra_info"]["index"])
    assert row["prompt"] == [{"role": "system", "content": R1_SYSTEM}, *user("Question 0?")]
    assert (row["reference"], row["data_source"], row["ability"]) == ("0 m/s", "web", "physics")


def test_the_last_turn_of_messages_is_the_gold():
    turns = [
        *user("Hi"),
        {"role": "assistant", "content": "Hello"},
        *user("More?"),
        {"role": "assistant", "content": "Yes."},
    ]
    row, reason = normalise({"messages": turns}, "plan")
    assert (reason, row["reference"], row["messages"]) == ("", "Yes.", turns[:3])
    assert row["prompt"] == [*turns[:2], *user(f"More?\n\n{PLAN}")]


def test_messages_beside_a_prompt_are_the_context_of_the_gold():
    row, _ = normalise({"prompt": "Plan it.", "messages": user("Write it."), "reference": "Once."})
    assert (row["prompt"], row["messages"], row["reference"]) == (user("Plan it."), user("Write it."), "Once.")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({}, "no_prompt"),
        ({"prompt": " ", "reference": "4"}, "no_prompt"),
        ({"prompt": [{"role": "system", "content": "S"}], "reference": "4"}, "no_prompt"),
        ({"prompt": [{"role": "user"}], "reference": "4"}, "no_prompt"),
        ({"messages": user("alone")}, "no_prompt"),
        ({"prompt": "2+2", "reference": " "}, "no_reference"),
        ({"prompt": "2+2", "reward_model": {"ground_truth": None}}, "no_reference"),
        ({"prompt": "2+2", "reference": []}, "no_reference"),
        ({"messages": [*user("x"), {"role": "assistant", "content": ""}]}, "no_reference"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(raw, reason):
    assert normalise(raw) == ({}, reason)


def test_numbers_and_lists_are_references():
    assert normalise({"prompt": "q", "reference": 4})[0]["reference"] == "4"
    assert normalise({"prompt": "q", "reference": ["4", "four", ""]})[0]["reference"] == ["4", "four"]
    assert normalise({"prompt": "q", "reward_model": {"ground_truth": 0}})[0]["reference"] == "0"


def test_references_of_one_folder_have_one_type(tmp_path):
    rows = [{"prompt": "a", "reference": "1"}, {"prompt": "b", "reference": ["2", "two"]}]
    _, train, _ = built(tmp_path, rows, eval_rows=0)
    assert sorted(row["reference"] for row in train) == [["1"], ["2", "two"]]


def test_styles_ask_for_what_the_rewards_read():
    system = [{"role": "system", "content": "S"}]
    assert ask(system + user("q"), "R1_nothink") == user(f"q\n\n{R1_NOTHINK}")
    assert ask(system + user("q"), "boxed") == [*system, *user(f"q\n\n{BOXED}")]
    assert ask(user("q, in \\boxed{}"), "boxed") == user("q, in \\boxed{}")
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert tag in R1_SYSTEM
    assert "<answer>" in R1_NOTHINK and "think>" not in R1_NOTHINK


def test_over_long_rows_are_dropped_and_counted_never_cut(tmp_path):
    rows = [*questions(3), {"prompt": "long " * 9, "reference": "1"}, {"prompt": "q", "reference": "long " * 9}]
    rows.append({"prompt": "short", "messages": user("long " * 9), "reference": "1"})
    figures, train, _ = built(tmp_path, rows, eval_rows=0, max_prompt_tokens=8, max_reference_tokens=8)
    assert figures["drops"] == {"prompt_too_long": 2, "reference_too_long": 1}
    assert sorted(row["reference"] for row in train) == ["0", "2", "4"]


@given(st.integers(0, 1000), st.integers(1, 8))
def test_read_is_kept_plus_held_out_plus_dropped(tmp_path_factory, seed, eval_rows):
    tmp_path = tmp_path_factory.mktemp("rows")
    rows = [*questions(12), *questions(4), {"prompt": ""}, {"prompt": "What is 3 and 3?", "reference": "six"}]
    figures, train, held_out = built(tmp_path, rows, eval_rows=eval_rows, seed=seed)
    assert len(held_out) == figures["eval"] == eval_rows
    assert len(train) + len(held_out) + sum(figures["drops"].values()) == len(rows)
    assert figures["drops"]["duplicate"] == 4 and figures["drops"]["no_prompt"] == 1
    assert not {str(row["prompt"]) for row in train} & {str(row["prompt"]) for row in held_out}


def test_what_is_held_out_hangs_on_the_seed_not_on_the_order(tmp_path):
    first = built(tmp_path, questions(30), eval_rows=5)[2]
    (tmp_path / "b").mkdir()
    assert built(tmp_path / "b", questions(30)[::-1], eval_rows=5)[2] == first
    (tmp_path / "c").mkdir()
    assert built(tmp_path / "c", questions(30), eval_rows=5, seed=1)[2] != first


def test_questions_of_an_eval_file_are_not_trained_on(tmp_path):
    held_out = write(tmp_path / "held_out.jsonl", questions(4))
    figures, train, rows = built(tmp_path, questions(10), eval=[held_out], eval_rows=4, rows=5)
    assert (figures["drops"], len(train), len(rows)) == ({"held_out_prompt": 4}, 5, 4)
    assert {row["reference"] for row in rows} == {"0", "2", "4", "6"}


def test_too_few_rows_are_a_mistake_that_names_the_reasons(tmp_path):
    with pytest.raises(ValueError, match=r"only 3 rows to hold out, eval_rows is 9; left out: {'no_reference': 1}"):
        built(tmp_path, [*questions(3), {"prompt": "q"}], eval_rows=9)
    with pytest.raises(ValueError, match="no training row is left"):
        built(tmp_path, questions(3), eval_rows=3)


def test_a_second_time_reads_what_was_built(tmp_path):
    rows = write(tmp_path / "rows.jsonl", questions(6))
    config = ConversationsConfig(train=[str(rows)], eval_rows=2)
    first = build(config, tmp_path / "out", words)
    assert (first["train"], first["eval"]) == (4, 2)
    (tmp_path / "rows.jsonl").unlink()
    assert build(config, tmp_path / "out", words) == first


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.jsonl"):
        build(ConversationsConfig(train=[str(tmp_path / "none.jsonl")]), tmp_path / "out", words)


def test_the_config_reads_from_a_command_line():
    config = load(ConversationsConfig, overrides={"train": "a.jsonl,b.jsonl", "prompt": "R1_nothink"})
    assert config.train == ["a.jsonl", "b.jsonl"]
