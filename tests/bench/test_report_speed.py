"""A report over 10,000 recycled documents is made in under 20 s of CPU; the suite holds a short form of it."""

import random
import time

import pytest

from common.pools.documents import write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards
from eval.report.__main__ import main

MOST_S = 20.0

STEMS, ENDS = ("river", "stone", "market", "garden"), ("s", "ed", "ing", " of the", "")


def pages(count):
    rng = random.Random(0)
    words = [stem + end for stem in STEMS for end in ENDS]
    for number in range(count):
        lines = [" ".join(rng.choices(words, k=25)).capitalize() + f" in {1900 + number % 100}." for _ in range(14)]
        yield {"id": f"page {number}", "text": "Menu | Home\n\n" + "\n".join(lines)}


def recycle(documents):
    for document in documents:
        organic = document["text"]
        text = organic.partition("\n\n")[2]
        chunks = [{"start": 0, "end": len(organic), "out_start": 0, "out_end": len(text), "status": "ok"}]
        yield Result({**document, "organic_text": organic, "text": text, "rephrase": {"chunks": chunks}})


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.bench])])
def test_a_report_over_recycled_documents_does_not_take_long(tmp_path, count, capsys):
    shards = 20
    documents = list(pages(count))
    for number in range(shards):
        write_documents(str(tmp_path / "pool" / f"{number:02}.jsonl.zst"), documents[number::shards])
    for shard in list_shards(tmp_path / "pool"):
        process_shard(shard, tmp_path / "recycled", recycle, config_hash="h")
    began = time.process_time()
    main([str(tmp_path / "recycled"), f"out={tmp_path / 'report.html'}"])
    took = time.process_time() - began
    assert "The text of recycled is faithful" in capsys.readouterr().out
    size = (tmp_path / "report.html").stat().st_size
    print(f"{count:,} documents: {took:.1f} s of CPU, {size / 1e6:.2f} MB")  # noqa: T201 - the bench's figure
    assert took < MOST_S
