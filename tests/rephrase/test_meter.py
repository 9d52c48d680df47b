"""Seconds and rates mean one thing: the wall time of the work on a shard, from the first request on, start-up apart."""

import pytest

from common.pools.documents import write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards
from rephrase.config import RephraseConfig
from rephrase.meter import Meter


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in ("common.pools.exactly_once.time", "rephrase.meter.time"):
        monkeypatch.setattr(module, clock)
    return clock


START_UP_S, DOCUMENT_S, AFTER_S = 40.0, 2.0, 0.5


def work(pool, out, clock, counts, part_docs, stop_after=None):
    """A stage whose models load for 40 s and which then takes 2 s for each document; its stats and its log."""
    rows = []
    config = RephraseConfig(input=str(pool), output=str(out), model="m", part_docs=part_docs)
    meter = Meter("a", config, rows.append)

    def transform(documents):
        clock.now += START_UP_S if not rows else 0
        meter.start(devices=2)
        for number, document in enumerate(documents):
            if number == stop_after:
                raise KeyboardInterrupt
            clock.now += DOCUMENT_S
            meter.add({"docs": 1, **counts})
            yield Result(document)
        clock.now += AFTER_S

    (shard,) = list_shards(pool)
    try:
        stats = process_shard(shard, out, transform, config_hash="h", part_docs=part_docs)
    except KeyboardInterrupt:
        return None, rows
    meter.report()
    return stats, rows


@pytest.fixture
def pool(tmp_path):
    write_documents(str(tmp_path / "in/a.jsonl"), [{"id": str(n), "text": f"page {n}"} for n in range(10)])
    return tmp_path / "in"


@pytest.mark.parametrize("part_docs", [1, 4, 1000])
def test_a_stage_takes_as_long_as_its_work_however_it_is_cut_into_parts(pool, tmp_path, clock, part_docs):
    stats, rows = work(pool, tmp_path / "out", clock, {"tokens_organic": 100, "tokens_completion": 50}, part_docs)
    assert stats["seconds"] == 10 * DOCUMENT_S + AFTER_S  # the first document's time and the end's, not the start-up
    assert rows[-1]["docs"] == 10
    assert 20 <= rows[-1]["elapsed_s"] <= 20.5
    assert rows[-1]["organic_tok_s_device"] == pytest.approx(1000 / rows[-1]["elapsed_s"] / 2, abs=0.06)
    assert rows[-1]["completion_tok_s_device"] == pytest.approx(500 / rows[-1]["elapsed_s"] / 2, abs=0.06)


def test_one_document_has_the_rate_of_its_work(pool, tmp_path, clock):
    _, rows = work(pool, tmp_path / "out", clock, {"tokens_organic": 100}, 1)
    assert rows[0]["docs"] == 1 and rows[0]["elapsed_s"] == DOCUMENT_S
    assert rows[0]["organic_tok_s_device"] == 25.0  # and not 100 tokens in next to no time


def test_where_tokens_are_not_known_there_is_no_rate(pool, tmp_path, clock):
    _, rows = work(pool, tmp_path / "out", clock, {}, 4)
    assert {row["organic_tok_s_device"] for row in rows} == {None}
    assert {row["completion_tok_s_device"] for row in rows} == {None}


def test_a_stage_that_was_stopped_counts_the_work_of_both_runs(pool, tmp_path, clock):
    work(pool, tmp_path / "out", clock, {}, 4, stop_after=9)
    clock.now += 1e6
    stats, _ = work(pool, tmp_path / "out", clock, {}, 4)
    assert stats["seconds"] == 11 * DOCUMENT_S + AFTER_S  # the page behind the last part was made twice
