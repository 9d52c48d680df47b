"""Estimates: the published arithmetic, and a pool of known size."""

import pytest

from common.pools.documents import write_documents
from common.pools.shards import list_shards
from rephrase.plan import CHARS_PER_TOKEN, hours, main, measure_pool


def test_published_hours():
    assert hours(72e9, 13_020.83) == pytest.approx(1536, abs=0.01)
    assert hours(120e6, 13_020.83) == pytest.approx(2.56, abs=0.001)


@pytest.fixture
def pool(tmp_path):
    for number in range(3):
        write_documents(str(tmp_path / f"in/s{number}.jsonl"), [{"id": str(n), "text": "x" * 440} for n in range(10)])
    return str(tmp_path / "in")


def test_a_pool_is_its_first_shard_times_the_bytes(pool):
    first, whole = measure_pool(list_shards(pool), CHARS_PER_TOKEN)
    assert (first.documents, first.chars, first.tokens) == (10, 4400, pytest.approx(1000))
    assert (whole.documents, whole.tokens) == (pytest.approx(30), pytest.approx(3000))


def test_the_table_says_hours_for_shard_and_pool(pool, capsys):
    main([pool, "model=m", "organic_tok_s_device=1", "gpus=2"])
    out = capsys.readouterr().out
    assert "1.0 organic tokens/s per device, assumed" in out
    assert "0.28" in out and "0.83" in out and "0.42" in out  # 1000 s, 3000 s, 3000 s on 2


def test_a_benchmark_measures_the_rate(pool, server_url, capsys):
    main([pool, "model=stand-in", f"engine.url={server_url}", "benchmark=true", "benchmark_docs=10"])
    out = capsys.readouterr().out
    assert "documents: 10.00" in out and "chunks_ok_frac: 1.00" in out and "measured here" in out


def test_no_pool_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["nowhere", "model=m"])
    assert stop.value.code == 2 and "no pool at nowhere" in capsys.readouterr().err
