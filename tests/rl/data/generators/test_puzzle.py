"""Files of puzzles: the same bytes however they are made."""

import json
import os
import subprocess
import sys
import time

import pytest

from rl.data.generators.graph import GraphConfig
from rl.data.generators.ordering import OrderingConfig
from rl.data.generators.puzzle import CHUNK, generate, rows, write
from rl.data.generators.zebra import ZebraConfig
from rl.data.rows.schema import problem, read_rows

CONFIGS = [
    ZebraConfig(out="x.jsonl", n=6, sizes=["2x4:12*", "3x3:6*", "4x4:12*"]),
    OrderingConfig(out="x.jsonl", n=6),
    GraphConfig(out="x.jsonl", n=6),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.family)
def test_a_row_depends_on_seed_index_and_config_only(config):
    forward = list(rows(config))
    assert [generate(0, index, config) for index in (5, 4, 3, 2, 1, 0)] == forward[::-1]
    assert generate(0, 1, config.model_copy(update={"n": 9, "out": "y", "workers": 3})) == forward[1]
    assert generate(1, 1, config)["prompt"] != forward[1]["prompt"]
    assert len({row["id"] for row in forward}) == 6
    assert not any(problem(row) for row in forward)
    assert json.loads(forward[2]["info"])["index"] == 2


def test_the_first_rows_do_not_change_from_version_to_version():
    """A changed draw makes other puzzles of the same seed: then this test says so."""
    found = {config.family: generate(42, 0, config)["id"] for config in CONFIGS}
    assert found == {
        "zebra": "ff0a698276a97ae61a395d1743506bf6",
        "ordering": "b186a7927cebff9af2f0a3c2e3aebefa",
        "graph": "6b54a82609d3a5cd293892b2487fcb92",
    }


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_the_bytes_do_not_depend_on_processes(tmp_path, ending):
    config = OrderingConfig(out=str(tmp_path / f"one.{ending}"), n=2 * CHUNK + 10, max_objects=5)
    write(config)
    many = config.model_copy(update={"out": str(tmp_path / f"many.{ending}"), "workers": 2})
    write(many)
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"many.{ending}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"many.{ending}", f"one.{ending}"]


def test_a_killed_run_is_taken_up_and_gives_the_same_bytes(tmp_path, root):
    command = [sys.executable, "-m", "rl.data.generate", "ordering", "n=1000", "max_objects=6"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    killed = tmp_path / "killed.jsonl"
    process = subprocess.Popen([*command, f"out={killed}"], cwd=root, env=environment, stdout=subprocess.DEVNULL)
    parts = tmp_path / "killed.jsonl.parts"
    until = time.monotonic() + 60
    while not (parts / "000001.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not killed.exists()
    before = (parts / "000000.jsonl").stat().st_mtime_ns
    config = OrderingConfig(out=str(tmp_path / "whole.jsonl"), n=1000, max_objects=6)
    write(config)
    kept = parts / "000000.jsonl"
    assert kept.stat().st_mtime_ns == before
    write(config.model_copy(update={"out": str(killed)}))
    assert killed.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not parts.exists()


def test_parts_of_another_config_are_refused(tmp_path):
    out = tmp_path / "a.jsonl"
    (tmp_path / "a.jsonl.parts").mkdir()
    (tmp_path / "a.jsonl.parts" / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="other settings"):
        write(OrderingConfig(out=str(out), n=1))
    with pytest.raises(ValueError, match=r"end in \.parquet or \.jsonl"):
        write(OrderingConfig(out=str(tmp_path / "a.csv"), n=1))


def test_parquet_rows_are_the_schemas(tmp_path):
    config = GraphConfig(out=str(tmp_path / "g.parquet"), n=5, test_frac=0.5)
    write(config)
    found = list(read_rows(config.out))
    assert found == list(rows(config))
    assert {row["split"] for row in found} == {"train", "offline_eval"}
