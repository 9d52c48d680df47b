"""Furniture of crawled pages: real blocks are taken from the ends of pages alone, and every maker makes lines."""

import json
import random

import pytest

from rl.data.recycling.edit_rows import EditRowsConfig, build_rows, make_stock
from rl.data.recycling.furniture import BLOCKS, Stock, furniture
from rl.data.recycling.remnants import notices, remnants

PROSE = [
    "The river rises in the hills to the north of the old town and runs for sixty miles to the sea.",
    "In spring the water is high, and the old mill below the bridge turns day and night.",
    "Nobody knows who built the mill, but the oldest of its stones bears a date of long ago.",
]
PAGE = "\n".join(
    ["The river", "Home", "News", "Sport", *PROSE, "- three cups of flour", "Older posts", "Tags", "Archive"]
)
STOCK = Stock(
    ["A title of a page"],
    PROSE,
    ["Home", "News"],
    [["More from us", "Sport", "Money"], ["Older posts", "Archive"]],
    ["All rights reserved."],
)


def test_blocks_are_what_stands_before_and_after_the_prose_but_for_the_title():
    assert next(iter(remnants(PAGE))) == ["Home", "News", "Sport"]
    assert not any(line in block for block in remnants(PAGE) for line in [*PROSE, "The river"])


def test_a_page_of_lists_alone_and_kinds_kept_for_measuring_lend_nothing():
    assert list(remnants("Home\nNews\nSport\nMoney\nTravel")) == []
    assert ["Home", "News", "Sport"] not in list(remnants(PAGE.replace("Sport", "Skip to content")))


def test_notices_are_long_lines_with_the_words_of_notices():
    closed = "Sorry, comments are closed for this item of ours."
    assert list(notices(f"{PAGE}\n{closed}\nSubscribe now")) == [closed]


@pytest.mark.parametrize("kind", sorted(BLOCKS))
def test_every_kind_makes_lines_that_differ(kind):
    made = ["\n".join(BLOCKS[kind](random.Random(seed), STOCK)) for seed in range(12)]
    assert all(text.strip() for text in made)
    assert len(set(made)) > 1


def test_furniture_is_as_long_as_asked_and_the_same_again():
    made = [furniture(random.Random(seed), STOCK, 5) for seed in range(20)]
    assert all(1 <= len(text.split("\n")) <= 6 for text in made)  # a blank line may open a block
    assert made == [furniture(random.Random(seed), STOCK, 5) for seed in range(20)]


def test_rows_drop_real_blocks_of_other_pages_and_keep_to_the_line_budget(tmp_path):
    pages = [{"id": str(number), "text": f"A page about {number}\n{PAGE}"} for number in range(12)]
    (tmp_path / "shard_00000000.jsonl").write_text("".join(json.dumps(page) + "\n" for page in pages), encoding="utf-8")
    config = EditRowsConfig(
        pool=str(tmp_path), rows=40, seeded=0, crawled=1, readme=0, max_chunk_lines=6, held_out_frac=0
    )
    assert make_stock(config).remnants
    rows = list(build_rows(config, lambda text: len(text.split())))
    assert all(sum(bool(line.strip()) for line in row["text"].split("\n")) <= 6 for row in rows)
    assert any("drop" in row["messages"][-1]["content"] for row in rows)
    assert any(line in row["clean_text"] for row in rows for line in PROSE)
