import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import write_documents
from eval.faithfulness.pairs import chunk_records, read_pairs


def pools(folder, organic, recycled):
    """Two pools, shard name → documents each: their paths."""
    for name, shards in (("organic", organic), ("recycled", recycled)):
        for shard, documents in shards.items():
            write_documents(str(folder / name / f"{shard}.jsonl"), documents)
    return str(folder / "organic"), str(folder / "recycled")


def page(identity, text):
    return {"id": identity, "text": text}


def rollout(identity, number, text):
    return {"id": f"{identity}#{number}", "text": text, "rephrase": {"page": identity, "rollout": number}}


def paired(folder, organic, recycled):
    return [(pair["organic_text"], pair["text"]) for pair in read_pairs(*pools(folder, organic, recycled))]


def test_pages_that_share_an_id_are_paired_by_shard_and_order(tmp_path):
    organic = {"a": [page("x", "cats"), page("y", "dogs"), page("x", "copper")], "b": [page("x", "tin")]}
    recycled = {"a": [page("x", "CATS"), page("x", "COPPER")], "b": [page("x", "TIN")]}
    assert paired(tmp_path, organic, recycled) == [("cats", "CATS"), ("copper", "COPPER"), ("tin", "TIN")]


def test_rollouts_of_pages_that_share_an_id_too(tmp_path):
    organic = {"a": [page("x", "cats"), page("x", "copper")]}
    recycled = {"b": [rollout("x", n, f"{text} {n}") for text in ("cats", "copper") for n in (0, 2)]}
    assert paired(tmp_path, organic, recycled) == [
        (text, f"{text} {number}") for text in ("cats", "copper") for number in (0, 2)
    ]


@pytest.mark.parametrize(
    ("organic", "recycled", "number"),
    [
        (["x", "x"], ["x"], 1),  # one was dropped: which?
        (["x", "y", "x"], ["x", "x", "y"], 2),  # another order
        (["x"], ["x", "x"], 2),  # the organic pool lacks one
    ],
)
def test_what_cannot_be_told_apart_is_refused_with_its_number(tmp_path, organic, recycled, number):
    shards = [{"a": [page(one, f"text {n}") for n, one in enumerate(ids)]} for ids in (organic, recycled)]
    with pytest.raises(ValueError, match=f"^{number} documents of .* have an id that several pages bear"):
        paired(tmp_path, *shards)


def test_rows_that_carry_their_text_need_no_id(tmp_path):
    organic = {"a": [page("x", "cats"), page("x", "copper")]}
    assert paired(tmp_path, organic, {"a": [page("x", "COPPER") | {"organic_text": "copper"}]}) == [
        ("copper", "COPPER")
    ]


@given(st.lists(st.sampled_from("xyz"), min_size=1, max_size=8), st.data())
def test_a_pair_is_of_one_page_or_refused(tmp_path_factory, ids, data):
    organic = [page(one, str(number)) for number, one in enumerate(ids)]
    kept = data.draw(st.lists(st.sampled_from(organic), unique_by=lambda one: one["text"], min_size=1))
    if data.draw(st.booleans()):
        kept.sort(key=lambda one: int(one["text"]))
    try:
        pairs = paired(tmp_path_factory.mktemp("pools"), {"a": organic}, {"a": kept})
    except ValueError:
        assert len(set(ids)) < len(ids)
        return
    same = [organic_text == text for organic_text, text in pairs]
    # an order that happens to fit cannot be told from the true one
    fits = [one["id"] for one in kept]
    assert all(same) or (len(set(fits)) < len(fits) and kept != sorted(kept, key=lambda one: int(one["text"])))


def test_a_fragment_is_a_part_of_its_pages_id(tmp_path):
    ids = [f"https://f.org/t/9#{number}" for number in range(3)]
    organic = {"a": [page("https://f.org/t/9", "the whole"), *(page(one, f"post {one[-1]}") for one in ids)]}
    assert paired(tmp_path, organic, {"a": [page(one, f"POST {one[-1]}") for one in ids]}) == [
        (f"post {number}", f"POST {number}") for number in range(3)
    ]


def test_a_fragment_whose_page_is_not_there_is_no_rollout_of_another(tmp_path):
    organic = {"a": [page("t/9", "the whole"), page("t/9#0", "post 0")]}
    with pytest.raises(ValueError, match="'t/9#1' has no organic text"):
        paired(tmp_path, organic, {"a": [page("t/9#1", "POST 1")]})


def test_rollouts_of_earlier_versions_are_understood(tmp_path):
    recycled = {"a": [page(f"p{one}#{number}", f"P{one}") for one, number in itertools.product((0, 1), (0, 1))]}
    assert paired(tmp_path, {"a": [page("p0", "p0"), page("p1", "p1")]}, recycled) == [
        (f"p{one}", f"P{one}") for one in (0, 0, 1, 1)
    ]


def test_null_and_absent_are_one_in_a_record():
    chunk = {"start": 0, "end": 1, "out_start": None, "status": "ok", "flags": None}
    assert chunk_records({"rephrase": None}) == chunk_records({"rephrase": {"chunks": None}}) == []
    assert chunk_records({"rephrase": {"chunks": [chunk]}}) == []
    assert len(chunk_records({"rephrase": {"chunks": [chunk, chunk | {"out_start": 0, "out_end": 1}]}})) == 2
