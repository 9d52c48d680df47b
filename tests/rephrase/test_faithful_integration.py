"""The recycled pages of this machine's own documents say what the pages said, and their furniture is gone."""

import json

import pytest

from common.local_pool import local_documents
from common.pools.documents import write_documents
from common.pools.shards import read_pool
from eval.faithfulness.pairs import chunk_records, read_pairs
from eval.faithfulness.recycled import pool_figures
from rephrase.run import main
from rl.held_out import run_gains

PAGES = 8


def broken(figures):
    """The names of the promises that a pool's figures break."""
    least = {"content_kept": 0.92, "numbers_kept": 0.97, "length_ratio_nothing_dropped": 0.95, "in_form": 0.9}
    most = {"words_invented": 0.002, "novel_5grams": 0.03, "sent_back": 0.15}
    found = [name for name, bound in (least | {"lines_dropped": 0.6}).items() if (figures[name] or 0) < bound]
    found += [name for name, bound in most.items() if figures[name] > bound]
    quality = figures["quality"]
    found += ["quality"] * (quality["error"] is None or quality["gain"] <= 2 * quality["error"])
    return found + ["verbatim"] * bool(figures["verbatim"]["altered"])


@pytest.mark.slow
def test_the_finished_quickstart_is_faithful(root):
    summary = root / "runs" / "quickstart" / "summary.json"
    if not summary.is_file():
        pytest.skip("no finished quickstart here (scripts/quickstart.sh)")
    stages = json.loads(summary.read_text(encoding="utf-8"))
    figures = next(stage["faithfulness"] for stage in stages.values() if "faithfulness" in stage)
    assert broken(figures) == []


@pytest.mark.slow
def test_the_finished_quickstarts_training_gains_quality_and_loses_no_content(root):
    run = root / "runs" / "quickstart" / "rl"
    if not (run / "done.json").is_file():
        pytest.skip("no finished quickstart here (scripts/quickstart.sh)")
    gains = run_gains(str(run))
    assert gains["quality"]["gain"] > gains["quality"]["error"]
    kept = ("semantic", "content kept", "numbers kept")
    assert [name for name in kept if gains[name]["gain"] < -gains[name]["error"] - 1e-9] == []


def test_a_few_pages_keep_their_prose_and_lose_their_furniture_and_a_copy_fails(root, tmp_path):
    pages = [page for page in local_documents(2500) if 400 <= len(page["text"]) <= 2500 and "[![" in page["text"]]
    write_documents(str(tmp_path / "pool" / "shard_00000000_processed.jsonl"), pages[:PAGES])
    config = str(root / "configs" / "rephrase" / "rephrase_tiny_cpu.yaml")
    model = str(root / "rephrase" / "tiny")
    gate = ["gate.numbers=0.9", "gate.empty_passes=false"]  # as the quickstart recycles
    main([config, f"input={tmp_path / 'pool'}", f"output={tmp_path / 'out'}", f"model={model}", "workers=1", *gate])
    pairs = list(read_pairs(str(tmp_path / "pool"), str(tmp_path / "out")))
    figures = pool_figures((pair["organic_text"], pair["text"], chunk_records(pair)) for pair in pairs)
    assert broken(figures) == []
    copies = [(page["text"], page["text"], _as_they_were(page["text"])) for page in read_pool(tmp_path / "pool")]
    assert {"lines_dropped", "quality"} <= set(broken(pool_figures(copies)))


def _as_they_were(text):
    return [{"start": 0, "end": len(text), "out_start": 0, "out_end": len(text), "status": "ok", "flags": []}]
