"""A diagram places what comes later lower, and leads arrows past the boxes between."""

import re
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from eval.report.drawing.flow import BOX_WIDTH, FlowBox, FlowLink, flow_chart

NAMES = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7, unique=True)


def drawn(names, links):
    boxes = [FlowBox(name, [f"<{name}>"]) for name in names]
    return ElementTree.fromstring(flow_chart(boxes, [FlowLink(*link, ["5 documents"]) for link in links], "about"))


def places(chart):
    """Name → the box's (x, y, height)."""
    boxes = [[float(one.get(key)) for key in ("x", "y", "height")] for one in chart.iter("rect")]
    names = [one.text for one in chart.iter("text") if "bold" in (one.get("class") or "")]
    return dict(zip(names, boxes, strict=True))


@given(st.data(), NAMES)
def test_every_box_stands_below_all_that_lead_to_it_and_no_two_overlap(data, names):
    pairs = [(one, two) for number, one in enumerate(names) for two in names[number + 1 :]]
    links = data.draw(st.lists(st.sampled_from(pairs), unique=True, max_size=8)) if pairs else []
    found = places(drawn(names, links))
    assert found.keys() == set(names)
    assert all(found[one][1] + found[one][2] < found[two][1] for one, two in links)
    for one in names:
        for two in names:
            (x0, y0, tall), (x1, y1, _) = found[one], found[two]
            assert one == two or abs(x0 - x1) >= BOX_WIDTH or not y0 <= y1 < y0 + tall


def test_an_arrow_over_a_row_passes_its_boxes_in_a_lane_of_its_own():
    chart = drawn("abc", [("a", "b"), ("b", "c"), ("a", "c")])
    x, y, tall = places(chart)["b"]
    arrows = [one.get("d") for one in chart.iter("path") if one.get("class") == "arrow"]
    (lane,) = (re.findall(r"(\d+) (\d+)L(\d+) (\d+)", arrow)[0] for arrow in arrows if "L" in arrow)
    left, top, right, bottom = map(float, lane)
    assert left == right and not x <= left <= x + BOX_WIDTH
    assert (top, bottom) == (y, y + tall)


def test_what_leads_in_a_circle_is_drawn_all_the_same():
    assert places(drawn("ab", [("a", "b"), ("b", "a"), ("a", "a")])).keys() == {"a", "b"}
