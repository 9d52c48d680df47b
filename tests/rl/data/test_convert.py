"""The command converts by the form of the files, and a mistake is one line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rl.data.convert import main
from rl.data.rows.schema import new_row, read_rows, write_rows


def rows():
    return [
        new_row("math__x", "2 + 2?", "4", key=0),
        new_row("logic__barc", "grid?", [[1, 2]], key=0),
        new_row("ood__ifeval", "write", [{"n": 3}, {}], key=0),
    ]


def test_there_and_back_by_the_form_of_the_names(tmp_path, capsys):
    write_rows(str(tmp_path / "rows.parquet"), rows())
    main([str(tmp_path / "rows.parquet"), str(tmp_path / "chats.jsonl")])
    assert json.loads(capsys.readouterr().out)["to"] == "messages"
    assert len((tmp_path / "chats.jsonl").read_text().splitlines()) == 3
    main([str(tmp_path / "chats.jsonl"), str(tmp_path / "again.parquet")])
    assert list(read_rows(str(tmp_path / "again.parquet"))) == rows()
    main([str(tmp_path / "rows.parquet"), str(tmp_path / "guru")])
    assert len(list((tmp_path / "guru").glob("*.parquet"))) == 3
    main([str(tmp_path / "guru"), str(tmp_path / "third.parquet")])
    assert list(read_rows(str(tmp_path / "third.parquet"))) == rows()
    assert (tmp_path / "third.parquet").read_bytes() == (tmp_path / "rows.parquet").read_bytes()


def test_a_guru_file_comes_back_equal(tmp_path, capsys):
    record = {"data_source": "stem_web", "prompt": [{"role": "user", "content": "Q"}], "ability": "QA"}
    record |= {"reward_model": {"ground_truth": "3 m"}, "extra_info": {"idx": 1}, "qwen2.5_7b_pass_rate": 0.3}
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "stem.parquet")
    main([str(tmp_path / "stem.parquet"), str(tmp_path / "rows.parquet")])
    assert json.loads(capsys.readouterr().out)["pass_rates_off_the_grid_of_16"] == 1
    main([str(tmp_path / "rows.parquet"), str(tmp_path / "out.parquet")])
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(tmp_path / "stem.parquet"), check_metadata=True)


def test_rows_without_a_known_name_are_named_on_the_command_line(tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"prompt": "2 + 2?", "answer": "4"}\n')
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "a.jsonl"), str(tmp_path / "rows.parquet")])
    assert ended.value.code == 2
    assert "a.jsonl, row 0: no data set is called ''" in capsys.readouterr().err
    main([str(tmp_path / "a.jsonl"), str(tmp_path / "rows.parquet"), "source=math__mine"])
    (found,) = read_rows(str(tmp_path / "rows.parquet"))
    assert (found["source"], found["verifier"], found["ground_truth"]) == ("math__mine", "math", '"4"')


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rows.parquet", "one.parquet", "to=guru"], "these rows need 3 files"),
        (["rows.parquet", "one.jsonl", "to=verl"], "go into a file ending in .parquet"),
        (["none.parquet", "one.jsonl"], "none.parquet"),
        (["rows.parquet", "one.jsonl", "to=veal"], "to: "),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_rows("rows.parquet", rows())
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in (error := capsys.readouterr().err)
    assert error.count("\n") == 1
