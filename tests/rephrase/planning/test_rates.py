"""The rate that a run recorded, from lines that count from the start of their shard."""

import json

import pytest

from rephrase.planning.rates import recorded


def write_metrics(folder, rows):
    folder.mkdir(parents=True)
    names = ("shard", "elapsed_s", "organic_tok_s_device", "completion_tok_s_device")
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    )


def test_rates_are_of_what_came_between_two_lines(tmp_path):
    # 100 s at 10 tokens/s, then 100 s at 30; another shard 200 s at 20
    write_metrics(tmp_path / "run", [("a", 100, 10, 5), ("a", 200, 20, 10), ("b", 200, 20, 10)])
    found = recorded(str(tmp_path / "run"))
    assert found.tok_s == pytest.approx(8000 / 400) and found.out_per_token == pytest.approx(0.5)
    assert found.error > 0 and "3 parts in 0.11 device hours" in found.source
    # residuals -1000, 1000, 0 over a mean of 400/3 s: t(2) x sqrt(2e6 / 6) / (400 / 3)
    assert found.error == pytest.approx(4.30 * (2e6 / 6) ** 0.5 / (400 / 3))


def test_a_shard_that_was_begun_again_counts_from_its_new_start(tmp_path):
    write_metrics(tmp_path / "run", [("a", 100, 10, 5), ("a", 50, 20, 5)])
    assert recorded(str(tmp_path / "run")).tok_s == pytest.approx(2000 / 150)


def test_a_pool_holds_its_run_folder_and_tells_its_bytes(tmp_path):
    write_metrics(tmp_path / "out/_rephrase", [("a", 100, 10, 5)])
    about = {"shard": "a", "config_hash": "x", "docs_in": 1, "drops": {}, "tokens_organic": 1000}
    stats = {**about, "files": {"outputs": {"a.jsonl.zst": {"bytes": 1500, "digest": ""}}}}
    (tmp_path / "out/a.stats.json").write_text(json.dumps(stats))
    found = recorded(str(tmp_path / "out"))
    assert found.tok_s == 10 and found.error is None and found.bytes_per_token == 1.5


def test_a_run_without_tokens_or_no_run_is_one_line(tmp_path):
    write_metrics(tmp_path / "run", [("a", 100, None, 5)])
    with pytest.raises(ValueError, match="counted no tokens"):
        recorded(str(tmp_path / "run"))
    with pytest.raises(ValueError, match="no metrics of a run"):
        recorded(str(tmp_path / "nothing"))
