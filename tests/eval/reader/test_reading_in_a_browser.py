"""The reader in a real browser: searched, paged and read by keyboard alone; nothing leaves, nothing hostile runs."""

import asyncio
import re
import socket
import threading

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="the reader's extra is not installed")

from eval.reader.app import make_app  # noqa: E402
from eval.reader.shelf import Shelf, find_books  # noqa: E402
from eval.report.pairs.links import document_path, group_path, pool_path, run_path, step_path  # noqa: E402

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def base(pool, run, tmp_path_factory):
    """Address of a running reader."""
    shelf = Shelf(find_books([str(pool), str(run)], None, str(tmp_path_factory.mktemp("index"))))
    shelf.start()
    shelf.wait()
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(shelf, limit=5), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    shelf.close()


PAGES = {
    "shelf": "/",
    "pool": pool_path("recycled"),
    "pair": document_path("recycled", "page/3"),
    "chunks": document_path("recycled", "page/4"),
    "dropped": document_path("recycled", "page/7"),
    "run": run_path("rl"),
    "step": step_path("rl", 10, "train"),
    "group": group_path("rl", 10, "train", "q1"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_everybody(base, browse, axe, scheme):
    page = browse(color_scheme=scheme)
    found = {}
    for name, address in PAGES.items():
        page.goto(base + address)
        found[name] = axe(page)
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_hostile_document_stays_text(base, page):
    page.goto(base + document_path("recycled", "page/3"))
    assert page.title() == "page/3" and "<script>" in page.inner_text("main")
    assert page.locator("main script, main img").count() == 0
    page.goto(base + group_path("rl", 10, "train", "q1"))
    assert "onerror=alert(1)" in page.inner_text("main") and page.locator("main img").count() == 0


def test_the_reader_is_searched_and_paged_by_keyboard_alone(base, page):
    page.goto(base + pool_path("recycled"))
    page.keyboard.press("/")
    page.keyboard.type("tiber")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=tiber**")
    assert "1 to 5 shown here" in page.inner_text("main")
    with page.expect_navigation():
        page.keyboard.press("n")
    assert "6 to 10 shown here" in page.inner_text("main")
    page.keyboard.press("j")
    page.keyboard.press("j")
    wanted = page.evaluate("document.activeElement.textContent")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.inner_text("h1") == wanted
    with page.expect_navigation():
        page.keyboard.press("j")
    assert page.inner_text("h1") != wanted
    with page.expect_navigation():
        page.keyboard.press("k")
    assert page.inner_text("h1") == wanted
    with page.expect_navigation():
        page.keyboard.press("u")
    assert "q=tiber" in page.url and re.search(r"\d+ documents", page.inner_text("main"))


def test_tab_and_enter_suffice_without_the_short_keys(base, browse):
    page = browse(java_script_enabled=False)
    page.goto(base + pool_path("recycled") + "?q=arno")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator("[data-hit]:focus").count():
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/document**")
    assert page.inner_text("h1") == "page/3"


def test_differences_and_facts_can_be_hidden(base, page):
    page.goto(base + document_path("recycled", "page/5"))
    gone = page.locator(".pair del").first
    assert "line-through" in gone.evaluate("one => getComputedStyle(one).textDecorationLine")
    page.keyboard.press("d")
    assert gone.evaluate("one => getComputedStyle(one).textDecorationLine") == "none"
    page.keyboard.press("f")
    assert page.locator("#no-facts").is_checked()


def test_filters_are_in_the_address(base, page):
    page.goto(base + pool_path("recycled"))
    page.select_option("[name=reason]", "truncated")
    page.click("button[type=submit]")
    page.wait_for_url("**reason=truncated**")
    assert "2 documents" in page.inner_text("main") and page.input_value("[name=reason]") == "truncated"


def test_rollouts_are_reached_from_the_steps(base, page):
    page.goto(base + run_path("rl"))
    page.locator("svg a").last.focus()
    page.keyboard.press("Enter")  # a dot of the chart
    page.wait_for_url("**/step?step=10**")
    page.go_back()
    page.click("td >> text=step 10")
    page.wait_for_url("**/step?**")
    page.click("[data-hit] >> nth=0")
    page.wait_for_url("**/group?**")
    boxes = page.locator(".rollout")
    assert boxes.count() == 4 and boxes.nth(0).bounding_box()["y"] == boxes.nth(1).bounding_box()["y"]
    assert page.locator(".rollout .up").count() == 4


def test_a_phone_shows_a_pair_one_below_the_other(base, browse):
    page = browse("phone")
    page.goto(base + document_path("recycled", "page/5"))
    left, right = page.locator(".pair > div").nth(0).bounding_box(), page.locator(".pair > div").nth(1).bounding_box()
    assert right["y"] >= left["y"] + left["height"] and page.evaluate("document.body.scrollWidth <= innerWidth")
