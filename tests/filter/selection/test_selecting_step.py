"""What a selection is known by."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import write_documents
from common.pools.shards import list_shards, read_pool
from common.tokens.counting import TokenCountConfig
from filter.selection.cut import Cut
from filter.selection.scoring_step import ScoreJob, score_shard
from filter.selection.selecting_step import SelectJob, first_select_hash, select_hash, select_shard

CUTS = st.builds(
    Cut,
    st.floats(allow_nan=False),
    st.integers(0, 2**64 - 1),
    st.none() | st.lists(st.integers(0, 9), max_size=3).map(tuple),
    st.none() | st.integers(0, 10**12),
    st.none() | st.integers(0, 10**12),
)


@given(CUTS, CUTS)
def test_two_cuts_have_one_hash_only_if_they_are_equal(one, other):
    hashes = [select_hash("s", "organic", "q", cut, None) for cut in (one, other)]
    equal = one == other and math.copysign(1, one.threshold) == math.copysign(1, other.threshold)
    assert (hashes[0] == hashes[1]) == equal


def test_the_first_version_named_a_selection_so():
    # worked out by the first version, with these arguments to its step_hash and repr(cut)
    assert first_select_hash("scored", "organic", "q", Cut(0.5), (0.1, 0.2)) == "abda39a4c9e84085"
    assert first_select_hash("scored", "recycled", None, Cut(-math.inf, 7, (1, 0), 5, 6), None) == "8440df8be7fd9a5f"


SCORES = [0.9, 0.2, None, 0.5, 0.45, 0.1, 0.7]


@pytest.fixture
def shard(tmp_path):
    rows = [{"id": f"d{number}", "text": f"page {number}", "q": score} for number, score in enumerate(SCORES)]
    write_documents(str(tmp_path / "pool" / "a.jsonl"), rows)
    return list_shards(tmp_path / "pool")[0]


def jobs(tmp_path, along, **fields):
    scored, kept = str(tmp_path / "scored"), str(tmp_path / "kept")
    select = SelectJob(kept, scored, "h2", "organic", "q", Cut(0.45), fields.pop("rephrase", (0.15, 0.3)), **fields)
    return ScoreJob(scored, "h1", (), ("q",), TokenCountConfig(), 3, select if along else None), select


def selected(select):
    """The rows of a selection and its counts."""
    mark = json.loads(Path(select.folder, "a.stats.json").read_text())
    assert mark["files"]["input"]["digest"]  # or nobody would notice that the pool changed under the selection
    counts = {name: mark[name] for name in ("docs_in", "docs_out", "drops")}
    return list(read_pool(select.folder)), counts | {"input": mark["files"]["input"]["digest"]}


def test_what_is_selected_along_the_scoring_is_what_is_selected_behind_it(shard, tmp_path):
    """Along: the pool is read once, so the selection stands when the scores do."""
    job, along = jobs(tmp_path / "once", True)
    score_shard(shard, job)
    job, behind = jobs(tmp_path / "twice", False)
    score_shard(shard, job)
    select_shard(shard, behind)
    assert selected(along) == selected(behind)
    rows, counts = selected(along)
    assert [row["id"] for row in rows] == ["d0", "d3", "d4", "d6"] and {row["source"] for row in rows} == {"organic"}
    assert counts["docs_in"] == 7 and counts["docs_out"] == 4
    assert counts["drops"] == {"to_rephrase": 1, "no_score": 1, "below_threshold": 1}


def test_what_is_to_be_rephrased_is_what_the_selection_left_for_it(shard, tmp_path):
    job, select = jobs(tmp_path, False, routed=True)
    score_shard(shard, job)
    select_shard(shard, select)
    rows, counts = selected(select)
    assert [row["id"] for row in rows] == ["d1"]
    assert counts["drops"] == {"kept": 4, "no_score": 1, "below_threshold": 1}


def test_a_score_at_the_upper_end_of_what_is_rephrased_is_not(shard, tmp_path):
    job, select = jobs(tmp_path, False, rephrase=(0.1, 0.2))
    score_shard(shard, job)
    assert select_shard(shard, select)["drops"] == {"below_threshold": 1, "no_score": 1, "to_rephrase": 1}
