"""The row: canonical JSON, ids that depend on content alone, and files that concatenate."""

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.data.rows.schema import (
    COLUMNS,
    arrow_schema,
    canonical,
    count_of,
    new_row,
    plain,
    problem,
    read_rows,
    write_rows,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
GOLD = {
    "math__x": "42",
    "codegen__taco": {"inputs": ["1\n"], "outputs": ["2\n"]},
    "stem__web": "x\u0000é",
    "logic__arcagi1": [[1, 2], [3]],
    "simulation__codeio": {"predict": "output", "value": -0.0, "given": None},
    "table__finqa": 2**63 - 1,
    "ood__ifeval": [{}, {"n": None, "words": []}],
}


def ordered(value):
    """The same with the keys of all objects in order."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


@given(VALUE)
def test_canonical_json_loses_nothing(value):
    back = json.loads(canonical(value))
    assert repr(ordered(back)) == repr(ordered(value))  # repr tells -0.0 from 0.0, and 1 from 1.0 and True
    assert canonical(back) == canonical(value)


def test_canonical_keeps_signs_sizes_and_nul():
    assert canonical([-0.0, 1e308, 2**63 - 1, "\u0000", "é"]) == '[-0.0,1e+308,9223372036854775807,"\\u0000","é"]'


def test_a_lone_surrogate_stays_an_escape():
    assert canonical(["\ud800 x"]).encode() == b'["\\ud800 x"]'
    assert json.loads(canonical("\ud800")) == "\ud800"


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: 2}, b"x", {"a": {2}}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match=r"JSON|compliant"):
        canonical(value)


def test_pandas_and_numpy_values_are_lists_and_numbers():
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.array([1, 2]), np.array([], dtype=np.int64)]
    frame = pd.DataFrame({"grid": [ragged], "names": [["a", None]], "flag": [np.bool_(True)], "n": [np.int64(3)]})
    frame = frame.to_dict("records")[0] | {"f": np.float64(-0.0)}
    assert repr(plain(frame)) == "{'grid': [[1, 2], []], 'names': ['a', None], 'flag': True, 'n': 3, 'f': -0.0}"


def test_an_id_depends_on_content_alone():
    one = new_row("math__x", "2 + 2?", "4", key=7, info={"a": 1}, provenance={"row": 1})
    assert one["id"] == new_row("math__x", "2 + 2?", "4", key=7, provenance={"row": 99}, split="raw")["id"]
    others = [
        new_row("math__y", "2 + 2?", "4", key=7),
        new_row("math__x", "2 + 3?", "4", key=7),
        new_row("math__x", "2 + 2?", 4, key=7),
        new_row("math__x", "2 + 2?", "4", key=8),
        new_row("math__x", "2 + 2?", "4", key=7, provenance={"revision": "abc"}),
    ]
    assert len({one["id"], *(row["id"] for row in others)}) == 6


def mixed():
    return [new_row(source, f"{source}?", gold, key=0, info={"x": gold}) for source, gold in GOLD.items()]


def test_all_domains_stand_in_one_file_and_come_back(tmp_path):
    rows = mixed()
    assert {row["domain"] for row in rows} == {"math", "code", "stem", "logic", "simulation", "table", "ood"}
    assert write_rows(str(tmp_path / "a.parquet"), rows) == 7
    assert list(read_rows(str(tmp_path / "a.parquet"))) == rows
    assert pq.read_schema(tmp_path / "a.parquet").equals(arrow_schema())
    write_rows(str(tmp_path / "b.parquet"), rows)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_files_of_one_domain_each_concatenate(tmp_path):
    for row in mixed():
        write_rows(str(tmp_path / f"{row['domain']}.parquet"), [row])
    tables = [pq.read_table(path) for path in sorted(tmp_path.glob("*.parquet"))]
    assert pa.concat_tables(tables).num_rows == 7
    from datasets import load_dataset

    files = [str(path) for path in sorted(tmp_path.glob("*.parquet"))]
    loaded = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert sorted(loaded["id"]) == sorted(row["id"] for row in mixed())


def test_two_rows_of_one_id_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two rows have the id"):
        write_rows(str(tmp_path / "a.parquet"), mixed()[:1] * 2)
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"id": None}, "missing_id"),
        ({"info": "[]"}, "info_is_no_object"),
        ({"info": '{"a": NaN}'}, "info_is_no_json"),
        ({"ground_truth": "42x"}, "ground_truth_is_no_json"),
        ({"prompt": []}, "empty_prompt"),
        ({"prompt": [{"role": "user", "content": " "}]}, "empty_prompt"),
        ({"split": "test"}, "unknown_split"),
        ({"domain": "maths"}, "unknown_domain"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(change, reason):
    row = new_row("math__x", "2 + 2?", "4", key=0)
    assert problem({**row, **change}) == reason


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="no split 'test'"):
        new_row("math__x", "2 + 2?", "4", key=0, split="test")


def test_another_layout_is_named_with_its_remedy(tmp_path):
    pq.write_table(pa.table({"prompt": ["x"]}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"no column 'id'.*rl\.data\.convert"):
        list(read_rows(str(tmp_path / "x.parquet")))


@pytest.mark.parametrize(
    ("rate", "count"),
    [
        (0.0, 0),
        (1.0, 16),
        (15 / 16, 15),
        (3 / 16 + 9e-7, 3),
        (3 / 16 + 2e-6, None),
        (0.2, None),
        (math.nan, None),
        (1.1, None),
    ],
)
def test_a_pass_rate_is_a_count_of_16(rate, count):
    assert count_of(rate) == count


def test_columns_are_as_specified():
    assert arrow_schema().names == list(COLUMNS)
    assert [field.name for field in arrow_schema() if field.type != pa.string()] == ["prompt"]
