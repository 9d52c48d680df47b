"""Line edits: texts come back to the byte, edits do what they say, and what names no line is out of form."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rephrase.text.lines import apply_edits, end_mark, number_lines, write_edits

PAGE = (
    "Home | News | Log in\n\nThe river\n=========\n\nThe river rises in the hills to the north of the old town and\n"
    "runs to the sea. Read more » In May it is high.\n* a mill\n  on the bank\n* a weir\n\nShare: Facebook\n"
)
TEXTS = st.lists(
    st.sampled_from(
        ["\n", "\n\n", " \n", "Home", "* item", "  deeper", "===", "A line that is long enough to wrap on,"]
    )
    | st.text(max_size=8),
    max_size=10,
).map("".join)


def test_a_numbered_line_is_a_line_or_what_runs_on():
    assert number_lines(PAGE).units == [
        "Home | News | Log in",
        "The river\n=========",
        "The river rises in the hills to the north of the old town and\n"
        "runs to the sea. Read more » In May it is high.",
        "* a mill\n  on the bank",
        "* a weir",
        "Share: Facebook",
    ]


@settings(deadline=None, derandomize=True)
@given(TEXTS)
def test_units_and_gaps_give_the_text_back_and_keeping_all_changes_no_byte(text):
    assume("\r" not in text)
    numbered = number_lines(text)
    assert numbered.lead + "".join(map("".join, zip(numbered.units, numbered.seps, strict=True))) == text
    if numbered.units:
        assert apply_edits(text, "Edits:").text == text
        assert apply_edits(text, write_edits(numbered, [])).text == text


@settings(deadline=None, derandomize=True)
@given(TEXTS, st.data())
def test_dropped_lines_are_gone_and_all_others_stay(text, data):
    assume("\r" not in text)
    units = number_lines(text).units
    assume(units)
    gone = data.draw(st.sets(st.integers(1, len(units))))
    answer = "Edits:" + "".join(f"\n[{n}] {'drop' if n in gone else 'keep'}" for n in range(1, len(units) + 1))
    edited = apply_edits(text, answer)
    assert edited.dropped == tuple(sorted(gone))
    left = [unit for number, unit in enumerate(units, 1) if number not in gone]
    position = 0
    for unit in left:
        position = edited.text.index(unit, position) + len(unit)
    assert "".join(edited.text.split()) == "".join("".join(left).split())


def test_spans_become_the_edits_that_take_them_out():
    menu, more = PAGE.index("The river"), PAGE.index("Read more »")
    share = PAGE.index("Share")
    answer = write_edits(number_lines(PAGE), [(0, menu), (more, more + len("Read more »")), (share, len(PAGE))])
    assert answer.split("\n")[1:] == [
        "[1] drop", "[2] keep", "[3] cut Read more »", "[4] keep", "[5] keep", "[6] drop",
    ]  # fmt: skip
    edited = apply_edits(PAGE, answer)
    assert edited.text.startswith("The river\n====")
    assert "runs to the sea. In May it is high.\n* a mill" in edited.text
    assert edited.text.rstrip().endswith("* a weir")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("Edits:\n[7] drop", "no_such_line"),
        ("Edits:\n[0] keep", "no_such_line"),
        ("Edits:\n[3] cut no such words", "no_such_fragment"),
        ("Edits:\n[1] drop\n[1] keep", "unreadable_edit"),
        ("Edits:\nI would drop line 1.", "unreadable_edit"),
        ("[1] drop", "missing_sentinel"),
        ("", "missing_sentinel"),
    ],
)
def test_an_answer_out_of_form_edits_nothing(answer, status):
    assert apply_edits(PAGE, answer)[:2] == ("", status)


def test_unnamed_lines_stay_and_are_counted():
    edited = apply_edits(PAGE, "Edits:\n[1] drop")
    assert edited.unnamed == 5
    assert "Share: Facebook" in edited.text
    assert "Home" not in edited.text


def test_a_verdict_said_twice_counts_once_and_two_different_ones_not_at_all():
    assert apply_edits(PAGE, "Edits:\n[1] drop\n[1] drop") == apply_edits(PAGE, "Edits:\n[1] drop")
    assert apply_edits(PAGE, "Edits:\n[1] drop\n[1] keep").status == "unreadable_edit"


def test_an_answer_that_stops_at_the_end_mark_names_no_line_that_is_not_there():
    everything = "Edits:" + "".join(f"\n[{number}] keep" for number in range(1, 30))
    assert apply_edits(PAGE, everything).status == "no_such_line"
    stopped = everything[: everything.index(end_mark(PAGE))]
    assert apply_edits(PAGE, stopped) == (PAGE, "ok", (), (), 0)
