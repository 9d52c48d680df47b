"""Training rows with boilerplate: different passages from all over the pool, and a count of how many there are."""

import pytest

from rl.data.recycling.build import NoiseConfig, RecyclingDataConfig, build
from rl.data.recycling.passages import part_of


def words(text):
    return len(text.split())


def made(pool, folder, rows, eval_rows):
    from common.pools.documents import read_rows

    noise = NoiseConfig(min_tokens=8, max_tokens=40, held_out_frac=0.2, harvest_pages=20)
    config = RecyclingDataConfig(pool=pool, rows=rows, eval_rows=eval_rows, noise=noise)
    figures = build(config, folder, words)
    return figures, *([row for _, row in read_rows(f"{folder}/{part}.jsonl")] for part in ("train", "eval"))


def test_no_passage_comes_twice_while_there_are_others(small_pool, tmp_path):
    figures, train, held_out = made(small_pool, tmp_path, 30, 10)
    assert figures["train_passages"] == len({row["clean_text"] for row in train}) == 30
    assert figures["eval_passages"] == len({row["clean_text"] for row in held_out}) == 10
    assert all(part_of(row["id"].split("#")[0], 0.2) == "train" for row in train)
    assert all(part_of(row["id"].split("#")[0], 0.2) == "held_out" for row in held_out)
    assert not {row["clean_text"] for row in train} & {row["clean_text"] for row in held_out}


def test_rows_are_drawn_from_all_over_the_pool(small_pool, tmp_path):
    _, all_rows, _ = made(small_pool, tmp_path / "all", 200, 1)
    order = list(dict.fromkeys(row["id"].split("#")[0] for row in sorted(all_rows, key=lambda row: row["id"])))
    _, few, _ = made(small_pool, tmp_path / "few", 12, 1)
    places = [order.index(row["id"].split("#")[0]) for row in few]
    assert len(set(places)) >= 6 and places != sorted(places)


def test_passages_that_run_out_come_again_with_other_boilerplate_and_are_counted(small_pool, tmp_path):
    figures, train, _ = made(small_pool, tmp_path, 2000, 1)
    passages = [row["clean_text"] for row in train]
    assert len(train) == figures["train"] == 2000 > figures["train_passages"] == len(set(passages))
    assert len({row["id"] for row in train}) == 2000
    first_again = next(place for place, passage in enumerate(passages) if passage in passages[:place])
    assert first_again > 30  # each came once before any comes again
    assert len({row["text"] for row in train}) > 1000


def test_the_same_config_gives_the_same_rows(small_pool, tmp_path):
    assert made(small_pool, tmp_path / "a", 40, 10) == made(small_pool, tmp_path / "b", 40, 10)


def test_a_pool_without_passages_is_refused(tmp_path, small_pool):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no|empty"):
        made(str(tmp_path / "empty"), tmp_path / "out", 4, 1)


def test_a_file_of_rows_stands_in_for_the_pool_and_rows_at_the_top_are_left_out(tmp_path):
    from common.pools.documents import read_rows, write_documents

    path = tmp_path / "1000_sample_low_score.jsonl"
    pages = [{"text": f"Page {number} says little.", "dataman_score": 1 + number % 5} for number in range(20)]
    write_documents(str(path), pages)
    config = RecyclingDataConfig(rows_file=str(path), rows=10, eval_rows=2, score_field="dataman_score")
    figures = build(config, tmp_path / "out", words)
    assert figures["train"] == 10 and figures["eval"] == 2
    assert all(row["dataman_score"] < 5 for _, row in read_rows(f"{tmp_path}/out/train.jsonl"))
