import json

from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import write_documents
from common.pools.shards import read_pool
from filter.mixing.megadocuments import join_rollouts
from filter.run import main


def rollout(page, number, text="t"):
    return {"id": f"{page}#{number}", "text": text, "rephrase": {"page": page, "rollout": number}}


def test_neighbouring_rollouts_of_a_page_become_one_document():
    documents = [rollout("a", 0, "one\n"), rollout("a", 2, "two"), rollout("a", 3, "three"), rollout("b", 0, "four")]
    results = list(join_rollouts(documents, 2, lambda texts: [len(text) for text in texts]))
    assert [result.reason for result in results] == [None, "joined", None, None]
    assert results[0].document == {
        **documents[0], "text": "one\n\ntwo", "token_count": 8, "parts": ["a#0", "a#2"],
    }  # fmt: skip
    assert results[2].document == documents[2] and results[3].document == documents[3]


def test_organic_text_and_its_neighbours_stay_apart():
    documents = [{"id": "a#0", "text": "x"}, {"id": "a#1", "text": "y"}, rollout("a", 2), rollout("a", 3)]
    results = list(join_rollouts(documents, 4))
    assert [result.document for result in results[:2]] == documents[:2]
    assert results[2].document["parts"] == ["a#2", "a#3"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans())), st.integers(1, 4))
def test_no_text_is_lost_or_moved_and_every_document_has_a_result(rows, size):
    documents = [
        rollout(page, number, f"w{number}") if recycled else {"id": f"{page}#{number}", "text": f"w{number}"}
        for number, (page, recycled) in enumerate(rows)
    ]
    results = list(join_rollouts(documents, size))
    assert len(results) == len(documents)
    kept = [result.document for result in results if result.reason is None]
    assert [word for one in kept for word in one["text"].split()] == [one["text"] for one in documents]
    assert all(len(one.get("parts", [1])) <= size for one in kept)


def test_the_recipe_joins_what_is_left_of_a_page(tmp_path, capsys):
    documents = [rollout(f"p{page}", number, "word " * (5 + number)) for page in range(4) for number in range(3)]
    documents[4]["text"] = ""  # scores nothing and is not selected
    write_documents(str(tmp_path / "pool" / "a.jsonl"), documents)
    recipe = {
        "scorers": [{"kind": "simple", "name": "character_length", "field": "size"}],
        "sources": [{"name": "recycled", "select": {"kind": "threshold", "threshold": 1}}],
        "megadocument": 3,
        "bytes_per_token": 1,
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    main([str(tmp_path / "recipe.yaml"), f"source_ref_paths={tmp_path}/pool", f"output_dir={tmp_path}/out"])
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    kept = {one["id"]: one for one in read_pool(f"{tmp_path}/out")}
    assert kept["p1#0"]["parts"] == ["p1#0", "p1#2"] and kept["p0#0"]["parts"] == ["p0#0", "p0#1", "p0#2"]
    assert len(kept) == 4 and all(one["token_count"] == len(one["text"]) + 1 for one in kept.values())
    step = next(step for step in dataset["steps"] if step["step"] == "megadocument")
    assert (step["docs_in"], step["docs_out"], step["drops"]) == (11, 4, {"joined": 7})
    assert dataset["tokens"] == sum(one["token_count"] for one in kept.values())
    capsys.readouterr()


def test_pages_whose_ids_end_in_a_fragment_are_no_rollouts():  # forum posts: four pages, each rephrased once
    documents = [{"id": f"https://f.org/t/9#{n}", "text": f"post {n}", "rephrase": {"chunks": []}} for n in range(4)]
    assert [result.document for result in join_rollouts(documents, 4)] == documents


def test_pages_that_share_an_id_stay_apart():
    documents = [rollout("x", number, text) for text in ("cats", "copper") for number in (0, 1)]
    results = list(join_rollouts(documents, 4))
    assert [one.document["text"] for one in results if one.reason is None] == ["cats\n\ncats", "copper\n\ncopper"]


def test_rollouts_of_an_earlier_version_are_joined_where_their_organic_texts_are_equal():
    old = [{"id": f"p#{n}", "text": f"t{n}", "organic_text": "o", "rephrase": {"chunks": []}} for n in range(2)]
    assert next(join_rollouts(old, 2)).document["parts"] == ["p#0", "p#1"]
    assert [one.reason for one in join_rollouts([old[0], {**old[1], "organic_text": "another"}], 2)] == [None, None]


def test_fields_of_the_same_names_are_kept_beside_ours():
    documents = [{**rollout("a", number), "parts": "my own"} for number in (0, 1)]
    joined = next(join_rollouts(documents, 2)).document
    assert (joined["parts"], joined["parts_before"]) == (["a#0", "a#1"], "my own")
