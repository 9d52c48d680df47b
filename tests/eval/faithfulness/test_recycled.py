"""What became of a pool's pages: shares of the prose that a model was given, lines gone, the verdict; a copy."""

import pytest

from eval.faithfulness.recycled import pool_figures

BADGE = "[![ci](https://ci.org/b.svg)](https://ci.org)"
PROSE = "The river rises in 1915 metres and falls quickly."
CODE = "```\nx = 1\n```"
ORGANIC = f"{BADGE}\n{PROSE}\n\n{CODE}"


def page(text, output_of_first, flags=("dropped",), status="ok"):
    first = len(f"{BADGE}\n{PROSE}")
    chunks = [
        {"start": 0, "end": first, "status": status, "flags": list(flags), "out_start": 0, "out_end": output_of_first},
        {"start": first + 2, "end": len(ORGANIC), "status": "verbatim", "kind": "code",
         "out_start": text.index("```"), "out_end": text.index("```") + len(CODE)},
    ]  # fmt: skip
    return ORGANIC, text, chunks


def test_a_cleaned_page_keeps_its_prose_and_loses_its_badge():
    figures = pool_figures([page(f"{PROSE}\n\n{CODE}", len(PROSE))])
    assert figures["content_kept"] == figures["numbers_kept"] == figures["lines_dropped"] == figures["in_form"] == 1
    assert figures["words_invented"] == figures["novel_5grams"] == 0
    assert figures["verbatim"] == {"code": 1, "words": 5, "numbers": 1, "altered": 0}
    assert figures["pages_changed"] == 1
    assert figures["page_content_kept"] == 5 / 7  # the badge says https twice
    assert "kept: 100.0 % of the prose" in figures["verdict"]


def test_a_copy_drops_no_line():
    figures = pool_figures([page(ORGANIC, len(f"{BADGE}\n{PROSE}"), flags=())])
    assert figures["lines_dropped"] == figures["pages_changed"] == 0
    assert figures["length_ratio_nothing_dropped"] == 1


def test_what_is_lost_and_invented_shows():
    told = "The river rises in 1916 unmetres."
    figures = pool_figures([page(f"{told}\n\n{CODE}", len(told))], lost=2)
    assert figures["content_kept"] == 2 / 5
    assert figures["numbers_kept"] == 0
    assert figures["words_invented"] == 2 / 6
    assert figures["verdict"].endswith("lost: 2 pages")


def test_a_chunk_sent_back_was_in_form():
    figures = pool_figures(
        [page(ORGANIC, len(f"{BADGE}\n{PROSE}"), flags=("kept_organic",), status="unfaithful/numbers")]
    )
    assert figures["in_form"] == figures["sent_back"] == 1


def test_quality_rises_where_furniture_goes_and_a_copys_does_not():
    clean = [page(f"{PROSE}\n\n{CODE}", len(PROSE))] * 3
    quality = pool_figures(clean)["quality"]
    # 2 of 9 words of the prose are common; code adds 5 words, the badge 1.
    assert quality["organic"] == pytest.approx(2 / 15)
    assert quality["recycled"] == pytest.approx(2 / 14)
    assert quality["error"] == pytest.approx(0)
    assert "better by more than chance" in pool_figures(clean)["verdict"]
    copies = pool_figures([page(ORGANIC, len(f"{BADGE}\n{PROSE}"), flags=())] * 3)
    assert copies["quality"]["gain"] == 0
    assert "neither better nor worse" in copies["verdict"]
    assert pool_figures(clean[:1])["quality"]["error"] is None
