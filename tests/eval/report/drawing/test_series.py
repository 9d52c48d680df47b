"""Charts are well-formed, escaped, and show what was measured; their data downloads as it is."""

import csv
import io
import math
import re
import xml.etree.ElementTree as ElementTree
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report.drawing.figure import as_csv, figure, lines_figure, scatter_figure
from eval.report.drawing.frame import Axes, short_number, ticks
from eval.report.drawing.series import Series, bar_chart, line_chart, scatter, steps, thinned

VALUES = st.floats(-1e6, 1e6) | st.just(float("nan")) | st.none()
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]))
LOSS = Axes("step", "loss")


def elements(fragment):
    return ElementTree.fromstring(f"<div>{fragment}</div>")


@given(st.dictionaries(NAMES, st.lists(VALUES), max_size=9))
def test_any_series_gives_well_formed_markup(series):
    lines = [Series(name, list(enumerate(values)), number) for number, (name, values) in enumerate(series.items())]
    elements(line_chart(lines, LOSS))
    elements(lines_figure("a <title>", lines, LOSS, note='"quoted" & more'))
    elements(scatter_figure("t", lines, LOSS, names={one.name: [one.name] * len(one.points) for one in lines}))
    elements(bar_chart({name: float(len(values)) for name, values in series.items()}))


def test_a_line_runs_from_left_to_right_and_upwards():
    chart = elements(line_chart([Series("loss", [(0, 1.0), (10, 3.0)])], LOSS))
    points = chart.find(".//polyline").get("points").split()
    (x0, y0), (x1, y1) = (tuple(map(float, point.split(","))) for point in points)
    assert x0 < x1
    assert y0 > y1  # SVG counts downwards


def test_a_value_that_is_not_finite_leaves_a_gap():
    points = [(0, 1.0), (1, 2.0), (2, float("nan")), (3, 1.0), (4, 0.5)]
    chart = elements(line_chart([Series("loss", points)], LOSS))
    assert len(chart.findall(".//polyline")) == 2


def test_a_point_with_a_link_is_a_dot_that_opens_it_and_says_so():
    line = Series("reward", [(1, 0.5), (2, 0.75)], links={2: "/run/rl/step?step=2&split=train"})
    chart = elements(line_chart([line], LOSS))
    (dot,) = chart.findall(".//a")
    assert dot.get("href") == "/run/rl/step?step=2&split=train" and chart.find("svg").get("role") == "group"
    assert dot.get("aria-label") == "reward, step 2: 0.75; open it"
    plain = elements(line_chart([Series("reward", [(1, 0.5), (2, 0.75)])], LOSS))
    assert plain.find("svg").get("role") == "img" and not plain.findall(".//a")


def test_a_dot_for_each_point_and_another_form_for_each_cloud():
    chart = elements(scatter([Series("a", [(0, 1), (1, 2)]), Series("b", [(2, 2)], 1)], LOSS))
    forms = [path.get("d").split("m", 1)[1] for path in chart.findall(".//path")]
    assert len(forms) == 3
    assert forms[0] == forms[1] != forms[2]


def test_a_histogram_shows_shares_so_that_sources_of_different_sizes_compare():
    assert steps([1, 3], [0, 1, 2]) == steps([100, 300], [0, 1, 2])


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=90))
def test_a_long_line_keeps_its_ends_its_least_and_its_greatest_value(values):
    points = list(enumerate(values))
    kept = thinned(points, most=20)
    assert len(kept) <= 24
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert (min(y for _, y in kept), max(y for _, y in kept)) == (min(values), max(values))


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


def data_of(fragment):
    (link,) = re.findall(r'href="data:text/csv;charset=utf-8,([^"]*)"', fragment)
    return list(csv.reader(io.StringIO(unquote(link.replace("&#x27;", "'").replace("&amp;", "&")))))


@given(st.lists(VALUES, max_size=20), st.lists(VALUES, max_size=20))
def test_the_data_of_a_chart_are_every_value_to_the_last_digit(first, second):
    lines = [Series("first", list(enumerate(first))), Series("second", [(2 * x, y) for x, y in enumerate(second)])]
    head, *rows = data_of(lines_figure("two lines", lines, LOSS))
    assert head == ["step", *(one.name for one in lines if one.points)]
    for one in lines:
        read = {float(row[0]): row[head.index(one.name)] for row in rows} if one.points else {}
        for x, y in one.points:
            wanted = y is not None and math.isfinite(y)
            assert (float(read[x]) == y) if wanted else read[x] == ""


def test_a_cell_that_a_spreadsheet_would_run_is_text():
    rows = [["=cmd()", -1.5], ["+A1", None], ["-0.5 to 1", math.inf], ["@x", 1e-9]]
    assert as_csv(["id", "x"], rows) == "id,x\n'=cmd(),-1.5\n'+A1,\n-0.5 to 1,\n'@x,1e-09\n"


def test_a_download_has_a_plain_name_and_carries_any_text():
    told = figure(
        'A/B "c"',
        "<svg/>",
        ["name"],
        [
            [
                '<b>&"%#?\n',
            ]
        ],
    )
    assert 'download="a_b_c.csv"' in told
    assert data_of(told)[1] == ['<b>&"%#?\n']
