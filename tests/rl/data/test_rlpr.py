"""Published question files convert to verl's columns and back without loss."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.data.prepare import main
from rl.data.rows.conversations import normalise, to_verl

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20).filter(str.strip)
TURNS = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT}))


@given(TURNS, TEXT, st.lists(TEXT, min_size=2, max_size=3) | TEXT, TEXT)
def test_to_verl_and_back_is_the_same_row(turns, question, reference, source):
    raw = {"prompt": [*turns, {"role": "user", "content": question}], "reference": reference, "data_source": source}
    row, reason = normalise(raw | {"extra_info": {"index": 7}})
    assert reason == ""
    assert normalise(to_verl(row)) == (row, "")


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_real_questions_convert_and_are_read_again(shared_data, tmp_path, capsys, name):
    found = [json.loads(line) for line in (shared_data / "reasoning" / "gsm8k.jsonl").read_text().splitlines()]
    source = tmp_path / "gsm8k.jsonl"
    rows = [
        {"prompt": row["question"], "reference": row["answer"].split("#### ")[1], "data_source": "gsm8k"}
        for row in found
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    main(["rlpr", f"source={source}", f"out={tmp_path / name}", "prompt=R1"])
    assert json.loads(capsys.readouterr().out) == {"rows": 200, "drops": {}}
    main(["rlpr", f"source={tmp_path / name}", f"out={tmp_path / 'again.jsonl'}"])
    again = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert sorted(row["reference"] for row in again) == sorted(row["reference"] for row in rows)
    assert all([turn["role"] for turn in row["prompt"]] == ["system", "user"] for row in again)
    if name.endswith(".parquet"):
        columns = pq.read_schema(tmp_path / name).names
        assert columns[:5] == ["data_source", "prompt", "ability", "reward_model", "extra_info"]


def test_a_missing_file_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["rlpr", f"source={tmp_path / 'none.parquet'}", f"out={tmp_path / 'out.jsonl'}"])
    assert ended.value.code == 2
    assert "none.parquet" in capsys.readouterr().err


def test_a_data_set_that_cannot_be_fetched_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SystemExit) as ended:
        main(["rlpr", "source=nobody/nothing", f"out={tmp_path / 'out.jsonl'}"])
    assert ended.value.code == 2
    assert "nobody/nothing is neither here" in capsys.readouterr().err
