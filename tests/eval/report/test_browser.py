"""The report in a real browser: it draws, says nothing on the console, asks nobody, and can be used without a mouse."""

import csv
import io
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

A4 = {"width": 688, "height": 1017}
"""The printable area of a page in CSS pixels: 210 by 297 mm less margins of 14 mm."""


@pytest.mark.parametrize(("view", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_charts_draw_nothing_overflows_and_axe_finds_no_violation(browse, axe, report, view, scheme):
    page = browse(view, color_scheme=scheme)
    page.goto(report)
    drawn = page.eval_on_selector_all(
        "figure svg[role=img]",
        "all => all.map(one => [one.getBoundingClientRect().height, "
        "one.querySelectorAll('polyline,path,rect').length])",
    )
    assert len(drawn) > 15
    assert all(height > 40 and shapes for height, shapes in drawn)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert axe(page) == []


def test_text_that_would_run_stays_text(page, report):
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto(report)
    assert page.locator("script").count() == 0
    assert page.get_by_text("<script>alert(").count() > 3


def test_the_keyboard_alone_reaches_every_section_download_and_box_that_scrolls(page, report):
    page.goto(report)
    wanted = page.eval_on_selector_all(
        "a[href], summary, [tabindex='0']", "all => all.filter(one => one.checkVisibility()).length"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = 1
    while page.evaluate("document.activeElement !== document.body") and reached <= wanted:
        page.keyboard.press("Tab")
        reached += 1
    assert reached > wanted
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_attribute("open") is not None
    page.locator("nav a").last.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#how-it-was-made"


def test_a_chart_downloads_the_data_that_the_run_logged(page, report):
    page.goto(report)
    figure = page.locator("figure", has_text="Training loss").first
    with page.expect_download() as waited:
        figure.get_by_text("CSV").click()
    assert waited.value.suggested_filename == "training_loss.csv"
    head, *rows = list(csv.reader(io.StringIO(Path(waited.value.path()).read_text("utf-8"))))
    assert head[0] == "step"
    by_name = {name: [row[number] for row in rows] for number, name in enumerate(head)}
    assert by_name["models/mixed"] == ["6.5", "5.25"]
    assert by_name["crashed/models/organic"] == ["", "6.5"]


def test_in_print_no_chart_is_cut(browse, report, tmp_path):
    page = browse(viewport=A4, color_scheme="dark")
    page.goto(report)
    page.emulate_media(media="print")
    boxes = page.eval_on_selector_all(
        "figure",
        "all => all.map(one => [one.getBoundingClientRect().height, one.scrollWidth - one.clientWidth, "
        "getComputedStyle(one).breakInside])",
    )
    assert len(boxes) > 15
    assert all(height < A4["height"] and over <= 0 and breaks == "avoid" for height, over, breaks in boxes)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= A4["width"]
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000
