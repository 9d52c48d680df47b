"""Shared runs of four words: the published figures of the pages as they came, and the ends of the scale."""

import json

import pytest

from eval.faithfulness.articles import article_figures, shared_runs


def test_the_ends_of_the_scale():
    assert shared_runs("a b c d e", "a b c d e") == (1, 1)
    assert shared_runs("a b c d e", "") == (0, 0)
    assert shared_runs("a b c d", "a b c d a b c d") == (1 / 5, 1)  # multisets: the second time is one too many


def test_an_interval_holds_the_value_and_needs_no_page():
    figures = article_figures([("a b c d e", "a b c d"), ("a b c d", "a b c d x y")])
    assert figures["f1_low"] <= figures["f1"] <= figures["f1_high"]
    assert article_figures([])["f1"] == 0


@pytest.mark.parametrize(("least_words", "expected"), [(0, (0.526, 0.994, 0.688)), (20, (0.791, 0.878, 0.832))])
def test_the_pages_as_they_came_and_a_rule_by_line_length(shared_data, least_words, expected):
    with (shared_data / "web" / "cleaning.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    kept = ["\n".join(line for line in row["text"].split("\n") if len(line.split()) >= least_words) for row in rows]
    figures = article_figures([(row["gold"], text) for row, text in zip(rows, kept, strict=True)])
    assert (figures["precision"], figures["recall"], figures["f1"]) == pytest.approx(expected, abs=0.0005)
