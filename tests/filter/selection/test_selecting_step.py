"""What a selection is known by."""

import math

from hypothesis import given
from hypothesis import strategies as st

from filter.selection.cut import Cut
from filter.selection.selecting_step import first_select_hash, select_hash

CUTS = st.builds(
    Cut,
    st.floats(allow_nan=False),
    st.integers(0, 2**64 - 1),
    st.none() | st.lists(st.integers(0, 9), max_size=3).map(tuple),
    st.none() | st.integers(0, 10**12),
    st.none() | st.integers(0, 10**12),
)


@given(CUTS, CUTS)
def test_two_cuts_have_one_hash_only_if_they_are_equal(one, other):
    hashes = [select_hash("s", "organic", "q", cut, None) for cut in (one, other)]
    equal = one == other and math.copysign(1, one.threshold) == math.copysign(1, other.threshold)
    assert (hashes[0] == hashes[1]) == equal


def test_the_first_version_named_a_selection_so():
    # worked out by the first version, with these arguments to its step_hash and repr(cut)
    assert first_select_hash("scored", "organic", "q", Cut(0.5), (0.1, 0.2)) == "abda39a4c9e84085"
    assert first_select_hash("scored", "recycled", None, Cut(-math.inf, 7, (1, 0), 5, 6), None) == "8440df8be7fd9a5f"
