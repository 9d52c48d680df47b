import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter.mixing.shares import Factors, Ratio, TokenBudgets, Union, epochs, fit, share_of
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


@pytest.mark.parametrize("total", [10**4, 10**7, 10**10 + 7, 3 * 10**13])
@pytest.mark.parametrize("wanted", [1, 9_999, 8_000])
def test_a_share_is_exact_to_a_token_for_any_size_of_pool(total, wanted):
    import numpy as np

    # documents of one token where the cut falls, the rest in a few large ones
    tokens = np.array([total - 10_000] + [1] * 10_000)
    columns = Columns(np.zeros(len(tokens)), tokens, np.arange(len(tokens), dtype=np.uint64))
    often = fit({"a": 1.0}, {"a": total}, wanted)["a"]
    share = share_of(often, [columns])
    assert (share.whole, share.cut.reached) == (0, wanted)
    once = share_of(fit({"a": 2.0}, {"a": total}, total + wanted)["a"], [columns])
    assert (once.whole, once.cut.reached) == (1, wanted)


@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=5), st.data())
def test_a_mix_of_a_given_size_is_never_short(tokens, data):
    import numpy as np

    sources = {str(number): one for number, one in enumerate(tokens)}
    size = data.draw(st.integers(1, sum(tokens)))
    got = 0
    for name, often in fit(dict.fromkeys(sources, 1.0), sources, size).items():
        one = sources[name]
        small = min(one, 1000)
        columns = Columns(
            np.zeros(small), np.array([one - small + 1] + [1] * (small - 1)), np.arange(small)[::-1].astype(np.uint64)
        )
        share = share_of(often, [columns])
        got += share.whole * one + (share.cut.reached if share.cut else 0)
    assert got >= size
