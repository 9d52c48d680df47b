"""A pool in virtual time: every document once whatever happens, the figures of the design, and equal runs are equal."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rephrase.plan import main
from rephrase.simulation.config import SimulateConfig
from rephrase.simulation.course import run_workers
from rephrase.simulation.outcome import lines, outcome
from rephrase.simulation.pool import pool_shape
from rephrase.simulation.world import World

TOK_S = 13_000
PART_S = 1000 * 1200 / TOK_S


def simulated(tok_s=TOK_S, **values):
    """What a run comes to, and its surroundings."""
    config = SimulateConfig.model_validate(values)
    world = World(config, pool_shape(config), tok_s)
    return outcome(world, run_workers(world)), world


def holds_each_document_once(found, world):
    """All shards are finished, and by its marks each holds all its documents and no more."""
    return (found.lost_documents, found.doubled_documents) == (0, 0) and len(world.finished_at) == found.shards


@given(
    workers=st.integers(1, 8),
    shards=st.integers(1, 6),
    shard_tokens=st.sampled_from([1e3, 1.2e5, 5e5, 1.5e6]),
    preempt_every_s=st.sampled_from([0, 150, 400, 2000]),
    notice_s=st.sampled_from([0, 5, 120]),
    most_parts=st.integers(1, 9),
    slow_share=st.sampled_from([0, 0.3]),
    stall_every_s=st.sampled_from([0, 300]),
    every_beat=st.booleans(),
    store=st.fixed_dictionaries(
        {
            "latency_s": st.sampled_from([0, 0.05, 3]),
            "late_s": st.sampled_from([0, 2, 20]),
            "requests_per_s": st.sampled_from([0, 20]),
        }
    ),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_every_document_comes_out_once_whatever_happens(**values):
    found, world = simulated(part_docs=100, restart_s=20, start_s=20, lease_s=30, stall_s=70, **values)
    assert holds_each_document_once(found, world)
    assert found.wall_s >= found.tokens / TOK_S / values["workers"]


@pytest.mark.parametrize("latency_s", [0, 0.05])
def test_signs_of_life_that_are_only_counted_change_nothing(latency_s):
    common = {"workers": 7, "shards": 4, "shard_tokens": 24e6, "preempt_every_s": 600, "part_docs": 300}
    common["store"] = {"latency_s": latency_s}
    lazy, eager = (simulated(every_beat=every, **common)[0] for every in (False, True))
    assert lazy.interruptions > 5
    near = {"rel": 0.05 if latency_s else 1e-9}
    assert lazy.wall_s == pytest.approx(eager.wall_s, **near)
    assert lazy.requests["overwrite"] == pytest.approx(eager.requests["overwrite"], rel=0.1 if latency_s else 1e-9)
    if latency_s == 0:
        assert {**lazy.requests, "overwrite": 0} == {**eager.requests, "overwrite": 0}


def test_equal_runs_are_equal():
    first, second = (simulated(workers=5, shards=3, shard_tokens=12e6)[0] for _ in range(2))
    assert first == second


def test_one_worker_that_nobody_disturbs_takes_the_work_and_its_start():
    found, world = simulated(
        workers=1, shards=2, shard_tokens=24e6, preempt_every_s=0, store={"latency_s": 0}, read_s=0
    )
    assert found.again_frac == 0
    last_s = max(world.times.ahead_s)
    assert 0 <= found.wall_s - found.tokens / TOK_S - 120 <= 2 * last_s + 1  # an engine is never drained in between


@pytest.mark.parametrize(("notice_s", "most"), [(0, 0.025), (120, 0.01)])
def test_forty_workers_over_twenty_four_shards_stay_near_the_ideal(notice_s, most):
    found, world = simulated(workers=40, shards=24, notice_s=notice_s)
    assert holds_each_document_once(found, world)
    assert found.again_frac <= most
    assert found.wall_s <= 1.2 * found.ideal_s
    assert found.requests_per_part < 20


@pytest.mark.slow
@pytest.mark.parametrize(("notice_s", "most_again"), [(0, 0.025), (120, 0.01)])
@pytest.mark.parametrize(("shards", "most_late"), [(600, 1.2), (20_000, 1.05)])
def test_a_thousand_workers(shards, most_late, notice_s, most_again):
    began = time.process_time()
    found, world = simulated(workers=1000, shards=shards, notice_s=notice_s)
    cpu_s = time.process_time() - began
    print("\n" + "\n".join(lines(world, found, cpu_s)))  # noqa: T201 - the figures
    assert holds_each_document_once(found, world)
    assert found.again_frac <= most_again
    assert found.wall_s <= most_late * found.ideal_s
    assert found.requests_per_part < 20


def test_requests_per_part_do_not_grow_with_the_pool():
    per_part = [simulated(workers=10, shards=n, shard_tokens=12e6)[0].requests_per_part for n in (20, 80)]
    assert per_part[1] <= per_part[0]


def test_the_command_prints_what_came_of_it(capsys):
    main(["simulate", "workers=10", "shards=4", "shard_tokens=6e6", "usd_per_hour=2", "tokens_per_s=13000"])
    out = capsys.readouterr().out
    assert "4 shards of " in out and "10 workers with 512 requests in flight at 13,000 tokens/s" in out
    assert "documents lost, doubled  0, 0 of " in out and "wall time / ideal" in out and "requests per part" in out
    assert "US dollars               " in out and "rate: as given" in out


def test_a_pool_is_sampled_for_its_documents(tmp_path, capsys):
    from common.pools.documents import write_documents

    rows = [{"id": str(n), "text": "word " * 500} for n in range(50)]
    for number in range(2):
        write_documents(str(tmp_path / f"s{number}.jsonl"), rows)
    main(["simulate", str(tmp_path), "workers=2", "part_docs=10", "tokens_per_s=1000", "preempt_every_s=0"])
    out = capsys.readouterr().out
    assert "2 shards of 0.0M tokens in 5 parts of up to 10 documents" in out and "0, 0 of 100" in out


def test_a_pool_that_is_not_there_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["simulate", "nowhere", "workers=2"])
    assert stop.value.code == 2 and "no pool at nowhere" in capsys.readouterr().err
