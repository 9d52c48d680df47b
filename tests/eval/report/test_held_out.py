"""Gains of rewards on held-out rows: paired by row, completions averaged, up to the exported step."""

import json

import pytest

from eval.report.held_out import held_out_gains
from eval.report.stages import find_stages


def write_run(folder, rows, best):
    folder.mkdir()
    (folder / "metrics.jsonl").write_text('{"step": 0, "reward": 1.0, "time": 1.0}\n')
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "done.json").write_text(json.dumps({"best_step": best}))
    (stage,) = find_stages([str(folder)])
    return stage


def row(step, key, quality, mode="eval"):
    return {"step": step, "mode": mode, "id": key, "rewards": {"quality": quality, "semantic": None}}


def test_a_row_counts_once_and_the_error_is_over_rows(tmp_path):
    before = [row(0, "a", 1.0), row(0, "a", 3.0), row(0, "b", 1.0), row(0, "c", 0.0)]
    after = [row(8, "a", 3.0), row(8, "b", 3.0), row(8, "c", 3.0), row(8, "new", 9.0), row(8, "a", 9.0, "train")]
    gains = held_out_gains(write_run(tmp_path / "run", [*before, *after, row(9, "a", 99.0)], 8))
    # by hand: 2, 1, 0 become 3, 3, 3: gains 1, 2, 3 with a deviation of 1
    assert gains == {"quality": {"before": 1.0, "after": 3.0, "gain": 2.0, "error": pytest.approx(3**-0.5), "rows": 3}}


def test_a_run_that_exported_its_start_or_has_no_samples_tells_nothing(tmp_path):
    assert held_out_gains(write_run(tmp_path / "start", [row(0, "a", 1.0), row(8, "a", 2.0)], 0)) == {}
    bare = write_run(tmp_path / "bare", [], 0)
    (tmp_path / "bare" / "samples.jsonl").unlink()
    assert held_out_gains(bare) == {}
