import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.hashing import hash_id
from filter.selection import cut as select
from filter.selection.cut import Columns, TooFewTokens, keep, passes, solve, solve_budget, solve_fraction
from filter.selection.histogram import Histogram, from_sortable_bits, linear_bins, sortable_bits, text_histogram
from filter.selection.records import columns_of as columns_of_records
from filter.selection.rules import All, Budget, Fraction, Threshold

DOCUMENT = st.tuples(
    st.one_of(st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.floats(-10, 10), st.none()),  # score, with many ties
    st.integers(1, 1000),  # tokens
    st.integers(0, 3),  # id, with many duplicates
)
POOL = st.lists(st.lists(DOCUMENT, max_size=12), min_size=1, max_size=4)


def columns_of(documents):
    scores = np.array([np.nan if score is None else score for score, _, _ in documents], np.float64)
    tokens = np.array([tokens for _, tokens, _ in documents], np.int64)
    return Columns(scores, tokens, np.array([identity for _, _, identity in documents], np.uint64))


def by_hand(scores, tokens):
    return Columns(np.array(scores), np.array(tokens), np.arange(len(scores), dtype=np.uint64))


FIVE = by_hand([0.9, 0.8, 0.8, 0.5, 0.1], [100, 300, 50, 200, 400])


@pytest.mark.parametrize(
    ("budget", "threshold", "kept"),
    [(1, 0.9, 100), (100, 0.9, 100), (101, 0.8, 450), (450, 0.8, 450), (451, 0.5, 650), (1050, 0.1, 1050)],
)
def test_a_budget_takes_the_best_scores_ties_included(budget, threshold, kept):  # the specification's vectors
    cut = solve_budget(lambda: [FIVE], budget)
    assert cut.threshold == threshold
    assert cut.reached == FIVE.tokens[keep(cut, FIVE)].sum() == kept


def test_a_pool_that_is_too_small_says_what_there_is():
    with pytest.raises(TooFewTokens, match="1,051 tokens are wanted and 1,050 are available"):
        solve_budget(lambda: [FIVE], 1051)
    assert solve_budget(lambda: [FIVE], 1051, allow_short=True).reached == 1050


def test_what_organic_text_keeps_is_left_out_of_the_recycled_budget():
    rule = Budget(kind="budget", tokens=500, minus=["organic"])
    assert solve(rule, lambda: [FIVE], spent_tokens=400).threshold == 0.9
    assert solve(rule, lambda: [FIVE], spent_tokens=400).asked == 100


@pytest.mark.parametrize("spent", [500, 600])
def test_a_spent_budget_is_an_error_that_names_both_numbers(spent):
    rule = Budget(kind="budget", tokens=500, minus=["organic"])
    with pytest.raises(ValueError, match=f"organic keep {spent} tokens and the budget is 500"):
        solve(rule, lambda: [FIVE], spent_tokens=spent)


def test_the_papers_budget_leaves_half_for_recycled_text():
    pool = by_hand([0.5], [7_200_000_000])
    rule = Budget(kind="budget", tokens=14_400_000_000, minus=["organic"])
    assert solve(rule, lambda: [pool], spent_tokens=7_200_000_000).asked == 7_200_000_000


@pytest.mark.parametrize(
    ("fraction", "threshold", "kept"), [(0.2, 0.9, 1), (0.4, 0.8, 3), (0.0, math.inf, 0), (1, 0.1, 5)]
)
def test_a_fraction_keeps_the_nth_best_and_its_ties(fraction, threshold, kept):  # the first two: the specification's
    cut = solve_fraction(lambda: [FIVE], fraction)
    assert cut.threshold == threshold
    assert keep(cut, FIVE).sum() == kept


def test_a_fraction_is_not_rounded_up_by_float_noise():
    assert 0.28 * 25 > 7  # as floats
    columns = by_hand(np.arange(25) / 25, np.ones(25, np.int64))
    assert keep(solve_fraction(lambda: [columns], 0.28), columns).sum() == 7
    tokens = by_hand(np.arange(25) / 25, np.full(25, 10**12))
    assert 0.28 * 25 * 10**12 - 1e-9 > 7 * 10**12  # where a small allowance is lost in the noise
    assert solve_fraction(lambda: [tokens], 0.28, by="tokens").asked == 7 * 10**12


def test_a_fraction_of_tokens_counts_tokens():  # half of 1,050 is 525: 100 + 350 is too little
    cut = solve_fraction(lambda: [FIVE], 0.5, by="tokens")
    assert (cut.threshold, cut.reached) == (0.5, 650)


def test_a_threshold_keeps_equals():
    assert keep(solve(Threshold(kind="threshold", threshold=0.8), lambda: [FIVE]), FIVE).tolist() == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_all_keeps_what_has_a_score():
    columns = by_hand([0.1, np.nan], [1, 1])
    assert keep(solve(All(), lambda: [columns]), columns).tolist() == [True, False]


@given(POOL, st.integers(1, 5000))
def test_a_budget_equals_brute_force(pool, budget):
    shards = [columns_of(documents) for documents in pool]
    rows = [(score, tokens) for documents in pool for score, tokens, _ in documents if score is not None]
    if sum(tokens for _, tokens in rows) < budget:
        with pytest.raises(TooFewTokens):
            solve_budget(lambda: shards, budget)
        return
    expected = max(one for one, _ in rows if sum(tokens for score, tokens in rows if score >= one) >= budget)
    cut = solve_budget(lambda: shards, budget)
    assert cut.threshold == expected
    kept = sum(int(one.tokens[keep(cut, one, number)].sum()) for number, one in enumerate(shards))
    assert kept == cut.reached >= budget
    ties = sum(tokens for score, tokens in rows if score == expected)
    assert kept - ties < budget


@given(POOL, st.integers(1, 5000))
def test_an_exact_budget_is_hit_within_one_document_on_any_pool(pool, budget):
    shards = [columns_of(documents) for documents in pool]
    if sum(int(one.tokens[~np.isnan(one.scores)].sum()) for one in shards) < budget:
        return
    cut = solve_budget(lambda: shards, budget, exact=True)
    masks = [keep(cut, one, number) for number, one in enumerate(shards)]
    kept = np.concatenate([one.tokens[mask] for one, mask in zip(shards, masks, strict=True)])
    assert kept.sum() == cut.reached >= budget
    assert kept.sum() - kept.max() < budget
    # nothing that stays out scores above what is kept
    out = np.concatenate([one.scores[~mask & ~np.isnan(one.scores)] for one, mask in zip(shards, masks, strict=True)])
    assert not len(out) or out.max() <= cut.threshold


@given(POOL, st.integers(1, 3000), st.integers(0, 2000))
def test_the_threshold_never_rises_with_the_budget(pool, budget, more):
    shards = [columns_of(documents) for documents in pool]
    first, second = (solve_budget(lambda: shards, one, allow_short=True) for one in (budget, budget + more))
    assert second.threshold <= first.threshold


@given(POOL, st.integers(1, 3000), st.randoms(use_true_random=False))
def test_shard_order_changes_no_threshold(pool, budget, random):
    shuffled = random.sample(pool, len(pool))
    first = solve_budget(lambda: [columns_of(one) for one in pool], budget, allow_short=True)
    second = solve_budget(lambda: [columns_of(one) for one in shuffled], budget, allow_short=True)
    assert (first.threshold, first.reached) == (second.threshold, second.reached)


def test_a_search_through_all_the_bits_equals_one_that_collects(monkeypatch):
    random = np.random.default_rng(0)
    columns = by_hand(random.random(500).round(2), random.integers(1, 90, 500))
    expected = [solve_budget(lambda: [columns], budget, exact=True) for budget in range(1, 20_000, 777)]
    monkeypatch.setattr(select, "COLLECT", 0)
    assert [solve_budget(lambda: [columns], budget, exact=True) for budget in range(1, 20_000, 777)] == expected


def test_fraction_below_0_or_above_1_is_refused():
    with pytest.raises(ValueError, match="fraction"):
        Fraction(kind="fraction", fraction=1.5)


def test_passes_are_training_tokens_over_unique_tokens():  # the specification's vector
    assert passes(28_800_000_000, 14_400_000_000) == 2.0
    assert passes(28_800_000_000, 7_200_000_000) == 4.0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2))
def test_sortable_bits_keep_the_order_and_come_back(values):
    bits = sortable_bits(values).tolist()
    assert [values[place] for place in np.argsort(bits, kind="stable")] == sorted(values)
    assert [from_sortable_bits(one) for one in bits] == values


@given(st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=50), st.sampled_from([0.1, 0.5, 0.9]))
def test_quantiles_are_right_to_one_percent(values, share):
    histogram = Histogram()
    histogram.add(values)
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    assert histogram.quantiles([share])[f"{share:g}"] == pytest.approx(exact, rel=0.01)


def test_bins_span_0_to_1_for_probabilities_and_the_range_for_others():
    assert linear_bins(0.2, 0.7)[[0, -1]].tolist() == [0, 1]
    assert linear_bins(1, 5)[[0, -1]].tolist() == [1, 5]
    assert linear_bins(7, 7, 4).tolist() == [7, 7.25, 7.5, 7.75, 8]  # one score that all have
    assert linear_bins(-0.5, 0.5)[[0, -1]].tolist() == [-0.5, 0.5]
    assert linear_bins(0, 1.5)[[0, -1]].tolist() == [0, 1.5]
    assert len(linear_bins(0, 1)) == 101


def test_the_picture_counts_every_score():
    histogram = Histogram()
    histogram.add([0.0, 0.05, 0.5, 0.999, 1.0])
    text = text_histogram("q", histogram)
    assert sum(int(line.split()[3]) for line in text.splitlines()[1:11]) == 5


def test_quantiles_of_scores_below_0_are_in_their_order():
    histogram = Histogram()
    histogram.add([-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0])
    found = histogram.quantiles([0.125, 0.25, 0.5, 1.0])
    assert list(found.values()) == pytest.approx([-4.0, -2.0, 0.0, 8.0], rel=0.01)
    bars = [int(line.split()[3]) for line in text_histogram("q", histogram).splitlines()[1:11]]
    assert bars == [1, 1, 1, 1, 1, 1, 1, 0, 0, 1]  # tenths of -4 to 8, by hand


def test_without_a_field_every_document_scores_0_and_without_a_score_none():
    rows = [{"id": "a", "scores": {"q": 0.5}, "tokens": 3}, {"id": "b", "scores": {}}]
    assert columns_of_records(rows, None, ties=False).scores.tolist() == [0.0, 0.0]
    found = columns_of_records(rows, "q", ties=True)
    assert found.scores[0] == 0.5 and np.isnan(found.scores[1]) and found.tokens.tolist() == [3, 0]
    assert found.hashes.tolist() == [hash_id("a"), hash_id("b")]
