"""The recipe on larger and damaged pools: every step at once, a kill at any point, a thousand shards."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.pools.documents import write_documents
from common.pools.shards import read_pool
from filter.run import main

pytestmark = pytest.mark.integration

WORDS = [f"word{number}" for number in range(300)]
ITEM = "what is the boiling point of water at sea level in degrees celsius on earth"


def text(random_):
    paragraphs = [" ".join(random_.choices([*WORDS, *["the", "of", "and"] * 30], k=40)) + "." for _ in range(3)]
    return "\n".join(paragraphs)


@pytest.fixture
def pools(tmp_path):
    """Two sources with planted duplicates, near duplicates, repeated paragraphs and one evaluation item."""
    random_ = random.Random(0)
    organic = [{"id": f"o{number}", "text": text(random_), "url": f"u{number}"} for number in range(60)]
    organic[7]["text"] = organic[3]["text"].upper()
    organic[9]["text"] = organic[4]["text"] + " end"
    organic[11]["text"] = organic[5]["text"].split("\n")[0] + "\n" + text(random_)
    organic[13]["text"] = f"{organic[13]['text']}\nSo {ITEM.upper()}? One hundred."
    organic[15]["text"] = "too short"
    recycled = [{**one, "text": one["text"] + " so it is", "rephrase": {"model": "m"}} for one in organic[:30]]
    for name, part in (("a.jsonl.zst", organic[:20]), ("b.jsonl.zst", organic[20:])):
        write_documents(str(tmp_path / "organic" / name), part)
    write_documents(str(tmp_path / "recycled" / "a.jsonl.zst"), recycled)
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "water.jsonl").write_text(json.dumps({"context": ITEM, "continuation": "100"}) + "\n")
    (tmp_path / "all.yaml").write_text(json.dumps({
        "heuristics": [{"kind": "length", "min_words": 20}, {"kind": "stop_words"}],
        "scorers": [
            {"kind": "simple", "name": "stop_word_share", "field": "q"},
            {"kind": "simple", "name": "character_length", "field": "size"},
        ],
        "sources": [
            {"name": "organic", "select": {"kind": "all"}},
            {"name": "recycled", "select": {"kind": "fraction", "fraction": 0.9}, "heuristics": False},
        ],
        "dedup": [
            {"kind": "exact"},
            {"kind": "minhash"},
            {"kind": "ngram", "ngram": 13, "expected_ngrams": 20000, "groups": 2},
        ],
        "decontaminate": {"data": [str(tmp_path / "items")], "action": "excise"},
        "bytes_per_token": 4.3,
        "shard_docs": 30,
        "training_tokens": 100000,
    }))  # fmt: skip
    return tmp_path


def command(pools, out):
    sources = f"source_ref_paths={pools}/organic,{pools}/recycled"
    return [f"{pools}/all.yaml", sources, f"output_dir={pools}/{out}"]


def content(folder):
    names = [path for path in folder.iterdir() if path.is_file() and not path.name.endswith(".stats.json")]
    return {path.name: path.read_bytes() for path in names}


def test_every_step_finds_what_was_planted_and_counts_it(pools, capsys):
    main(command(pools, "out"))
    dataset = json.loads((pools / "out" / "dataset.json").read_text())
    steps = {(step["step"], step["source"]): step for step in dataset["steps"]}
    assert steps["heuristics", "organic"]["drops"] == {"too_short": 1}
    assert ("heuristics", "recycled") not in steps
    assert steps["dedup_exact", "organic"]["drops"] == {"duplicate_exact": 1}
    assert steps["dedup_minhash", "organic"]["drops"] == {"duplicate_minhash": 1}
    assert steps["dedup_minhash", "recycled"]["also_in_earlier_source"] > 20  # measured, not dropped
    assert steps["dedup_ngram", "organic"]["docs_shortened"] == 1
    assert steps["decontaminate", "organic"]["docs_contaminated"] == 1
    assert dataset["contaminated_items"]["water"]["organic"] == 1
    report = json.loads((pools / "out" / "decontamination.json").read_text())
    assert report["tasks"]["water"]["sources"]["organic"] == {"items": 1, "matches": 1, "ids": ["0"]}
    for step in dataset["steps"]:
        assert step["docs_in"] == step["docs_out"] + sum(step["drops"].values())
    kept = list(read_pool(f"{pools}/out"))
    assert not any("BOILING" in one["text"] for one in kept)
    assert all(one["token_count"] == round(len(one["text"].encode()) / 4.3) + 1 for one in kept)
    assert all({"q", "size", "source", "url"} <= set(one) for one in kept)
    assert dataset["tokens"] == sum(one["token_count"] for one in kept)
    assert dataset["passes"] == pytest.approx(100000 / dataset["tokens"])
    # one filter per group and source; the recycled source has one shard, so one group
    assert [one["fp_rate"] < 0.01 for one in dataset["filters"]] == [True] * 3
    capsys.readouterr()


def test_a_kill_at_any_point_and_a_rerun_give_the_same_bytes(pools, root, capsys):
    main(command(pools, "whole"))
    capsys.readouterr()
    environment = {**os.environ, "PYTHONPATH": str(root)}
    started = [sys.executable, "-m", "filter.run", *command(pools, "cut")]
    # kill behind each of some moments of the run, told by how many files lie in its folder; the last run ends by itself
    for wanted in (4, 12, 24, 40):
        child = subprocess.Popen(started, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while child.poll() is None and time.monotonic() < deadline and files_in(pools / "cut") < wanted:
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.wait()
    main(command(pools, "cut"))
    assert content(pools / "cut") == content(pools / "whole")
    capsys.readouterr()


def files_in(folder):
    return sum(len(files) for _, _, files in os.walk(folder))


def broken_pool(folder: Path, shards: int, lines: int):
    """A pool of which every twentieth line is broken in one of five ways; returns the numbers of good and bad lines."""
    folder.mkdir()
    broken = [b"{", b'{"id": 1}', b"[]", b'{"text": null}', b"\xff\xfe"]
    good = bad = 0
    for shard in range(shards):
        rows = []
        for line in range(lines):
            number = shard * lines + line
            if number % 20 == 0:
                rows.append(broken[number // 20 % 5])
                bad += 1
            else:
                rows.append(json.dumps({"text": f"the page {number}" + " of" * (number % 17)}).encode())
                good += 1
        (folder / f"shard_{shard:05d}.jsonl").write_bytes(b"\n".join(rows) + b"\n")
    return good, bad


@pytest.mark.parametrize("shards", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_shards_with_broken_lines_end_with_every_line_accounted_for(shards, tmp_path, capsys):
    good, bad = broken_pool(tmp_path / "pool", shards, 20)
    config = tmp_path / "recipe.yaml"
    config.write_text(json.dumps({
        "scorers": [{"kind": "simple"}],
        "sources": [{"name": "organic", "select": {"kind": "fraction", "fraction": 0.5}}],
        "dedup": [{"kind": "exact"}],
        "shard_docs": 5000,
    }))  # fmt: skip
    main([str(config), f"source_ref_paths={tmp_path}/pool", f"output_dir={tmp_path}/out"])
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    first, select, *others = dataset["steps"]
    for step in (first, select):
        assert step["docs_in"] == good + bad
        assert sum(step["drops"].get(reason, 0) for reason in ("not_json", "no_object", "no_text")) == bad
    for step in dataset["steps"]:
        assert step["docs_in"] == step["docs_out"] + sum(step["drops"].values())
    assert first["docs_out"] == good
    assert [step["docs_in"] for step in others] == [select["docs_out"], others[0]["docs_out"]]
    rejected = 0
    for path in (tmp_path / "out" / "steps").glob("score-*/organic/*.rejects.jsonl"):
        rejected += len(path.read_bytes().split(b"\n")) - 1
    assert rejected == bad
    assert len(list(read_pool(f"{tmp_path}/out"))) == dataset["documents"]
    capsys.readouterr()
