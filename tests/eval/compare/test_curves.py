"""Training curves: the best checkpoint, trends, and what training on one domain does to the others."""

import csv
import json

import pytest

from eval.compare.__main__ import main
from eval.compare.curves import average_curve, best_checkpoint, read_curve, transfer_matrix, trend

# validation sets of two runs at steps 0, 10, 20, by hand
MATH = {"math__aime/unknown": [0.1, 0.3, 0.2], "codegen__mbpp/unknown": [0.5, 0.5, 0.5]}
CODE = {"math__aime/unknown": [0.1, 0.1, 0.2], "codegen__mbpp/unknown": [0.5, 0.6, 0.9]}


def write_csv(folder, name, sets, lengths=(600, 500, 400)):
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        columns = [f"val/test_score/{one}" for one in sets]
        extra = ["response_length/math/mean", "response_length/math/max", "critic/scores/math/mean", "val/generations"]
        writer.writerow(["_step", *columns, *extra, "run_id"])
        for at, step in enumerate((0, 10, 20)):
            values = [sets[one][at] for one in sets]
            writer.writerow([step, *values, lengths[at], 9999, 0.2 + at / 10, "text", "abc"])
            writer.writerow([step + 1, *[""] * len(sets), lengths[at], "", "NaN", "", "abc"])  # a step in between
    return str(path)


def test_the_best_checkpoint_is_that_of_the_plain_average(tmp_path):
    curve = read_curve(write_csv(tmp_path, "math3k", MATH))
    assert average_curve(curve) == pytest.approx({0: 0.3, 10: 0.4, 20: 0.35})
    assert best_checkpoint(curve) == (10, pytest.approx(0.4))
    assert set(curve.validation) == set(MATH)


def test_of_equal_checkpoints_the_earlier_counts(tmp_path):
    curve = read_curve(write_csv(tmp_path, "flat", {"a/unknown": [0.5, 0.5, 0.5]}))
    assert best_checkpoint(curve) == (0, 0.5)


def test_trends_by_hand(tmp_path):
    curve = read_curve(write_csv(tmp_path, "math3k", MATH))
    found = trend(curve.series["length"]["math"])
    assert (found.first, found.last, found.word) == (600, 400, "shrinks")
    assert trend({0: 1.0, 10: 2.0, 20: 3.0}).slope == pytest.approx(10)  # 0.1 a step
    assert trend({5: 100.0, 6: 102.0}).word == "flat"
    assert curve.series["reward"] == {"math": {0: 0.2, 10: pytest.approx(0.3), 20: 0.4}}


def test_what_training_on_one_domain_does_to_the_others(tmp_path):
    curves = [read_curve(write_csv(tmp_path, name, sets)) for name, sets in (("math", MATH), ("code", CODE))]
    found = transfer_matrix(curves)
    # math's best step is 10, code's is 20
    assert found["math"]["math__aime/unknown"] == (pytest.approx(0.2), 1.0)
    assert found["code"]["math__aime/unknown"] == (pytest.approx(0.1), 0.0)
    assert found["code"]["codegen__mbpp/unknown"] == (pytest.approx(0.4), 1.0)
    assert found["math"]["codegen__mbpp/unknown"] == (0.0, 0.0)


def test_a_run_folder_has_curves_too(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    rows = [{"step": step, "val/a/b": step / 10, "response_length/a/mean": 5} for step in (0, 5)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert best_checkpoint(read_curve(str(folder))) == (5, 0.5)


def test_the_command_shows_curves(tmp_path, capsys):
    main([write_csv(tmp_path, "math", MATH), write_csv(tmp_path, "code", CODE)])
    shown = capsys.readouterr().out
    assert "best step" in shown and "shrinks" in shown and "+40.0 (1.00)" in shown


def test_a_file_without_curves_is_a_mistake(tmp_path, capsys):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "x.csv")])
    assert ended.value.code == 2 and "no step with a known series" in capsys.readouterr().err
