"""The two-pass shuffle: a bijection, uniform, the same for any memory and any cut into runs."""

import itertools
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.tokenising.shuffle import Runs, append_run, context_keys, gather_piece, plan_pieces


def shuffled(folder, seed, shards, capacity, run_rows=5, width=3):
    """Contexts [row, row, ...] numbered through all shards, in their shuffled order; pads are the number mod 3."""
    all_runs, first = [], 0
    for stream, count in enumerate(shards):
        rows_file, index_file = folder / f"{seed}_{stream}.rows", folder / f"{seed}_{stream}.index"
        rows_file.write_bytes(b"")
        index_file.write_bytes(b"")
        lengths = []
        for begin in range(0, count, run_rows):
            numbers = np.arange(first + begin, first + min(begin + run_rows, count))
            rows = np.repeat(numbers[:, None], width, axis=1).astype("<u2")
            keys = context_keys(seed, stream, begin, len(rows))
            append_run(rows_file, index_file, rows, numbers % 3, keys)
            lengths.append(len(rows))
        first += count
        all_runs.append(Runs(str(rows_file), str(index_file), tuple(lengths)))
    order, expected_first = [], 0
    for piece in plan_pieces(all_runs, capacity):
        assert piece.first_row == expected_first
        expected_first += piece.count
        blocks, pads = gather_piece(piece, all_runs, width, "<u2")
        rows = np.concatenate(list(blocks))
        assert (rows == rows[:, :1]).all()
        assert pads.tolist() == (rows[:, 0] % 3).tolist()
        order += rows[:, 0].tolist()
    return order


SHARDS = st.lists(st.integers(0, 40), min_size=1, max_size=6)


@given(SHARDS, st.integers(0, 2**64 - 1))
@settings(max_examples=8)
def test_every_context_comes_out_once_whatever_memory_and_runs(tmp_path_factory, shards, seed):
    folder = tmp_path_factory.mktemp("runs")
    order = shuffled(folder, seed, shards, capacity=10_000)
    assert sorted(order) == list(range(sum(shards)))
    assert shuffled(folder, seed, shards, capacity=4) == order
    assert shuffled(folder, seed, shards, capacity=1, run_rows=1000) == order


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.integers(0, 200), st.integers(0, 50))
def test_keys_depend_on_place_alone(seed, stream, start, count):
    whole = context_keys(seed, stream, 0, start + count)
    np.testing.assert_array_equal(context_keys(seed, stream, start, count), whole[start:])


def test_every_permutation_is_about_equally_likely(tmp_path):
    found = Counter(tuple(shuffled(tmp_path, seed, [1, 2], capacity=100)) for seed in range(120))
    assert set(found) == set(itertools.permutations(range(3)))
    chi_square = sum((count - 20) ** 2 / 20 for count in found.values())
    assert chi_square < 20.5  # 5 degrees of freedom, 0.1 %


def test_neighbours_of_the_input_end_up_far_apart(tmp_path):
    order = np.array(shuffled(tmp_path, 1, [1000, 1000], capacity=300, run_rows=256))
    place = np.argsort(order)
    distance = np.abs(np.diff(place)).mean()
    assert 600 < distance < 740  # a third of 2,000 on average


def test_ties_keep_the_order_of_input(tmp_path):
    rows = np.arange(6, dtype="<u2")[:, None]
    append_run(tmp_path / "r", tmp_path / "i", rows, np.zeros(6, int), np.zeros(6, np.uint64))
    runs = [Runs(str(tmp_path / "r"), str(tmp_path / "i"), (6,))]
    (piece,) = plan_pieces(runs, 2)  # one bin is never cut
    blocks, _ = gather_piece(piece, runs, 1, "<u2")
    assert np.concatenate(list(blocks)).ravel().tolist() == list(range(6))
