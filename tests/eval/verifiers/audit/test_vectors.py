"""Every vector gets its verdict, in strict mode and as published."""

import json

import pytest

from eval.verifiers.audit.vectors import Vector, read_vectors, written_out
from eval.verifiers.registry import score

OTHERS = ("code", "codeio", "cruxeval")
"""Programs run in the sandbox, which has tests of its own."""

VECTORS = [vector for vector in read_vectors() if vector.verifier not in OTHERS]


def close(one, other):
    return one == other if one is None or other is None else one == pytest.approx(other, abs=1e-9)


@pytest.fixture(autouse=True)
def _nothing_is_written(tmp_path, monkeypatch):
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    yield
    assert not list(place.iterdir())


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.id for vector in VECTORS])
def test_a_vector_gets_its_verdict(vector: Vector):
    found = score(vector.row, vector.completion)
    if found.reason == "missing_resource":
        pytest.skip(found.detail["message"])
    assert close(found.score, vector.score), found
    assert vector.status in (None, found.status), found


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.id for vector in VECTORS])
def test_a_vector_gets_its_published_score(vector: Vector):
    if not vector.judged_by_guru:
        pytest.skip("no published score is known")
    found = score(vector.row, vector.completion, mode="guru")
    if found.reason == "missing_resource":
        pytest.skip(found.detail["message"])
    expected = vector.guru if isinstance(vector.guru, list) else [vector.guru]
    assert any(close(found.score, one) for one in expected), found


def test_ids_are_unique():
    ids = [vector.id for vector in read_vectors()]
    assert len(ids) == len(set(ids)) > 200


def test_a_line_that_is_no_vector_is_named(tmp_path):
    (tmp_path / "mine.jsonl").write_text(json.dumps({"id": "a"}) + "\n")
    with pytest.raises(ValueError, match=r"mine\.jsonl, line 1"):
        list(read_vectors([tmp_path / "mine.jsonl"]))


def test_long_completions_are_written_out():
    assert written_out(["<", ["[", 3], ">"]) == "<[[[>"
