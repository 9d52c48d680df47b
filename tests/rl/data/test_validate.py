"""A file passes only if every row can be scored and its own gold answer earns full marks."""

import json

import pytest

from rl.data.rows.answers import gold_completion, judge_golds, well_formed
from rl.data.rows.schema import new_row, write_rows
from rl.data.validate import main

GOLDS = {
    "math__x": "\\frac{1}{2}",
    "math__y": {"any_of": ["3", "4"]},
    "stem__gpqa": "C",
    "logic__zebra_puzzle_dataset": {"header": ["Position", "Pet"], "rows": [["1", "cat"], ["2", "dog"]]},
    "logic__ordering_puzzle_dataset": ["Emma", "golf cart"],
    "logic__graph_logical_dataset": "fdebme",
    "logic__arcagi1": [[1, 2], [3, 4]],
    "table__hitab": "a|12.5%",
    "table__finqa": 0.125,
}


def rows():
    return [new_row(source, f"{source}?", gold, key=0) for source, gold in GOLDS.items()]


@pytest.mark.parametrize("row", rows(), ids=list(GOLDS))
def test_gold_answers_are_right_and_empty_ones_are_not(row):
    assert judge_golds([row], threads=1) == ["gold_correct"]


def test_a_sound_file_passes(tmp_path, capsys):
    write_rows(str(tmp_path / "a.parquet"), rows())
    main([str(tmp_path / "a.parquet"), "--gold"])
    assert json.loads(capsys.readouterr().out)["reasons"] == {"gold_correct": len(GOLDS)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ground_truth": "[[1],[2,3]]"}, "bad_ground_truth"),
        ({"verifier": "grids"}, "unknown_verifier"),
        ({"prompt": []}, "empty_prompt"),
        ({"ground_truth": "[[1,11]]"}, "gold_"),  # cells are 0 to 9
    ],
)
def test_a_wrong_row_is_named_and_fails(tmp_path, capsys, change, reason):
    row = {**new_row("logic__arcagi1", "?", [[1, 2], [3, 4]], key=0), **change}
    write_rows(str(tmp_path / "a.parquet"), [row])
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "a.parquet"), "--gold"])
    assert ended.value.code == 1
    found = json.loads(capsys.readouterr().out)
    ((name, ids),) = found["ids"].items()
    assert name.startswith(reason)
    assert ids == [row["id"]]


def test_a_missing_column_is_one_line(tmp_path, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_rows(str(tmp_path / "a.parquet"), rows())
    pq.write_table(pq.read_table(tmp_path / "a.parquet").drop_columns(["verifier"]), tmp_path / "b.parquet")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "b.parquet")])
    assert ended.value.code == 2
    assert "the columns of rows without 'verifier'" in capsys.readouterr().err
    pq.write_table(pa.concat_tables([pq.read_table(tmp_path / "a.parquet")] * 2), tmp_path / "c.parquet")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "c.parquet")])
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["reasons"] == {"repeated_id": len(GOLDS)}


def test_rows_without_an_answer_have_none():
    row = new_row("ood__ifeval", "?", [{}], key=0)
    assert gold_completion(row) is None
    assert judge_golds([row], threads=1)[0] in ("no_gold_answer", "not_judged/missing_resource")
    assert gold_completion(new_row("codegen__x", "?", {"functional": "check(f)"}, key=0)) is None


@pytest.mark.parametrize(
    ("verifier", "gold", "fits"),
    [
        ("code", {"inputs": ["1"], "outputs": ["2"]}, True),
        ("code", {"inputs": ["1"], "outputs": []}, False),
        ("code", {"inputs": [], "outputs": []}, False),
        ("code", {"functional": "check(f)"}, True),
        ("codeio", {"predict": "output", "value": None}, True),
        ("codeio", {"predict": "both", "value": 1}, False),
        ("cruxeval", {"functional": "def f(): pass"}, True),
        ("cruxeval", "x", False),
        ("ifbench", {"instruction_id": ["a"], "kwargs": [{}]}, True),
        ("ifbench", [{}], False),
        ("ordering", [], False),
        ("table", True, False),
        ("math", "", False),
        ("judge", "3 m", True),
    ],
)
def test_a_ground_truth_has_its_verifiers_form(verifier, gold, fits):
    assert well_formed(verifier, gold) is fits
