"""Charts and marked pairs are well-formed, escaped, and show what was measured."""

import html
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report.charts import bar_chart, histogram, line_chart, short_number, ticks
from eval.report.textdiff import marked_pair

VALUES = st.floats(-1e6, 1e6) | st.just(float("nan")) | st.none()


def elements(fragment):
    return ElementTree.fromstring(f"<div>{fragment}</div>")


@given(st.dictionaries(st.text(st.characters(codec="utf-8", exclude_categories=["C"])), st.lists(VALUES), max_size=4))
def test_any_series_gives_well_formed_markup(series):
    lines = {name: list(enumerate(values)) for name, values in series.items()}
    elements(line_chart(lines))
    elements(bar_chart({name: float(len(values)) for name, values in series.items()}))


def test_a_line_runs_from_left_to_right_and_upwards():
    chart = elements(line_chart({"loss": [(0, 1.0), (10, 3.0)]}))
    points = chart.find(".//polyline").get("points").split()
    (x0, y0), (x1, y1) = (tuple(map(float, point.split(","))) for point in points)
    assert x0 < x1
    assert y0 > y1  # SVG counts downwards


def test_a_value_that_is_not_finite_leaves_a_gap():
    chart = elements(line_chart({"loss": [(0, 1.0), (1, 2.0), (2, float("nan")), (3, 1.0), (4, 0.5)]}))
    assert len(chart.findall(".//polyline")) == 2


def test_a_histogram_shows_shares_so_that_sources_of_different_sizes_compare():
    small, large = (histogram({"a": counts}, 0, 1, x_label="score") for counts in ([1, 3], [100, 300]))
    assert small == large


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e9))
def test_ticks_lie_inside_and_are_evenly_spaced(low, width):
    marks = ticks(low, low + width)
    assert 2 <= len(marks) <= 12
    slack = width * 1e-6 + 1e-9
    assert all(low - slack <= mark <= low + width + slack for mark in marks)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1e-7, "1e-07"), (0.5, "0.5"), (12.345, "12.35"), (1e6, "1,000,000")]
)
def test_numbers_are_written_as_a_person_would(value, text):
    assert short_number(value) == text


def plain(marked):
    return html.unescape(re.sub(r"</?(?:ins|del)>", "", marked))


@given(st.text(), st.text())
def test_no_character_of_either_text_is_lost(organic, recycled):
    old, new = marked_pair(organic, recycled)
    assert (plain(old), plain(new)) == (organic, recycled)


def test_differences_are_marked_and_markup_is_escaped():
    old, new = marked_pair("Home | About <script>x()</script> The cat sat.", "The cat sat down.")
    assert "<del>" in old
    assert "<script>" not in old
    assert new == "The cat sat <ins>down</ins>."
