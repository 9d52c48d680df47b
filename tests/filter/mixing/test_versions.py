import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import write_documents
from common.pools.shards import list_shards, read_pool
from filter.mixing.versions import page_hash, settle_sources, settle_versions, versions
from filter.run import main

ORGANIC = [{"id": "a", "q": 0.9}, {"id": "b", "q": 0.2}, {"id": "c", "q": 0.5}]
RECYCLED = [
    {"id": "b", "q": 0.6, "rephrase": {}},
    {"id": "a#1", "q": 0.3, "rephrase": {"page": "a", "rollout": 1}},
    {"id": "d", "rephrase": {}},
]


def settled(prefer):
    columns = versions([*ORGANIC, *RECYCLED], "q")
    both, organic, recycled = settle_versions(columns.pages, columns.scores, columns.recycled, prefer)
    names = {page_hash({"id": name}): name for name in "abcd"}
    return both, [names[int(one)] for one in organic], [names[int(one)] for one in recycled]


def test_both_versions_of_a_page_are_counted_and_kept():
    assert settled("allow") == (2, [], [])


def test_the_better_version_stays():
    assert settled("prefer_best") == (2, ["b"], ["a"])


def test_the_recycled_version_stays():
    both, organic, recycled = settled("prefer_recycled")
    assert (both, sorted(organic), recycled) == (2, ["a", "b"], [])


@given(st.text(min_size=1))
def test_nothing_is_read_out_of_an_id(identity):
    page = page_hash({"id": identity})
    assert page_hash({"id": identity, "rephrase": None}) == page == page_hash({"id": identity, "rephrase": {}})
    assert page_hash({"id": "r", "rephrase": {"page": identity, "rollout": 0}}) == page


def pools(folder, organic, recycled):
    """Two pools on disk, as a recipe's sources."""
    found = {}
    for name, rows in (("organic", organic), ("recycled", recycled)):
        rows = [{"text": f"{name} {number}", **row} for number, row in enumerate(rows)]
        write_documents(str(folder / name / "s.jsonl"), rows)
        found[name] = list_shards(str(folder / name))
    return found


FIELDS = {"organic": None, "recycled": None}


def test_fragments_of_addresses_are_found_in_both_versions(tmp_path):
    ids = [f"https://f.org/t/9#{number}" for number in range(4)]
    shards = pools(tmp_path, [{"id": one} for one in ids], [{"id": one, "rephrase": {"chunks": []}} for one in ids])
    assert settle_sources(shards, FIELDS, "prefer_recycled").both == 4


def test_rollouts_of_an_earlier_version_are_understood_where_no_organic_id_looks_like_one(tmp_path, caplog):
    recycled = [{"id": f"p{page}#{n}", "rephrase": {"chunks": []}} for page in (0, 1) for n in (0, 1)]
    found = settle_sources(pools(tmp_path / "old", [{"id": "p0"}, {"id": "p2"}], recycled), FIELDS, "prefer_recycled")
    assert (found.both, found.old_ids) == (1, True) and "earlier version" in caplog.text
    mixed = [*recycled, {"id": "p9", "rephrase": {"chunks": []}}]
    assert not settle_sources(pools(tmp_path / "new", [{"id": "p0"}], mixed), FIELDS, "allow").old_ids


def test_pages_that_share_an_id_are_refused_with_their_number(tmp_path):
    rows = [{"id": "x"}, {"id": "x"}, {"id": "y"}, {"id": "y"}, {"id": "z"}]
    shards = pools(tmp_path, rows, [{"id": "x", "rephrase": {}}, {"id": "z", "rephrase": {}}])
    with pytest.raises(ValueError, match=r"^1 ids are borne by more than one document"):
        settle_sources(shards, FIELDS, "prefer_recycled")
    assert settle_sources(shards, FIELDS, "allow").both == 2  # where nothing is dropped, nothing is refused


@pytest.mark.integration
@pytest.mark.parametrize("form", [".parquet", ".jsonl"])
def test_a_mix_of_organic_and_recycled_pages_is_filtered_again_without_a_loss(tmp_path, form, capsys):
    organic = [{"id": f"o{number}"} for number in range(3)]
    recycled = [{"id": f"r{n}", "rephrase": {"semantic": 0.9, "chunks": [{"start": 0, "flags": []}]}} for n in range(3)]
    pools(tmp_path, organic, [*recycled, {"id": "bad", "rephrase": {"semantic": 0.1}}, {"id": "none", "rephrase": {}}])
    both = f"{tmp_path}/organic,{tmp_path}/recycled"
    main([f"source_ref_paths={both}", f"output_dir={tmp_path}/mix", f"form={form}"])
    recipe = {"heuristics": [{"kind": "gate", "field": "rephrase.semantic", "low": 0.65}], "sources": [{"name": "all"}]}
    (tmp_path / "gate.yaml").write_text(json.dumps(recipe))
    main([f"{tmp_path}/gate.yaml", f"source_ref_paths={tmp_path}/mix", f"output_dir={tmp_path}/out"])
    assert sorted(one["id"] for one in read_pool(f"{tmp_path}/out")) == ["o0", "o1", "o2", "r0", "r1", "r2"]
    drops = json.loads((tmp_path / "out" / "dataset.json").read_text())["steps"][0]["drops"]
    assert drops == {"gate_semantic": 1, "gate_semantic_missing": 1}
    capsys.readouterr()
