"""Names of files beside each other: never two alike, and no longer than they must be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.labels import distinct_labels

PARTS = st.lists(st.sampled_from(["a", "b", "c", "c.json", "c.jsonl"]), min_size=1, max_size=4)


@given(st.lists(PARTS.map("/".join), min_size=1, max_size=5, unique=True), st.lists(st.sampled_from(["", "m"])))
def test_no_two_labels_are_alike(paths, names):
    given_names = (names + [""] * len(paths))[: len(paths)]
    assert len(set(distinct_labels(paths, given_names))) == len(paths)


def test_a_label_is_lengthened_only_where_it_must_be():
    assert distinct_labels(["x/base/chapters.jsonl", "x/rl/chapters.jsonl"]) == ["base/chapters", "rl/chapters"]
    assert distinct_labels(["x/one.json", "x/two.json"], ["heavy", "light"]) == ["heavy", "light"]
    assert distinct_labels(["x/one.json", "x/two.json"], ["heavy", "heavy"]) == ["heavy (one)", "heavy (two)"]


def test_one_file_named_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="named twice"):
        distinct_labels([tmp_path / "a.json", tmp_path / "b" / ".." / "a.json"])
