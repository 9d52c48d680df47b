"""The command: what it prints, where the rate is from, and mistakes in one line."""

import re

import pytest

from common.pools.documents import write_documents
from rephrase.plan import main
from rephrase.planning.estimate import hours, times
from rephrase.planning.sample import Figure


def test_published_hours():
    assert hours(72e9, 13_020.83) == pytest.approx(1536, abs=0.01)
    assert hours(120e6, 13_020.83) == pytest.approx(2.56, abs=0.001)


def test_errors_of_two_sources_add_in_quadrature():
    assert times(Figure(100, 3), 2, 0.04) == pytest.approx(Figure(200, 10))  # 3 % and 4 % are 5 %
    assert times(Figure(100, None), 2) == times(Figure(100, 3), 2, None) == Figure(200, None)


@pytest.fixture
def pool(tmp_path):
    for number in range(3):
        write_documents(str(tmp_path / f"in/s{number}.jsonl"), [{"id": str(n), "text": "x" * 440} for n in range(10)])
    return str(tmp_path / "in")


def planned(capsys, *arguments):
    """What is printed, the table as a mapping from names to numbers."""
    main([str(argument) for argument in arguments])
    out = capsys.readouterr().out
    rows = [re.split(r"  +", line) for line in out.split("\n\n")[0].splitlines()[1:]]
    return out, {name: tuple(None if one == "?" else float(one.replace(",", "")) for one in row) for name, *row in rows}


def test_a_pool_that_is_read_whole_is_known_exactly(pool, capsys):
    out, found = planned(
        capsys, pool, "model=m", "engine=vllm", "tokens_per_s=1", "gpus=2", "usd_per_hour=3", "start_s=36"
    )
    assert found["documents"] == (30, 30, 30) and found["characters"] == (13_200,) * 3
    assert found["organic tokens"] == found["tokens to rephrase"] == (3000,) * 3 and found["requests"] == (30,) * 3
    assert found["device hours"] == (0.83,) * 3  # 3,000 s
    assert found["hours on 2 devices"] == (0.43,) * 3  # 1,500 s and the start
    assert found["US dollars"] == (2.5,) * 3
    assert "1.0 organic tokens/s per device, as given" in out and "estimated from characters" in out
    assert "0.0% from the sample" in out and "the rate's own error is not known" in out


def test_without_a_rate_it_is_the_published_one_and_is_called_assumed(pool, capsys):
    out, _ = planned(capsys, pool, "model=m")
    assert "13,020.8 organic tokens/s per device, assumed" in out and "usd_per_hour=PRICE" in out


def test_one_shard_of_several_says_nothing_of_the_others(pool, capsys):
    out, found = planned(capsys, pool, "model=m", "sample_shards=1")
    assert found["organic tokens"] == (3000, None, None) and "raise sample_shards" in out


def test_a_benchmark_measures_the_rate(pool, server_url, capsys):
    served = ["model=stand-in", f"engine.url={server_url}"]
    out, found = planned(capsys, pool, *served, "benchmark=true", "benchmark_docs=10")
    assert "measured here on 10 documents" in out and "(100% of the chunks ok)" in out
    assert found["tokens written"][0] > 0


def test_two_sources_of_the_rate_are_a_mistake(pool, capsys):
    with pytest.raises(SystemExit) as stop:
        main([pool, "model=m", "benchmark=true", "tokens_per_s=1"])
    assert stop.value.code == 2 and "benchmark and tokens_per_s both say" in capsys.readouterr().err


def test_no_pool_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["nowhere", "model=m"])
    assert stop.value.code == 2 and "no pool at nowhere" in capsys.readouterr().err
