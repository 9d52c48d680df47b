"""Run folders and launching."""

import functools
import json

import pytest

from common.config import RunConfig, load
from common.pools.shards import Shard
from common.runs.folder import Run, read_metrics
from common.runs.launch import run_shards


class Small(RunConfig):
    """A config for these tests."""

    seed: int = 3


def test_a_run_folder_tells_what_ran(tmp_path):
    with Run(tmp_path / "run", Small(), seed=3) as run:
        run.log({"loss": 1.5, "grad_norm": float("nan")}, step=1)
    with Run(tmp_path / "run", Small(), seed=3) as run:
        run.log({"loss": 1.25}, step=2)
    rows = read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == [1, 2]
    assert rows[0]["grad_norm"] is None
    assert load(Small, [tmp_path / "run" / "config.yaml"]) == Small()
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["seed"] == 3
    assert about["versions"]["python"].startswith("3.")
    assert "grad_norm is nan" in (tmp_path / "run" / "log.txt").read_text()


def test_what_ended_a_run_is_in_its_log(tmp_path):
    with pytest.raises(RuntimeError), Run(tmp_path, Small()):
        raise RuntimeError("out of tokens")
    assert "out of tokens" in (tmp_path / "log.txt").read_text()


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    assert read_metrics(tmp_path) == [{"step": 1}]


def index_times(factor, shard):
    return shard.index * factor


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_shards(workers):
    shards = [Shard(number, f"{number}.jsonl", str(number)) for number in range(5)]
    # a function that fresh processes can import, as the stages' are
    assert run_shards(functools.partial(getattr, name="index"), [], workers=workers) == []
    assert run_shards(shard_name, shards, workers=workers) == ["0", "1", "2", "3", "4"]


def shard_name(shard):
    return shard.name
