import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter.mixing.shares import Factors, Ratio, TokenBudgets, Union, epochs, share_of
from filter.mixing.versions import page_hash, settle_versions, versions
from filter.selection.cut import Columns, keep

TOKENS = {"organic": 100, "recycled": 150}


def test_a_union_takes_everything_once():
    assert epochs(Union(), TOKENS) == {"organic": 1.0, "recycled": 1.0}


def test_ratios_take_as_much_as_the_smaller_source_gives():  # by hand: 150 recycled are three quarters of 200
    assert epochs(Ratio(kind="ratio", ratios={"organic": 1, "recycled": 3}), TOKENS) == {
        "organic": 0.5,
        "recycled": 1.0,
    }


def test_ratios_of_a_given_size_repeat_a_source_that_is_too_small():
    mix = Ratio(kind="ratio", ratios={"organic": 0.5, "recycled": 0.5}, tokens=300, max_epochs=2)
    assert epochs(mix, TOKENS) == {"organic": 1.5, "recycled": 1.0}


def test_token_budgets_are_divided_by_what_a_source_holds():
    mix = TokenBudgets(kind="budget", tokens={"organic": 50, "recycled": 300}, max_epochs=2)
    assert epochs(mix, TOKENS) == {"organic": 0.5, "recycled": 2.0}


def test_factors_are_epochs_and_one_where_none_is_given():
    assert epochs(Factors(kind="factor", factors={"organic": 2.269}), TOKENS) == {"organic": 2.269, "recycled": 1.0}


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        (TokenBudgets(kind="budget", tokens={"organic": 250}), "250 tokens of 'organic', which holds 100: 2.5 epochs"),
        (Factors(kind="factor", factors={"books": 1}), "'books', but the sources are organic, recycled"),
        (Ratio(kind="ratio", ratios={"organic": 0}), "sum to 0"),
        (Factors(kind="factor", factors={"organic": -1}), "0 or more"),
    ],
)
def test_a_mix_that_cannot_be_made_says_why(mix, message):
    with pytest.raises(ValueError, match=message):
        epochs(mix, TOKENS)


def test_a_source_without_tokens_cannot_be_weighed():
    with pytest.raises(ValueError, match="set tokenizer"):
        epochs(TokenBudgets(kind="budget", tokens={"a": 5}), {"a": 0})


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.floats(0, 3))
def test_a_share_is_exact_to_one_document(tokens, often):
    import numpy as np

    hashes = np.random.default_rng(len(tokens)).integers(0, 2**63, len(tokens)).astype(np.uint64)
    columns = Columns(np.zeros(len(tokens)), np.array(tokens), hashes)
    share = share_of(often, [columns])
    once_more = int(columns.tokens[keep(share.cut, columns)].sum()) if share.cut else 0
    got = share.whole * sum(tokens) + once_more
    assert abs(got - often * sum(tokens)) <= max(tokens) + 1


ORGANIC = [{"id": "a", "q": 0.9}, {"id": "b", "q": 0.2}, {"id": "c", "q": 0.5}]
RECYCLED = [{"id": "b", "q": 0.6, "rephrase": {}}, {"id": "a#1", "q": 0.3, "rephrase": {}}, {"id": "d", "rephrase": {}}]


def settled(prefer):
    both, organic, recycled = settle_versions(*versions([*ORGANIC, *RECYCLED], "q"), prefer)
    names = {page_hash({"id": name}): name for name in "abcd"}
    return both, [names[int(one)] for one in organic], [names[int(one)] for one in recycled]


def test_both_versions_of_a_page_are_counted_and_kept():
    assert settled("allow") == (2, [], [])


def test_the_better_version_stays():
    assert settled("prefer_best") == (2, ["b"], ["a"])


def test_the_recycled_version_stays():
    both, organic, recycled = settled("prefer_recycled")
    assert (both, sorted(organic), recycled) == (2, ["a", "b"], [])


def test_a_hash_mark_is_part_of_an_organic_id():
    assert page_hash({"id": "page#2"}) != page_hash({"id": "page"})
    assert page_hash({"id": "page#2", "rephrase": {}}) == page_hash({"id": "page"})
