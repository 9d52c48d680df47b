"""Words, filters, order and neighbours over an index, beside a plain loop over the documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import write_documents
from eval.reader import pool_index
from eval.reader.pool_index import build
from eval.reader.search import MOST_COUNTED, Filters, PoolSearch, read_filters, terms
from eval.reader.store import Store

ROWS = [
    {
        "id": f"d{number}",
        "text": " ".join(word for word, every in (("alpha", 2), ("beta", 3), ("gamma", 5)) if number % every == 0)
        or "none",
        "organic_text": f"old delta{number % 4} text",
        "quality": (number * 7) % 11,
        "topic": "ABC"[number % 3],
        "rephrase": {"chunks": [{"status": "ok" if number % 4 else "empty"}]},
    }
    for number in range(60)
]


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    write_documents(str(folder / "pool/a.jsonl"), ROWS)
    store = Store(folder / "index", pool_index.SCHEMA)
    build(str(folder / "pool"), store, lambda told: None)
    return PoolSearch(store.reader())


def wanted(filters):
    rows = [row for row in ROWS if not filters.topic or row["topic"] == filters.topic]
    rows = [row for row in rows if not filters.status or row["rephrase"]["chunks"][0]["status"] == filters.status]
    for word in filters.q.split():
        there = [word.lstrip("-") in f"{row['text']} {row['organic_text']}".split() for row in rows]
        rows = [row for row, has in zip(rows, there, strict=True) if has != word.startswith("-")]
    if filters.score and filters.least is not None:
        rows = [row for row in rows if row[filters.score] >= filters.least]
    if filters.sort:
        sign = -1 if filters.sort.startswith("-") else 1
        rows = sorted(rows, key=lambda row: (sign * row[filters.sort.lstrip("-")], int(row["id"][1:])))
    return [row["id"] for row in rows]


FILTERS = st.builds(
    Filters,
    q=st.sampled_from(["", "alpha", "alpha beta", "-alpha", "beta -gamma", "delta1", "nowhere"]),
    topic=st.sampled_from(["", "A", "C"]),
    status=st.sampled_from(["", "empty", "ok"]),
    score=st.sampled_from(["", "quality"]),
    least=st.none() | st.integers(0, 11).map(float),
    sort=st.sampled_from(["", "quality", "-quality"]),
    **{
        name: st.just(Filters._field_defaults[name]) for name in ("within", "show", "reason", "source", "most", "start")
    },
)


@given(FILTERS)
def test_filters_give_what_a_loop_gives(search, filters):
    expected = wanted(filters)
    assert [one.document["id"] for one in search.page(filters, 100)] == expected
    assert search.count(filters) == len(expected)
    onward = search.page(filters._replace(start=3), 4)
    assert [one.document["id"] for one in onward] == expected[3:7]


@given(FILTERS)
def test_neighbours_walk_through_all_hits_in_order(search, filters):
    expected = wanted(filters)
    found = next(search.page(filters, 1), None)
    walked = []
    while found is not None:
        walked.append(found.document["id"])
        before = search.beside(filters, found, after=False)
        assert (before.document["id"] if before else None) == (walked[-2] if len(walked) > 1 else None)
        found = search.beside(filters, found, after=True)
    assert walked == expected


@given(st.text(max_size=40))
def test_no_query_is_an_error(search, query):
    search.count(Filters(q=query))
    search.count(Filters(q=query, within="organic"))


@pytest.mark.parametrize(
    "query",
    [
        '"',
        "' OR 1=1 --",
        "NEAR(a b)",
        "alpha AND",
        "text:alpha",
        "*",
        "^alpha",
        "a" * 500,
        '"" "',
        "-",
        "{text} : x",
        "((",
    ],
)
def test_what_looks_like_a_query_language_is_words(search, query):
    list(search.page(Filters(q=query), 5))


def test_phrases_and_beginnings(search):
    assert search.count(Filters(q='"alpha beta"')) == 10
    assert search.count(Filters(q='"beta alpha"')) == 0
    assert search.count(Filters(q="alph*")) == 30
    assert (
        search.count(Filters(q="delta1", within="recycled")) == 0 < search.count(Filters(q="delta1", within="organic"))
    )
    assert terms("--")[0] == []


@given(st.dictionaries(st.sampled_from(Filters._fields), st.text(max_size=12)))
def test_any_address_is_read(params):
    read_filters(params)


@given(FILTERS)
def test_filters_survive_their_address(filters):
    assert read_filters(filters.params()) == filters


def test_an_id_is_found_and_shared_ids_are_all_found(search):
    assert [one.document["id"] for one in search.by_id("d17")] == ["d17"]
    assert search.by_id("d' OR 1") == [] and MOST_COUNTED > 100
