"""The report in a real browser: it says nothing on the console, asks nobody, and can be read by everyone."""

import json

import pytest

from eval.report.__main__ import main

pytestmark = pytest.mark.integration


def test_the_page_opens_without_a_console_error_or_a_request(page, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"eval_metrics": {"icl": {"copa": 0.55}}}))
    main([str(tmp_path / "mine.json"), f"out={tmp_path / 'report.html'}"])
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator("h1").inner_text() == "RePro report"
