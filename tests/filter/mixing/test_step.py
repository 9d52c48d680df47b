import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.pools.documents import read_documents, write_documents
from common.pools.shards import Shard
from filter.mixing import planning
from filter.mixing.planning import plan_shards
from filter.mixing.shares import Share
from filter.mixing.step import MixJob, gather_shard, index_shard

POOL = st.lists(st.tuples(st.sampled_from("abcdef"), st.text(st.characters(exclude_categories=["Cs"]), max_size=9)))
ONCE = Share(1)
NONE = np.array([], np.uint64)


def mixed(folder, pool, number, seed=0, share=ONCE, form=".jsonl"):
    """The mix of one source as `number` output shards: their documents, shard after shard."""
    documents = [{"id": identity, "text": text, "token_count": 3} for identity, text in pool]
    write_documents(str(folder / "pool" / "a.jsonl"), documents)
    source = Shard(0, str(folder / "pool" / "a.jsonl"), "a")
    job = MixJob(str(folder / f"index{number}{seed}"), str(folder / f"out{number}{seed}"), seed, "hash", form)
    stats = index_shard(source, job, "organic", share, NONE)
    shards = [Shard(one, "", f"shard_{one}") for one in range(number)]
    plan_shards(job, [("organic", source)], shards)
    gathered = [gather_shard(shard, job, [("organic", source)]) for shard in shards]
    assert sum(one["docs_out"] for one in gathered) == stats["docs_out"]
    assert sum(one["tokens"] for one in gathered) == stats["tokens"] == 3 * stats["docs_out"]
    return [list(read_documents(f"{job.output}/{shard.name}{form}")) for shard in shards]


@settings(max_examples=20)
@given(POOL, st.integers(1, 7))
def test_the_order_does_not_depend_on_the_number_of_shards(tmp_path_factory, pool, number):
    folder = tmp_path_factory.mktemp("mix")
    (whole,) = mixed(folder, pool, 1)
    parts = mixed(folder, pool, number)
    assert [one for part in parts for one in part] == whole
    assert sorted((one["id"], one["text"]) for one in whole) == sorted(pool)


def test_shards_are_about_equal_and_another_seed_is_another_order(tmp_path):
    pool = [(f"p{number}", "t") for number in range(4000)]
    parts = mixed(tmp_path, pool, 4)
    assert all(900 < len(part) < 1100 for part in parts)  # 1000 each, within 3.6 standard deviations
    order = [one["id"] for part in parts for one in part]
    other = [one["id"] for part in mixed(tmp_path, pool, 4, seed=1) for one in part]
    assert order != other and sorted(order) == sorted(other)


@pytest.mark.parametrize("form", [".jsonl", ".parquet"])
def test_copies_say_which_they_are(tmp_path, form):
    (documents,) = mixed(tmp_path, [("a", "x"), ("b", "y")], 1, share=Share(3), form=form)
    assert Counter((one["id"], one.get("copy") or 0) for one in documents) == Counter(
        [(identity, copy) for identity in "ab" for copy in range(3)]
    )


def test_a_kept_line_is_passed_on_as_it_is(tmp_path):
    line = b'{"id":"a","text":"caf\\u00e9 \\u2028","n":1.50,"big":12345678901234567890123}\n'
    (tmp_path / "a.jsonl").write_bytes(line)
    source = Shard(0, str(tmp_path / "a.jsonl"), "a")
    job = MixJob(str(tmp_path / "index"), str(tmp_path / "out"), 0, "hash", ".jsonl")
    index_shard(source, job, "organic", Share(1), NONE)
    plan_shards(job, [("organic", source)], [Shard(0, "", "b")])
    gather_shard(Shard(0, "", "b"), job, [("organic", source)])
    assert (tmp_path / "out" / "b.jsonl").read_bytes() == line
    assert json.loads((tmp_path / "out" / "b.stats.json").read_text())["docs_out"] == 1


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_plans_made_in_rounds_are_those_made_at_once(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(planning, "PIECE_ROWS", 3)
    sources = []
    for name in "abc":
        documents = [{"id": f"{name}{number}", "text": "t"} for number in range(ord(name) - 90)]
        write_documents(str(tmp_path / f"{name}.jsonl"), documents)
        sources.append(("organic", Shard(len(sources), str(tmp_path / f"{name}.jsonl"), name)))
    targets = [Shard(number, "", f"shard_{number}") for number in range(5)]
    found = []
    for most in (1 << 23, rows):
        monkeypatch.setattr(planning, "ROUND_ROWS", most)
        job = MixJob(str(tmp_path / f"work{most}"), str(tmp_path / f"out{most}"), 3, "hash", ".jsonl")
        for name, shard in sources:
            index_shard(shard, job, name, ONCE, NONE)
        plan_shards(job, sources, targets)
        found.append([np.load(job.plan_path(shard)).tolist() for shard in targets])
        assert sum(gather_shard(shard, job, sources)["docs_out"] for shard in targets) == 7 + 8 + 9
        assert not list((tmp_path / f"work{most}").glob("*.plan.npy"))
    assert found[0] == found[1] and all(found[0])
