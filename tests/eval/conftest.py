"""A real browser for what people look at: Debian's chromium, driven by playwright, watched while a test uses it."""

import json
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

NEEDED = "`pip install -e .[browser]` and Debian's chromium (`apt-get install chromium`)"
VIEWS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 375, "height": 740}, "is_mobile": True, "has_touch": True},
}


def chromium():
    """The browser's path; None where there is none."""
    named = os.environ.get("REPRO_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    """A browser for the tests of one file; they skip where it or its driver is missing.

    One to a file, since its driver keeps an event loop running in this thread for as long as it is there.
    """
    driver = pytest.importorskip("playwright.sync_api", reason=f"no playwright: {NEEDED}")
    path = chromium()
    if path is None:
        pytest.skip(f"no chromium: {NEEDED}")
    with driver.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def leaves(url):
    """Whether a request goes anywhere else than to a file or to this machine."""
    parts = urlsplit(url)
    return parts.scheme not in ("file", "data", "blob", "about") and parts.hostname != "127.0.0.1"


@pytest.fixture
def browse(browser):
    """Opens watched pages: `browse("phone", color_scheme="dark")`.

    The test fails at its end if any of them said an error or a warning on its console, threw, or made a request that
    leaves files and 127.0.0.1 (which is stopped on the way).
    """
    trouble = []
    contexts = []

    def stop(route):
        trouble.append(f"a request leaves: {route.request.url}")
        route.abort()

    def hear(message):
        if message.type in ("error", "warning"):
            trouble.append(f"console {message.type}: {message.text}")

    def browse(view="desktop", **options):
        context = browser.new_context(**{**VIEWS[view], "accept_downloads": True, **options})
        context.set_default_timeout(60_000)  # a shared machine may be slow
        contexts.append(context)
        context.route(leaves, stop)
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: trouble.append(f"page error: {error}"))
        return page

    yield browse
    for context in contexts:
        context.close()
    assert trouble == []


@pytest.fixture
def page(browse):
    """One watched page as wide as a desktop's."""
    return browse()


@pytest.fixture(scope="session")
def axe():
    """Asks axe-core what of a page people with a screen reader, a keyboard or weak eyes cannot use; a line for each."""
    package = pytest.importorskip("axe_playwright_python", reason=f"no axe-core: {NEEDED}")
    source = (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

    def violations(page):
        page.evaluate(source)  # not a script element: a strict content policy would refuse it
        found = page.evaluate("async () => JSON.stringify((await axe.run()).violations)")
        return [
            f"{one['id']}: {one['help']}: {', '.join(str(node['target']) for node in one['nodes'][:5])}"
            for one in json.loads(found)
        ]

    return violations
