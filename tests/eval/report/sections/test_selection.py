"""Score histograms lose no document, whatever the bins; the curve of tokens says what a threshold keeps."""

from hypothesis import given
from hypothesis import strategies as st

from eval.report.sections.selection import budget_curve, rebinned

COUNTS = st.lists(st.integers(0, 50), min_size=4, max_size=40).filter(any)


def histogram(counts):
    return {"edges": [place / len(counts) for place in range(len(counts) + 1)], "documents": counts, "tokens": counts}


@given(COUNTS, st.integers(1, 25))
def test_coarse_bins_hold_every_document(counts, bins):
    assert sum(rebinned(histogram(counts), "documents", 0.0, 1.0, bins)) == sum(counts)


@given(COUNTS)
def test_a_threshold_keeps_the_tokens_of_the_bins_above_it(counts):
    curve = budget_curve(histogram(counts))
    assert [kept for _, kept in curve] == [sum(counts[number:]) for number in range(len(counts) + 1)]


def test_bins_as_fine_as_the_record_change_nothing():
    counts = [0, 3, 5, 2]
    assert rebinned(histogram(counts), "documents", 0.25, 1.0, 3) == [3, 5, 2]
