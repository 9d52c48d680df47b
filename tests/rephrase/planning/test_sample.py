"""What a sample says of its pool: exact where all is read, and within its interval where it is not."""

import random

import pytest

from common.pools.documents import read_documents, write_documents
from common.pools.shards import list_shards
from rephrase.config import RouteConfig
from rephrase.planning.config import PlanConfig
from rephrase.planning.sample import PoolSample


def config(**values):
    return PlanConfig(**{"input": "", "model": "m", **values})


def write_pool(folder, shards, documents, seed=0, form=".jsonl"):
    """Shards of different mean lengths; the number of characters in all."""
    draw = random.Random(seed)
    chars = 0
    for number in range(shards):
        mean = draw.uniform(200, 400)
        rows = [
            {"id": f"{number}-{n}", "text": "word " * int(draw.expovariate(1 / mean) / 5 + 1)} for n in range(documents)
        ]
        chars += sum(len(row["text"]) for row in rows)
        write_documents(str(folder / f"s{number:03d}{form}"), rows)
    return chars


@pytest.mark.parametrize("form", [".jsonl", ".jsonl.zst", ".jsonl.gz", ".parquet"])
def test_all_of_it_read_is_exact(tmp_path, form):
    chars = write_pool(tmp_path, 3, 20, form=form)
    found = PoolSample(list_shards(str(tmp_path)), config(sample_mb=0)).figures()
    assert found["documents"] == pytest.approx((60, 0)) and found["chars"] == pytest.approx((chars, 0))
    assert found["tokens"] == pytest.approx((chars / 4.4, 0)) and found["requests"] == pytest.approx((60, 0))


def test_an_interval_holds_the_truth_about_as_often_as_it_says(tmp_path):
    chars = write_pool(tmp_path, 30, 40)
    shards = list_shards(str(tmp_path))
    held = 0
    for seed in range(25):
        value, error = PoolSample(shards, config(sample_shards=6, seed=seed, sample_docs=60)).figures()["tokens"]
        assert error > 0
        held += abs(value - chars / 4.4) <= error
    assert held >= 21  # of 25; 95 % are 24


def test_a_shard_that_is_read_in_part_is_scaled_by_its_bytes(tmp_path):
    chars = write_pool(tmp_path, 2, 20_000)  # 6 MB each, in pieces of a megabyte
    found = PoolSample(list_shards(str(tmp_path)), config(sample_mb=6))
    assert all(not looked.whole and len(looked.stretches) > 1 for looked in found.looked)
    value, error = found.figures()["chars"]
    assert 0 < error < 0.1 * chars and value == pytest.approx(chars, rel=0.03)


def test_pages_that_a_route_passes_by_take_no_time(tmp_path):
    rows = [{"id": str(n), "text": "x" * 440, "quality": n / 10} for n in range(10)] + [
        {"id": "none", "text": "x" * 440}
    ]
    write_documents(str(tmp_path / "s.jsonl"), rows)
    shards = list_shards(str(tmp_path))
    for outside in ("keep", "discard"):
        route = RouteConfig(field="quality", max_score=0.35, outside=outside)
        found = PoolSample(shards, config(route=route)).figures()
        assert found["tokens"].value == pytest.approx(1100) and found["tokens_taken"].value == pytest.approx(400)
        assert found["requests"].value == 4


def test_bytes_of_output_are_those_of_a_run_that_returns_what_it_was_sent(tmp_path, server_url):
    rows = [{"id": str(n), "text": f"WORD {n}. " * 30, "url": "https://a.org"} for n in range(12)]
    write_documents(str(tmp_path / "in/s.jsonl"), rows)
    from rephrase.run import main

    served = ["model=stand-in", "engine.kind=server", f"engine.url={server_url}"]
    main(["0", "0", f"input={tmp_path / 'in'}", f"output={tmp_path / 'out'}", *served])
    assert [one["text"] for one in read_documents(str(tmp_path / "out/s.jsonl"))] == [
        row["text"].strip() for row in rows
    ]
    planned = PoolSample(list_shards(str(tmp_path / "in")), config(model="stand-in")).figures()["bytes_out"].value
    assert planned == pytest.approx((tmp_path / "out/s.jsonl").stat().st_size, rel=0.05)
