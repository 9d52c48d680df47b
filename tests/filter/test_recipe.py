"""What a recipe does with work that is there already."""

import json
import shutil

import pytest

from common.config import load
from common.hashing import step_hash
from common.pools.documents import write_documents
from filter.config import FilterConfig
from filter.recipe import Recipe
from filter.selection.cut import solved
from filter.selection.selecting_step import first_select_hash

RULE = {"kind": "threshold", "threshold": 0.5}


@pytest.fixture
def config(tmp_path):
    """One source of 40 pages, of which a threshold keeps some, routes some to rephrasing, and drops the rest."""
    pages = [{"id": f"p{n}", "text": " ".join(["the"] * (n % 20) + ["fox"] * (20 - n % 20))} for n in range(40)]
    for name, part in (("a.jsonl", pages[:15]), ("b.jsonl", pages[15:])):
        write_documents(str(tmp_path / "pool" / name), part)
    values = {
        "source_ref_paths": [str(tmp_path / "pool")],
        "output_dir": str(tmp_path / "out"),
        "scorers": [{"kind": "simple", "name": "stop_word_share", "field": "q"}],
        "sources": [{"name": "organic", "select": RULE, "rephrase": [0.2, 0.5]}],
        "bytes_per_token": 4.0,
    }
    return load(FilterConfig, [], values)


def output(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.zst")}


def as_the_first_version_left_it(config, folder):
    """Give a finished selection the names of the first version, and take away all that came after it."""
    (select,) = (folder / "steps").glob("select-*")
    (scored,) = (folder / "steps").glob("score-*")
    score_hash = json.loads((scored / "organic" / "a.stats.json").read_text())["config_hash"]
    rule = config.sources[0]
    first = first_select_hash(score_hash, "organic", "q", solved(rule.select), rule.rephrase)
    older = select.rename(select.with_name(f"select-{first[:8]}"))
    routed = folder / "to_rephrase" / "organic"
    for place, mark in ((older / "organic", first), (routed, step_hash(first, "to_rephrase"))):
        for path in place.glob("*.stats.json"):
            path.write_text(json.dumps({**json.loads(path.read_text()), "config_hash": mark}))
    (folder / "dataset.json").unlink()
    for path in folder.glob("shard_*"):
        path.unlink()
    for path in (folder / "steps").glob("mix-*"):
        shutil.rmtree(path)
    return older


def test_run_checks_by_itself(config):
    assert Recipe(config).run()["documents"] > 0
    with pytest.raises(ValueError, match="no pool at"):
        Recipe(config.model_copy(update={"source_ref_paths": ["nowhere"], "output_dir": config.output_dir + "2"})).run()


def test_a_selection_of_the_first_version_stands_and_is_told_in_one_line(config, tmp_path, caplog):
    folder = tmp_path / "out"
    whole = Recipe(config).run()
    wanted = output(folder)
    older = as_the_first_version_left_it(config, folder)
    kept = {path: path.stat().st_mtime_ns for path in older.rglob("*.json*")}
    again = Recipe(config).run()
    assert again["sources"] == whole["sources"]
    assert output(folder) == wanted
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert [path.name for path in (folder / "steps").glob("select-*")] == [older.name]
    told = [record.getMessage() for record in caplog.records if "earlier version" in record.getMessage()]
    assert len(told) == 1
    assert older.name in told[0]


def test_a_selection_of_the_first_version_that_changed_since_is_made_again(config, tmp_path):
    folder = tmp_path / "out"
    Recipe(config).run()
    wanted = output(folder)
    older = as_the_first_version_left_it(config, folder)
    rows = older / "organic" / "b.jsonl"
    rows.write_bytes(rows.read_bytes().partition(b"\n")[2])
    shutil.rmtree(folder / "to_rephrase")
    Recipe(config).run()
    assert output(folder) == wanted
    assert len(list((folder / "steps").glob("select-*"))) == 2
