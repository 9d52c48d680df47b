"""Question files as people have them: near forms are read or refused by name, and nothing vanishes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rl.data.prepare import main
from rl.data.rows.conversations import normalise

USER = {"role": "user", "content": "2 + 2?"}


def prepared(tmp_path, capsys, *lines, name="a.jsonl"):
    if lines:
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    main(["rlpr", f"source={tmp_path / '[a-e].*'}", f"out={tmp_path / 'out' / 'rows.jsonl'}"])
    report = json.loads(capsys.readouterr().out)
    found = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    return report, found


def test_two_files_that_number_their_rows_from_1_lose_nothing(tmp_path, capsys):
    for name, step in (("a.jsonl", 1), ("b.jsonl", 2)):
        rows = [{"id": str(at), "prompt": f"{at} + {step}?", "reference": str(at + step)} for at in range(1, 9)]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "c.jsonl").write_text((tmp_path / "a.jsonl").read_text())
    report, found = prepared(tmp_path, capsys)
    assert report == {"rows": 16, "drops": {"duplicate": 8}}
    assert len({row["id"] for row in found}) == 16


def test_whole_numbers_in_a_float_column_are_whole_and_gaps_are_no_answers(tmp_path, capsys):
    table = pa.table({"prompt": ["a?", "b?", "c?"], "reference": pa.array([4.0, float("nan"), 2.5])})
    pq.write_table(table, tmp_path / "a.parquet")
    report, found = prepared(tmp_path, capsys)
    assert sorted(row["reference"] for row in found) == ["2.5", "4"]
    assert report["drops"] == {"no_reference": 1}


@pytest.mark.parametrize(
    "raw",
    [
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": "2 + "}, {"type": "text", "text": "2?"}]}]},
        {"prompt": json.dumps([USER])},
        {"prompt": [USER], "reference": None, "reward_model": json.dumps({"ground_truth": "4", "style": "rule"})},
        {"messages": json.dumps([USER, {"role": "assistant", "content": "4"}]), "reference": None},
        {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}], "reference": None},
    ],
)
def test_near_forms_are_read(raw):
    row, reason = normalise({"reference": "4", **raw})
    assert reason == ""
    assert (row["prompt"], row["reference"]) == ([USER], "4")


def test_a_question_that_is_json_stays_a_question():
    for text in ('[{"a": 1}]', '{"a": 1}', "[{ broken"):
        row, _ = normalise({"prompt": text, "reference": "4"})
        assert row["prompt"][0]["content"] == text


def test_tool_calls_and_pictures_are_counted(tmp_path, capsys):
    called = {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]
    report, _ = prepared(
        tmp_path,
        capsys,
        {"prompt": [USER, called, {"role": "tool", "content": "4"}, USER], "reference": "4"},
        {"prompt": picture, "reference": "4"},
        {"prompt": [USER], "reference": "4"},
    )
    assert report == {"rows": 1, "drops": {"tool_calls": 1, "no_prompt": 1}}


def test_a_file_of_which_nothing_is_kept_is_exit_1(tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"prompt": "2 + 2?"}\n')
    with pytest.raises(SystemExit) as ended:
        main(["rlpr", f"source={tmp_path / 'a.jsonl'}", f"out={tmp_path / 'rows.jsonl'}"])
    assert ended.value.code == 1
    assert "no row is kept; left out: {'no_reference': 1}" in capsys.readouterr().err


def test_fields_that_nobody_asks_for_stay_with_the_row():
    raw = {"messages": [USER, {"role": "assistant", "content": "4"}], "topic": "sums", "level": 3, "note": None}
    row, reason = normalise(raw)
    assert not reason and row["extra_info"] == {"topic": "sums", "level": "3"}
    row, _ = normalise({**raw, "extra_info": {"index": 1}})
    assert row["extra_info"] == {"index": 1}
