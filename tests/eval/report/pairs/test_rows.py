"""A recycled document as rows: chunk beside chunk, believed only where the record fits the texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report.pairs.reasons import MEANINGS, chunk_note, meaning
from eval.report.pairs.rows import pair_html, pair_rows
from rephrase.text.postprocess import STATUSES

ORGANIC = "One two.\n\ncode()\n\nThree four."
TEXT = "Two.\n\ncode()\n\nThree four."
CHUNKS = [
    {"start": 0, "end": 8, "out_start": 0, "out_end": 4, "status": "ok", "flags": ["dropped"]},
    {"start": 10, "end": 16, "out_start": 6, "out_end": 12, "status": "verbatim", "kind": "code"},
    {
        "start": 18,
        "end": 29,
        "out_start": 14,
        "out_end": 25,
        "status": "missing_sentinel",
        "flags": ["kept_organic"],
        "attempts": 2,
    },
]


def document(chunks):
    return {"id": "a", "organic_text": ORGANIC, "text": TEXT, "rephrase": {"chunks": chunks}}


def test_each_chunk_is_a_row_with_what_happened_to_it():
    rows = pair_rows(document(CHUNKS))
    assert [row.organic.strip() for row in rows] == ["One two.", "code()", "Three four."]
    assert [row.recycled.strip() for row in rows] == ["Two.", "code()", "Three four."]
    assert rows[1].note == "Passed by the model unchanged: code."
    assert rows[2].note.startswith("Kept organic: the answer does not say where the rephrasing begins")
    assert "2 attempts" in rows[2].note


CHUNK = st.fixed_dictionaries(
    {name: st.none() | st.integers(-3, 40) | st.just("x") for name in ("start", "end", "out_start", "out_end")}
    | {"status": st.sampled_from(["ok", "empty", None])}
)


@given(st.lists(CHUNK, max_size=4))
def test_both_texts_are_whole_whatever_the_record_says(chunks):
    rows = pair_rows(document(chunks))
    assert "".join(row.organic for row in rows) == ORGANIC
    assert "".join(row.recycled for row in rows) == TEXT


@pytest.mark.parametrize("chunks", [None, "chunks", [1, 2], [{"status": ["x"]}], {"a": 1}])
def test_a_record_of_another_shape_is_one_row(chunks):
    assert len(pair_rows(document(chunks))) == 1


def test_markup_and_control_codes_are_text():
    shown = pair_html(pair_rows({"organic_text": "<script>x</script>\x1b[2J", "text": "<b onclick=y>\u202e"}))
    assert (
        "<script" not in shown
        and "<b " not in shown
        and "\x1b" not in shown
        and "\\u202e" in shown
        and "invented" not in shown
    )


def test_a_fact_that_stands_in_another_row_is_not_lost():
    chunks = [
        {"start": 0, "end": 8, "out_start": 0, "out_end": 0, "status": "ok"},
        {"start": 10, "end": 24, "out_start": 0, "out_end": 14, "status": "ok"},
    ]
    page = {"organic_text": "In 1871,\n\nRome, in 1871.", "text": "Rome, in 1871.", "rephrase": {"chunks": chunks}}
    shown = pair_html(pair_rows(page))
    assert shown.count('title="number kept"') == 3 and "lost" not in shown


def test_every_status_of_the_rephraser_has_words():
    assert set(STATUSES) - {"ok"} <= MEANINGS.keys()
    assert meaning("short_page") == "short page"


def test_a_chunk_that_is_left_out_says_why():
    assert chunk_note({"status": "repetition", "error": "E"}).startswith("Left out: the answer goes round in circles")
