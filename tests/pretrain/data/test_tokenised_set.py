"""The cursor over tokenised sets: each context once a pass, in an order that only data and seed decide."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretrain.data.cursor import Cursor, permutation
from pretrain.data.mixes import open_data
from pretrain.data.tokenised_set import TokenisedSet


class Sized:
    """A set of n contexts, for orders alone."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n


def rows_of(n, seq_len=4, start=0):
    """Row i holds i in every place."""
    return np.repeat(np.arange(start, start + n), seq_len + 1).reshape(n, seq_len + 1)


@given(st.integers(1, 700), st.integers(0, 2**40))
def test_permutation_is_a_bijection(size, seed):
    image = permutation(np.arange(size), size, (seed, 1))
    assert sorted(image.tolist()) == list(range(size))


def test_permutation_is_about_uniform():  # of 6! orders' first elements: each of 6 places within 5 sigma over 3000 keys
    first = np.array([permutation(np.array([0]), 6, (key,))[0] for key in range(3000)])
    counts = np.bincount(first, minlength=6)
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500)


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 2**32))
def test_every_pass_covers_the_set_once(size, passes, seed):
    cursor = Cursor([Sized(size)], seed=seed)
    _, rows = cursor.locate(np.arange(size * passes))
    assert rows[:size].tolist() == list(range(size))  # pass 0 is the stored order
    for number in range(passes):
        assert sorted(rows[number * size : (number + 1) * size].tolist()) == list(range(size))


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 2**32))
def test_several_sets_without_weights_are_one_shuffled_list(sizes, seed):
    cursor = Cursor([Sized(size) for size in sizes], seed=seed)
    which, rows = cursor.locate(np.arange(sum(sizes)))
    found = sorted(zip(which.tolist(), rows.tolist(), strict=True))
    assert found == [(kind, row) for kind, size in enumerate(sizes) for row in range(size)]


@given(st.lists(st.floats(0.01, 5), min_size=2, max_size=4), st.integers(0, 1000), st.integers(1, 3000))
def test_weights_hold_in_every_thousand_and_rows_follow_each_other(weights, seed, count):
    sets = [Sized(700 + 10 * number) for number in range(len(weights))]
    cursor = Cursor(sets, weights, seed)
    which, rows = cursor.locate(np.arange(3000))
    exact = np.array(weights) / sum(weights) * 1000
    for block in range(3):
        assert np.abs(np.bincount(which[block * 1000 : (block + 1) * 1000], minlength=len(sets)) - exact).max() <= len(
            sets
        )
    for kind, one in enumerate(sets):
        mine = rows[which == kind][: len(one)]
        assert mine.tolist() == list(range(len(mine)))  # pass 0 of each set is its stored order
    assert np.array_equal(cursor.locate(np.arange(count))[1], rows[:count])  # asked for in parts or at once


def test_rows_and_pads_come_from_the_right_shard(tmp_path, make_set):
    make_set(tmp_path / "s", rows_of(10), pads=[(0, 2), (7, 5)], rows_per_shard=4)
    data = TokenisedSet(tmp_path / "s")
    assert len(data) == 10 and data.seq_len == 4 and len(data.shards) == 3
    index = np.array([7, 0, 3, 9])
    assert data.rows(index)[:, 0].tolist() == [7, 0, 3, 9]
    assert data.pads(index).tolist() == [5, 2, 0, 0]


@pytest.mark.parametrize("newline", [True, False])
def test_a_one_shard_set_is_not_empty(tmp_path, make_set, newline):  # open_lm loses a last line without its newline
    make_set(tmp_path / "s", rows_of(1), newline=newline)
    assert len(TokenisedSet(tmp_path / "s")) == 1


def test_num_chunks_and_blank_lines_are_understood(tmp_path, make_set):
    make_set(tmp_path / "s", rows_of(6), rows_per_shard=3)
    lines = [json.dumps({"shard": f"shard_{n:08d}", "num_chunks": 3}) for n in (0, 1)]
    (tmp_path / "s" / "manifest.jsonl").write_text("\n\n".join(lines))
    assert len(TokenisedSet(tmp_path / "s")) == 6


def test_a_short_file_is_an_error_before_training(tmp_path, make_set):
    make_set(tmp_path / "s", rows_of(6))
    file = tmp_path / "s" / "shard_00000000.bin"
    file.write_bytes(file.read_bytes()[:-2])
    with pytest.raises(ValueError, match="6 contexts of 5 take 60 bytes, found 58"):
        TokenisedSet(tmp_path / "s")


def test_large_vocabularies_are_uint32(tmp_path, make_set):
    make_set(tmp_path / "s", rows_of(3) + 70_000, vocab=80_000)
    assert TokenisedSet(tmp_path / "s").rows(np.array([1]))[0, 0] == 70_001


def test_data_configs(tmp_path, make_set):
    make_set(tmp_path / "a", rows_of(5))
    make_set(tmp_path / "b", rows_of(7))
    reference = tmp_path / "dclm.json"
    reference.write_text(json.dumps({"name": "x", "manifest_url": "a/manifest.jsonl", "anything": 1}))
    assert open_data(str(reference)).name == "x" and len(open_data(str(reference)).sets[0]) == 5
    assert len(open_data(str(tmp_path / "a" / "dataset.json")).sets[0]) == 5  # dataset.json is one itself
    mix = tmp_path / "mix.yaml"
    mix.write_text("name: m\nsources:\n  - {path: a, weight: 3}\n  - {path: b, weight: 1}\n")
    assert open_data(str(mix)).weights == [3.0, 1.0]
    for text, message in (
        ("name: m\n", "neither manifest_url nor sources"),
        ("name: m\nsources:\n  - {path: a, weight: 3}\n  - {path: b}\n", "every source a weight"),
        ("sources:\n  - {path: a}\n", "has no name"),
    ):
        mix.write_text(text)
        with pytest.raises(ValueError, match=message):
            open_data(str(mix))
