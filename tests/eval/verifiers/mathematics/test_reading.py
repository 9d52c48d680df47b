"""Our reader: arithmetic comes out as Python's fractions do, and what is not understood is not half understood."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.verifiers.mathematics.comparing import same
from eval.verifiers.mathematics.reading import read
from eval.verifiers.mathematics.regions import region
from eval.verifiers.mathematics.scalars import same_value
from eval.verifiers.mathematics.values import Uncomputed, exact


def joined(parts):
    sign, (left, one), (right, other) = parts
    value = {"+": lambda: one + other, "-": lambda: one - other}.get(sign, lambda: one * other)()
    return f"\\left({left} {sign} {right}\\right)", value


def divided(parts):
    (left, one), (right, other) = parts
    return (f"\\dfrac{{{left}}}{{{right}}}", one / other) if other else (left, one)


LEAVES = st.one_of(
    st.integers(0, 10**6).map(lambda n: (str(n), Fraction(n))),
    st.integers(0, 10**6).map(lambda n: (f"{n}.25", n + Fraction(1, 4))),
    st.integers(1, 9).map(lambda n: (f"(-{n})^{{3}}", Fraction(-(n**3)))),
    st.integers(1, 8).map(lambda n: (f"2^{{-{n}}}", Fraction(1, 2**n))),
)
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["+", "-", "\\cdot", "\\times"]), inner, inner).map(joined),
        st.tuples(inner, inner).map(divided),
    ),
    max_leaves=12,
)


@given(FORMULAS)
def test_arithmetic_in_latex_has_the_value_of_pythons_fractions(formula):
    text, value = formula
    assert exact(read(text)) == value


@given(FORMULAS, FORMULAS)
def test_two_formulas_are_the_same_if_and_only_if_their_values_are(first, second):
    equal = first[1] == second[1]
    assert same_value(read(first[0]), read(second[0]), rounding=False) is equal
    if "." not in first[0] + second[0]:  # an answer may round to a reference in decimals
        assert same(read(first[0]), read(second[0])) is equal


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_a_set_has_no_order_and_a_tuple_has_one(numbers, random):
    mixed = list(numbers)
    random.shuffle(mixed)
    texts = [", ".join(map(str, one)) for one in (numbers, mixed)]
    assert same(read(f"\\{{{texts[0]}\\}}"), read(texts[1])) is True
    assert same(read(f"({texts[0]})"), read(f"({texts[1]})")) is (numbers == mixed)
    assert same(read(texts[0]), read(texts[1] + ", 100")) is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\\frac{1}",
        "(1",
        "1)",
        "\\sqrt",
        "1 +",
        "\\unknown{2}",
        "1 2",
        "\\begin{cases}1\\end{cases}",
        "a \\cdots b",
        "5 = ",
    ],
)
def test_what_is_not_understood_is_none(text):
    assert read(text) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("x \\le 2", "(-\\infty, 2]"),
        ("1 < x < 2", "(1,2)"),
        ("x \\ne 0", "(-\\infty,0) \\cup (0,\\infty)"),
        ("[1,2] \\cup [2,3]", "[1,3]"),
        ("x > 1 \\text{ and } x < 3", "(1,3)"),
        ("\\mathbb{R} \\setminus \\{1\\}", "x \\ne 1"),
        ("\\{x \\mid x \\ge 5\\}", "[5,\\infty)"),
    ],
)
def test_sets_of_numbers_in_two_spellings_are_one_region(first, second):
    assert region(read(first)) is not None
    assert same(read(first), read(second)) is True


@pytest.mark.parametrize("text", ["9^{9^{9}}", "(10^{6})!", "\\frac{1}{0}", "0^{-1}"])
def test_what_is_too_large_or_undefined_is_not_computed(text):
    with pytest.raises(Uncomputed):
        exact(read(text))


def test_rounding_is_allowed_in_one_direction_at_a_time():
    third, six, five = read("\\frac{1}{3}"), read("0.333333"), read("0.33333")
    assert (same_value(third, six), same_value(third, five)) == (True, False)
    assert (same_value(read("0.333"), third), same_value(read("0.33"), third)) == (True, False)
    assert same_value(third, six, rounding=False) is False
    assert same_value(read("0.333"), six) is False
