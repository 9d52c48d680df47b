"""Packed rows: the layout worked out by hand, and every query's view against the text it belongs to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.likelihood.packing import PassCost, batches, pack, separate
from eval.likelihood.trunks import Branch, Trunk, longest, needed

WORKED = list(zip((5, 20, 20, 60, 41), (7, 1, 6, 9, 3), strict=True))


def worked():
    """A trunk of 60 tokens, every token of the row another number."""
    return Trunk(range(60), [Branch(cut, range(100 * cut + length, 100 * cut + 2 * length)) for cut, length in WORKED])


def seen(row, query):
    """Tokens that a query sees, in the order of their positions."""
    limit = row.sight[row.segments[query], row.segments]
    keys = np.flatnonzero((row.positions <= row.positions[query]) & (row.positions < limit))
    return row.ids[keys[np.argsort(row.positions[keys], kind="stable")]].tolist()


def test_the_worked_layout():
    (row,) = pack([(0, worked())], 0, 0)
    assert len(row) == 81
    starts = [int(np.flatnonzero(row.segments == segment)[0]) for segment in range(1, len(row.sight))]
    assert starts == [60, 66, 71, 79]  # the branch of one token adds nothing
    expected = [[4, *range(60, 66)], [19], [19, *range(66, 71)], [59, *range(71, 79)], [40, 79, 80]]
    assert row.rows.tolist() == [index for rows in expected for index in rows]
    assert row.positions[66:71].tolist() == [20, 21, 22, 23, 24]
    assert row.read.tolist() == [4, 19, 40, *range(59, 81)]
    assert not row.plain and row.span == 68


def test_one_branch_at_the_end_is_ordinary_text():
    (row,) = pack([(0, Trunk([1, 2, 3, 4], [Branch(3, [5, 6, 7])]))], 0, 0)
    assert row.plain and row.ids.tolist() == [1, 2, 3, 5, 6]  # the trunk behind the last cut is not needed


TRUNKS = st.lists(
    st.builds(
        lambda ids, branches, rows: Trunk(
            ids,
            [Branch(1 + cut % len(ids), tokens) for cut, tokens in branches],
            [row % len(ids) for row in rows],
        ),
        st.lists(st.integers(0, 2), min_size=1, max_size=8),  # few tokens, so that beginnings are shared
        st.lists(st.tuples(st.integers(0, 99), st.lists(st.integers(3, 9), max_size=4)), max_size=4),
        st.lists(st.integers(0, 99), max_size=2),
    ),
    max_size=6,
)


@given(TRUNKS, st.sampled_from([0, 1, 64]))
def test_every_read_row_sees_exactly_its_own_text(trunks, width):
    for rows in (pack(list(enumerate(trunks)), 1000, width), separate(list(enumerate(trunks)))):
        found = {}
        for row in rows:
            start = 0
            for number, branch, count in row.branches:
                for offset in range(count):
                    index = row.rows[start + offset]
                    found[number, branch, offset] = (seen(row, index), int(row.targets[start + offset]))
                start += count
            start = 0
            for number, count in row.probes:
                for offset in range(count):
                    found[number, "probe", offset] = seen(row, row.probe_rows[start + offset])
                start += count
            if row.plain:
                assert all(len(seen(row, query)) == query + 1 for query in range(len(row)))
        expected = {}
        for number, trunk in enumerate(trunks):
            for index, branch in enumerate(trunk.branches):
                for offset, token in enumerate(branch.token_ids):
                    text = [*trunk.token_ids[: branch.cut], *branch.token_ids[:offset]]
                    expected[number, index, offset] = (text, token)
            for offset, place in enumerate(trunk.probe_rows):
                expected[number, "probe", offset] = list(trunk.token_ids[: place + 1])
        assert found == expected


def test_three_levels_are_one_tree():
    """A few-shot prefix, two questions, two answers each: every level once."""
    prefix = list(range(50))
    questions = [Trunk([*prefix, 60 + q, 70 + q], [Branch(52, [80, 81, 82]), Branch(52, [90, 91])]) for q in range(2)]
    (row,) = pack(list(enumerate(questions)), 1000, 64)
    assert len(row) == 50 + 2 * (2 + 2 + 1)


def test_a_beginning_too_short_to_pay_is_not_shared():
    """One common token does not pay for the pairs that a row of two long texts holds in vain."""
    texts = [Trunk([0, *range(first, first + 400)], [Branch(401, [1])]) for first in (1, 1001)]
    assert len(pack(list(enumerate(texts)), 10_000, 8)) == 2
    assert len(pack(list(enumerate(texts)), 10_000, 0)) == 2


def test_rows_share_up_to_a_length():
    texts = [Trunk([*range(100), 1000 + n], [Branch(101, [1])]) for n in range(5)]
    assert len(pack(list(enumerate(texts)), 1000, 64)) == 1
    assert [len(row) for row in pack(list(enumerate(texts)), 103, 64)] == [103, 102]


@given(TRUNKS, st.integers(1, 40), st.integers(1, 20), st.sampled_from([None, PassCost(1, 0.0), PassCost(64, 9.0)]))
def test_batches_hold_every_row_once_within_their_bounds(trunks, tokens, reads, cost):
    rows = pack(list(enumerate(trunks)), 20, 4)
    groups = batches(rows, tokens, reads, cost)
    assert sorted(map(id, rows)) == sorted(id(row) for group in groups for row in group)
    for group in groups:
        assert len({row.plain for row in group}) == 1
        # Plain rows keep their order, so a batch's output is for all places that one of them reads.
        read = [set(row.read.tolist()) if row.plain else set(range(len(row.read))) for row in group]
        assert len(group) == 1 or len(group) * max(map(len, group)) <= tokens
        assert len(group) == 1 or len(group) * len(set.union(*read)) <= reads


def test_lengths_that_scoring_needs():
    trunk = Trunk(range(10), [Branch(4, [1, 2, 3]), Branch(9, [])], [2])
    assert (needed(trunk), longest(trunk)) == (4, 6)
    assert (needed(Trunk(range(10))), longest(Trunk(range(10), probe_rows=[7]))) == (0, 8)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_score_makes_no_row(count):
    assert pack([(0, Trunk([1, 2], [Branch(1, [])]))] * count, 10, 10) == []


def test_a_batch_is_filled_to_its_last_token():
    rows = [row for number in range(4) for row in pack([(number, Trunk([*range(9)], [Branch(9, [1, 2])]))], 100, 4)]
    size = len(rows[0])
    assert [len(group) for group in batches(rows, 2 * size, 100)] == [2, 2]
    assert [len(group) for group in batches(rows, 2 * size - 1, 100)] == [1, 1, 1, 1]


def test_a_batch_is_filled_to_its_last_place_that_is_read():
    """Places 8 and 9 are read of each row; the first row of a new batch counts as it is."""
    rows = [row for number in range(6) for row in pack([(number, Trunk([*range(9)], [Branch(9, [1, 2])]))], 100, 4)]
    assert {row.plain for row in rows} == {True} and rows[0].read.tolist() == [8, 9]
    assert [len(group) for group in batches(rows, 1000, 4)] == [2, 2, 2]
    assert [len(group) for group in batches(rows, 1000, 3)] == [1] * 6
    assert [len(group) for group in batches(rows, 1000, 6)] == [3, 3]


def _lengths(rows, cost):
    return [[len(row) for row in group] for group in batches(rows, 1 << 20, 1 << 20, cost)]


def test_a_row_joins_a_batch_where_padding_costs_less_than_another_pass():
    texts = {length: pack([(0, Trunk(range(length), [Branch(length, [1])]))], 0, 0)[0] for length in (10, 20, 400, 401)}
    rows = list(texts.values())
    assert _lengths(rows, PassCost(64, 100.0)) == [[401, 400], [20, 10]]
    assert _lengths(rows, None) == [[401, 400, 20, 10]]


def test_a_row_with_few_output_rows_stays_out_of_a_batch_that_has_many():
    """Every row of a batch has as many output rows as the one with the most."""
    many = pack([(0, Trunk(range(60), [Branch(60, range(100)), Branch(30, range(80))]))], 0, 0)
    few = pack([(0, Trunk(range(200), [Branch(200, [1, 2]), Branch(199, range(40))]))], 0, 0)
    assert _lengths([*many, *few], PassCost(64, 1.0)) == [[240, 238]]
    assert _lengths([*many, *few], PassCost(64, 1e4)) == [[240], [238]]


def test_trunks_that_begin_alike_share_a_row_wherever_they_stand():
    """One row for the two of the first beginning, one for the other: nothing is read twice."""
    begins = [[*range(20)], [*range(50, 70)]]
    trunks = [Trunk([*begins[number % 2], 90 + number], [Branch(21, [1])]) for number in (0, 1, 2)]
    rows = pack(list(enumerate(trunks)), 100, 64)
    assert sorted(len(row) for row in rows) == [21, 22]
    assert sorted(number for row in rows for number, *_ in row.branches) == [0, 1, 2]


@given(TRUNKS, st.integers(1, 40))
def test_rows_that_are_shared_are_no_longer_than_allowed(trunks, most):
    alone = {number: sum(map(len, pack([(number, trunk)], 0, 0))) for number, trunk in enumerate(trunks)}
    for row in pack(list(enumerate(trunks)), most, 64):
        numbers = {number for number, *_ in [*row.branches, *row.probes]}
        assert len(row) <= (most if len(numbers) > 1 else max(most, *(alone[number] for number in numbers)))


@pytest.mark.parametrize(("most", "lengths"), [(28, [28]), (27, [19, 19])])
def test_the_tokens_of_branches_count_for_the_length_of_a_row(most, lengths):
    trunks = [Trunk([*range(10)], [Branch(10, [20 + number] * 10)]) for number in range(2)]
    assert sorted(map(len, pack(list(enumerate(trunks)), most, 64))) == lengths
