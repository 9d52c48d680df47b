"""Tables, strict: real references in several spellings, and what is not the same."""

import itertools
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.verifiers.numbers import number
from eval.verifiers.registry import score
from eval.verifiers.strict.tables import matches, parts_of, written


def of(gold, completion, mode="strict"):
    return score({"verifier": "table", "ground_truth": gold}, completion, mode)


def boxed(text):
    return f"So it is \\boxed{{{text}}}."


def hitab(shared_data):
    for line in (shared_data / "verifiable/hitab_questions.jsonl").read_text().splitlines():
        yield json.loads(line)["answer"]


def test_hitabs_references_are_right_alone_joined_reversed_and_in_boxes_of_their_own(shared_data):
    golds = list(hitab(shared_data))
    assert len(golds) == 400
    for gold in golds:
        texts = [written(value) for value in gold]
        joined = "|".join(texts)
        assert of(joined, boxed(joined)).score == 1, gold
        assert of(joined, boxed("|".join(reversed(texts)))).score == 1, gold
        assert (
            of(
                joined,
                " ".join(boxed(text) for text in texts)
                if len(texts) == 1
                else " and ".join(f"\\boxed{{{text}}}" for text in texts),
            ).score
            == 1
        ), gold
        assert of(joined, boxed("|".join(f"\\text{{{text.upper()}}}" for text in texts))).score == 1, gold
        assert of(joined, boxed(joined), "guru").score == 1, gold
        assert of(joined, "").score == of(joined, boxed("")).score == 0


def test_a_neighbours_reference_is_wrong_but_for_true_coincidences(shared_data):
    golds = ["|".join(written(value) for value in gold) for gold in hitab(shared_data)]
    taken = [(one, two) for one, two in itertools.pairwise(golds) if of(one, boxed(two)).score == 1]
    assert all(one == two for one, two in taken), taken


def test_theoremqas_references_are_right(shared_data):
    golds = []
    for line in (shared_data / "reasoning/theoremqa.jsonl").read_text().splitlines():
        answer = json.loads(line)["Answer"]
        golds.append(answer if isinstance(answer, str) else json.dumps(answer))
    for gold in golds:
        assert of(gold, boxed(gold)).score == 1, gold
        assert of(gold, "").score == 0
    taken = [(one, two) for one, two in itertools.pairwise(golds) if of(one, boxed(two)).score == 1]
    assert all(one == two for one, two in taken), taken


@pytest.mark.parametrize(
    ("text", "value", "percent"),
    [
        ("1,234,567.5", Fraction(2469135, 2), False),
        ("-\\$5", -5, False),
        ("$-5$", -5, False),
        ("\u221259.9", Fraction(-599, 10), False),
        ("\\frac{3}{4}", Fraction(3, 4), False),
        ("1:2", Fraction(1, 2), False),
        ("12.5\\%", Fraction(25, 2), True),
        ("1.5 \\times 10^{-3}", Fraction(3, 2000), False),
        ("6e+3", 6000, False),
        ("(1,200)", 1200, False),
    ],
)
def test_numbers_are_read_as_people_write_them(text, value, percent):
    found = number(text)
    assert (found.value, found.percent) == (value, percent)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2**3",
        "1,2",
        "1,23,456",
        "--5",
        "5%%",
        "1_000",
        "12 cm",
        "1/0",
        "1/2/3",
        "1e999999999",
        "9" * 300,
        "x",
        "((5))",
        "{(5)}",
    ],
)
def test_what_is_no_number_is_none(text):
    assert number(text) is None


@given(st.fractions(), st.booleans())
def test_a_value_is_itself_and_not_a_hundred_times_itself(value, percent):
    sign = "%" if percent else ""
    text = f"{value.numerator}/{value.denominator}{sign}"
    assert of(text, boxed(text)).score == 1
    if value:
        assert of(text, boxed(f"{value.numerator * 100}/{value.denominator}{sign}")).score == 0


def test_tolerances_that_overlap_are_matched_as_well_as_they_can_be():
    assert matches(["10.005", "10.01"], ["10.012", "9.998"]) == 2
    assert of("10.005|10.01", boxed("10.012|9.998")).score == 1
    assert of("10.005|10.005", boxed("10.005|11.5")).score == 0


def test_parts_of_a_reference():
    assert parts_of("a|b") == ["a", "b"]
    assert parts_of([1, 2.5, "x"]) == ["1", "2.5", "x"]
    assert parts_of(3.5) == ["3.5"]
    assert parts_of({}) == parts_of(None) == parts_of([]) == parts_of("a||b") == parts_of([[1]]) == []
