"""Domains, data sets and pass rates: which rows a run takes, and in which order."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.data.mixture import domain_of, in_proportion, of_each_domain, ordered, sampled
from rl.data.rows.conversations import ConversationsConfig, build
from rl.data.rows.schema import new_row, write_rows

SIZES = {"math__dapo_or1": 20, "codegen__taco": 30, "codegen__leetcode2k": 10, "logic__barc": 8}


def row(source, number, correct=None):
    gold = {"functional": "pass"} if source.startswith("codegen") else [[1]] if "barc" in source else str(number)
    made = new_row(source, f"{source} question {number}", gold, key=number, reference="a reference")
    rates = {} if correct is None else {"qwen2.5_7b": {"n": 16, "correct": correct}}
    return {**made, "pass_rates": json.dumps(rates)}


def built(tmp_path, rows, /, **options):
    write_rows(str(tmp_path / "rows.parquet"), rows)
    config = ConversationsConfig(train=[str(tmp_path / "rows.parquet")], eval_rows=0, **options)
    figures = build(config, tmp_path / "out", len)
    return figures, [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]


@given(st.dictionaries(st.text("abc", max_size=3), st.integers(1, 500), min_size=1), st.integers(1, 900))
def test_shares_add_up_and_none_is_off_by_one(sizes, most):
    given_out = in_proportion(sizes, most)
    total = sum(sizes.values())
    assert sum(given_out.values()) == min(most, total)
    assert all(abs(given_out[name] - min(most, total) * size / total) < 1 for name, size in sizes.items())


def test_guru18k_comes_out_as_published():
    """3,072 rows of a domain in proportion are the published counts, up to the rounding of the published sizes."""
    code = {"leetcode2k": 1300, "taco": 8800, "livecodebench": 440, "primeintellect": 7500}
    published = {"leetcode2k": 216, "taco": 1503, "livecodebench": 75, "primeintellect": 1278}
    found = in_proportion(code, 3072)
    assert all(abs(found[name] - number) < 8 for name, number in published.items())


def test_row_files_become_training_rows_with_what_judges_them(tmp_path):
    figures, rows = built(tmp_path, [row("math__dapo_or1", 1), row("logic__barc", 2)])
    assert figures["drops"] == {}
    assert {(one["source"], one["verifier"]) for one in rows} == {("math__dapo_or1", "math"), ("logic__barc", "grid")}
    assert {one["ground_truth"] for one in rows} == {'"1"', "[[1]]"}


def test_domains_and_rows_of_each(tmp_path):
    rows = [row(source, number) for source, count in SIZES.items() for number in range(count)]
    figures, kept = built(tmp_path, rows, domains=["code", "logic"], rows_per_domain=12)
    assert Counter(one["source"] for one in kept) == {"codegen__taco": 9, "codegen__leetcode2k": 3, "logic__barc": 8}
    assert figures["drops"] == {"other_domain": 20, "over_rows_per_domain": 28}
    again, fewer = built(tmp_path, rows, domains=["code", "logic"], rows_per_domain=4)
    assert again["train"] == 8 and {one["id"] for one in fewer} <= {one["id"] for one in kept}
    assert of_each_domain(rows, None) == rows


def test_rows_in_proportion(tmp_path):
    rows = [row(source, number) for source, count in SIZES.items() for number in range(count)]
    _, kept = built(tmp_path, rows, rows=34, proportional=True)
    assert Counter(one["source"] for one in kept) == {source: count // 2 for source, count in SIZES.items()}
    assert sampled(rows, None) == rows


def test_a_curriculum_goes_by_pass_rate(tmp_path):
    rows = [row("math__dapo_or1", number, correct) for number, correct in enumerate([3, 16, 0, 8, 8, 12])]
    rates = [[one["pass_rates"] for one in built(tmp_path / name, rows, curriculum=name)[1]] for name in ways(tmp_path)]
    counts = [[json.loads(text)["qwen2.5_7b"]["correct"] for text in one] for one in rates]
    assert counts == [[16, 12, 8, 8, 3, 0], [0, 3, 8, 8, 12, 16]]


def ways(folder):
    for name in ("easy_first", "hard_first"):
        (folder / name).mkdir()
        yield name


def test_a_row_without_a_pass_rate_has_no_place_in_a_curriculum():
    with pytest.raises(ValueError, match=r"no pass rate of weak.*python -m rl\.difficulty"):
        ordered([row("math__dapo_or1", 1, 3)], "easy_first", "weak")


def test_a_row_without_a_domain_has_that_of_its_data_set():
    assert domain_of({"data_source": "stem_web"}) == "stem"
    assert domain_of({"domain": "table", "source": "math__x"}) == "table"
    assert domain_of({"data_source": "nobody knows"}) == ""
