"""Recipes over pools that are damaged, mean something else, or bear our names already: nothing is lost in silence."""

import datetime
import decimal
import json

import pytest

from common.pools.documents import write_documents
from common.pools.shards import read_pool
from filter.run import main

pytestmark = pytest.mark.integration

TEXT = "The cat sat on the mat and the dog that was with it had to be fed."
ALL = [{"name": "organic", "select": {"kind": "all"}}]


def run(folder, *pools, code=0, out="out", **recipe):
    """A recipe over some pools: its `dataset.json`, and None where it ended with an error."""
    (folder / "recipe.yaml").write_text(json.dumps({"sources": ALL, **recipe}))
    arguments = [str(folder / "recipe.yaml"), f"source_ref_paths={','.join(map(str, pools))}"]
    if code:
        with pytest.raises(SystemExit) as stop:
            main([*arguments, f"output_dir={folder / out}"])
        assert stop.value.code == code
    else:
        main([*arguments, f"output_dir={folder / out}"])
    record = folder / out / "dataset.json"
    return json.loads(record.read_text()) if record.exists() else None


def pool(folder, *rows, name="pool", shard="s.jsonl"):
    write_documents(str(folder / name / shard), [{"id": f"d{n}", "text": TEXT, **row} for n, row in enumerate(rows)])
    return folder / name


def rejects(folder):
    return [json.loads(line) for path in folder.rglob("*.rejects.jsonl") for line in path.read_text().splitlines()]


URLS = ["http://[bad", "http://[::1", "https://a]b/", "http://[v1.x]/", "//\u2100/", "http://ex\u2048mple/", "ok.org/x"]


def test_a_rule_that_breaks_at_a_page_drops_this_page_by_its_name(tmp_path, capsys):
    (tmp_path / "domains.txt").write_text("bad.org\n")
    rows = [*({"url": url} for url in URLS), {"url": {"a": 1}}, {"url": 7}, {"url": "http://bad.org/"}]
    rule = {"kind": "url", "domains": str(tmp_path / "domains.txt")}
    dataset = run(tmp_path, pool(tmp_path, *rows), heuristics=[rule])
    drops = dataset["steps"][0]["drops"]
    assert drops["failed/url"] >= 2 and drops["url_domain"] == 1
    assert drops["failed/url"] + 1 + dataset["documents"] == len(rows)
    aside = rejects(tmp_path / "out")
    assert [one["reason"] for one in aside] == ["failed/url"] * drops["failed/url"] and aside[0]["document"]["url"]
    capsys.readouterr()


MEAN = [
    {"token_count": "many"}, {"token_count": -5}, {"token_count": [1]}, {"token_count": 1 << 70}, {"token_count": True},
    {"token_count": 99.5}, {"previous_word_count": "x"}, {"id": float("nan")}, {"id": {"a": [1]}}, {"id": [None]},
    {"id": 1 << 70}, {"id": True}, {"copy": "own"}, {"parts": 3}, {"source": {"a": 1}}, {"rephrase": "own"},
    {"rephrase": [1]}, {"rephrase": "{"}, {"rephrase": {"page": {"x": 1}, "rollout": "a"}}, {"q": "0.5"},
    {"q": {"a": 1}},
]  # fmt: skip
EVERY_STEP = {
    "heuristics": [{"kind": "count_words"}, {"kind": "removed_words"}, {"kind": "gate", "field": "q.a"}],
    "dedup": [{"kind": "minhash"}, {"kind": "ngram", "expected_ngrams": 1000}],
    "megadocument": 2,
    "mix": {"kind": "factor", "factors": {"organic": 1.5}},
}


@pytest.mark.parametrize("counting", [{}, {"bytes_per_token": 4.0}])
def test_fields_of_any_kind_under_our_names_stop_no_step(tmp_path, counting, capsys):
    rows = [{"text": f"w{number} " * 30, "n": number, **row} for number, row in enumerate(MEAN)]
    pool(tmp_path, *rows)
    with (tmp_path / "pool" / "s.jsonl").open("a") as target:
        target.write('{"id": NaN, "text": "not a number"}\n{"id": 1e999, "text": "beyond"}\n')
    dataset = run(tmp_path, tmp_path / "pool", **EVERY_STEP, **counting)
    first = dataset["steps"][0]
    assert first["docs_in"] == len(MEAN) + 2
    kept = list(read_pool(f"{tmp_path}/out"))
    assert {one.get("n") for one in kept} >= set(range(len(MEAN) - 2)) - {6}
    assert dataset["documents"] == len(kept)
    capsys.readouterr()


def test_ids_that_are_bytes_or_no_number_in_parquet_go_through(tmp_path, capsys):
    import pyarrow
    import pyarrow.parquet

    texts = [f"{TEXT} {number}" for number in range(3)]
    for name, values in {"bytes": [b"a", b"\xff", None], "nan": [1.0, float("nan"), 2.5]}.items():
        (tmp_path / name).mkdir()
        pyarrow.parquet.write_table(pyarrow.table({"id": values, "text": texts}), tmp_path / name / "s.parquet")
        budget = [{"name": "organic", "select": {"kind": "budget", "tokens": 40}, "field": "q"}]
        scorer = [{"kind": "simple", "name": "stop_word_share", "field": "q"}]
        dataset = run(tmp_path, tmp_path / name, out=f"out_{name}", sources=budget, scorers=scorer, bytes_per_token=4)
        assert dataset["documents"] == 3
    capsys.readouterr()


def test_a_shard_that_cannot_be_read_is_counted_and_named_and_the_others_are_done(tmp_path, capsys):
    rows = [{"text": f"{TEXT} {number}", "q": number / 10} for number in range(10)]
    pool(tmp_path, *rows[:5], shard="a.jsonl")
    pool(tmp_path, *rows[5:], shard="c.jsonl")
    (tmp_path / "pool" / "b.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd this is no frame")
    (tmp_path / "pool" / "d.parquet").write_bytes(b"PAR1 nor is this a table")
    budget = [{"name": "organic", "select": {"kind": "budget", "tokens": 60}, "field": "q"}]
    for out, recipe in (("all", {}), ("best", {"sources": budget}), ("rules", {"heuristics": [{"kind": "tidy"}]})):
        dataset = run(tmp_path, tmp_path / "pool", out=out, code=1, bytes_per_token=4, **recipe)
        assert [path.rpartition("/")[2] for path in dataset["unreadable"]] == ["b.jsonl.zst", "d.parquet"]
        assert dataset["steps"][0]["drops"] == {"broken_compression": 2}
        assert dataset["documents"] == (4 if out == "best" else 10)
        assert "b.jsonl.zst" in capsys.readouterr().err
    before = (tmp_path / "all" / "dataset.json").read_bytes()
    assert run(tmp_path, tmp_path / "pool", out="all", code=1, bytes_per_token=4)  # the same command says it again
    assert (tmp_path / "all" / "dataset.json").read_bytes() == before


def test_a_pool_of_nothing_but_damage_is_an_error(tmp_path, capsys):
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "b.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd this is no frame")
    assert run(tmp_path, tmp_path / "pool", code=2) is None
    assert "no documents in" in capsys.readouterr().err


@pytest.mark.parametrize("row", [{"q": "0.9"}, {"q": {"x": 0.9}}, {"q": None}, {"meta": {"q": 0.9}}, {"q": True}])
def test_a_score_that_is_no_number_anywhere_is_an_error_and_no_empty_pool(tmp_path, row, capsys):
    fraction = [{"name": "organic", "select": {"kind": "fraction", "fraction": 0.5}, "field": "q"}]
    assert run(tmp_path, pool(tmp_path, row, row), sources=fraction, code=2) is None
    assert "no document of" in (said := capsys.readouterr().err) and "'q'" in said


def test_a_recipe_that_leaves_nothing_says_where_it_went(tmp_path, capsys):
    assert run(tmp_path, pool(tmp_path, {}, {}), heuristics=[{"kind": "length"}], code=2) is None
    assert "organic: 2 too_short" in capsys.readouterr().err


def test_no_field_of_a_user_is_lost_to_one_of_ours(tmp_path, capsys):
    own = {"source": "crawl", "token_count": 7, "previous_word_count": "w", "q": 5.0, "copy": "c", "source_before": "s"}
    recipe = {
        "heuristics": [{"kind": "count_words"}],
        "scorers": [{"kind": "simple", "name": "stop_word_share", "field": "q"}],
        "mix": {"kind": "factor", "factors": {"organic": 2}},
        "bytes_per_token": 4,
    }
    run(tmp_path, pool(tmp_path, own), **recipe)
    second = {**recipe, "sources": [{"name": "again"}], "mix": {"kind": "factor", "factors": {"again": 2}}}
    run(tmp_path, tmp_path / "out", out="twice", **second)
    for folder in ("out", "twice"):
        for document in read_pool(str(tmp_path / folder)):
            values = [json.dumps(one) for one in document.values()]
            assert all(json.dumps(value) in values for value in own.values()), document
            assert document["source"] == ("organic" if folder == "out" else "again")
            assert "organic" in document.values()
    capsys.readouterr()


BIG = '{"id": "b", "text": "%s", "n": 123456789012345678901234567890, "f": 0.12345678901234567890123, "e": 1e400}'


def test_numbers_beyond_64_bits_keep_their_digits_through_a_recipe(tmp_path, capsys):
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "s.jsonl").write_text(BIG % TEXT + "\n")
    run(tmp_path, tmp_path / "pool", heuristics=[{"kind": "tidy"}], dedup=[{"kind": "exact"}], form=".jsonl")
    (line,) = (tmp_path / "out" / "shard_00000000.jsonl").read_text().splitlines()
    for digits in ("123456789012345678901234567890", "0.12345678901234567890123", "1e400"):
        assert digits in line
    capsys.readouterr()


def test_parquet_types_come_through_a_recipe(tmp_path, capsys):
    import pyarrow
    import pyarrow.parquet

    day = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC)
    table = pyarrow.table(
        {
            "id": ["a", "b"],
            "text": [TEXT, TEXT + " Again."],
            "at": pyarrow.array([day, None], pyarrow.timestamp("us", "UTC")),
            "on": pyarrow.array([day.date(), None], pyarrow.date32()),
            "price": pyarrow.array([decimal.Decimal("1.10"), None], pyarrow.decimal128(9, 2)),
            "raw": pyarrow.array([b"\xff\x00", None], pyarrow.binary()),
            "tags": pyarrow.array([[("k", 1)], None], pyarrow.map_(pyarrow.string(), pyarrow.int32())),
            "small": pyarrow.array([3, None], pyarrow.int16()),
        }
    )
    (tmp_path / "pool").mkdir()
    pyarrow.parquet.write_table(table, tmp_path / "pool" / "s.parquet")
    steps = {"heuristics": [{"kind": "tidy"}], "dedup": [{"kind": "exact"}]}
    run(tmp_path, tmp_path / "pool", form=".parquet", **steps)
    found = pyarrow.parquet.read_table(tmp_path / "out" / "shard_00000000.parquet").sort_by("id")
    assert found.select(table.column_names).equals(table)
    capsys.readouterr()
