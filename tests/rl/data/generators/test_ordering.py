"""Ordering puzzles, read back from their text; small ones by trying all orders, large ones by a SAT solver."""

import json
import re
from itertools import permutations

import pytest

from common.config import ConfigError, load
from eval.verifiers.registry import score
from rl.data.generators.ordering import OrderingConfig
from rl.data.generators.puzzle import generate

N = r"(?:[Tt]he )?([A-Za-z ]+?)"
MEANING = (
    (rf"{N} is somewhere to the left of {N}\.", lambda m, k: lambda p, q: p < q),
    (rf"{N} is somewhere to the right of {N}\.", lambda m, k: lambda p, q: p > q),
    (rf"{N} is immediately to the left of {N}\.", lambda m, k: lambda p, q: q - p == 1),
    (rf"{N} is immediately to the right of {N}\.", lambda m, k: lambda p, q: p - q == 1),
    (rf"There (?:is|are) exactly (\d+) [a-z]+ between {N} and {N}\.", lambda m, k: lambda p, q: abs(p - q) - 1 == k),
    (rf"{N} is number (\d+) from the left\.", lambda m, k: lambda p: p == k),
    (rf"{N} is number (\d+) from the right\.", lambda m, k: lambda p: m + 1 - p == k),
)


def read(row):
    text = row["prompt"][0]["content"]
    gold = json.loads(row["ground_truth"])
    assert sorted(gold) == re.findall(r"^- (.+)$", text, re.MULTILINE)
    clues = []
    for sentence in re.findall(r"^\d+\. (.+)$", text, re.MULTILINE):
        for form, holds in MEANING:
            if found := re.fullmatch(form, sentence):
                names = [group for group in found.groups() if not group.isdecimal()]
                count = next((int(group) for group in found.groups() if group.isdecimal()), 0)
                clues.append((tuple(names), holds(len(gold), count)))
                break
        else:
            pytest.fail(sentence)
    return gold, clues


def orders(gold, clues):
    """All orders that keep to the clues, by trying."""
    places = range(1, len(gold) + 1)
    for order in permutations(gold):
        where = dict(zip(order, places, strict=True))
        if all(holds(*[where[name] for name in names]) for names, holds in clues):
            yield list(order)


def check(row, other_arrangement=None):
    gold, clues = read(row)
    if other_arrangement is None:
        assert list(orders(gold, clues)) == [gold]
    else:
        assert not other_arrangement([gold], clues, {name: place for place, name in enumerate(gold, 1)})
    assert score(row, f"<answer>{gold}</answer>").status == "correct"
    swapped = [gold[1], gold[0], *gold[2:]]
    assert score(row, f"<answer>{swapped}</answer>").status == "wrong"


def puzzle(index, **settings):
    return generate(0, index, OrderingConfig(out="x.jsonl", **settings))


def test_small_puzzles_have_one_order_by_trying_all():
    for index in range(60):
        check(puzzle(index, counted_places=index % 2 == 0))


def test_any_other_order_is_wrong():
    row = puzzle(0, min_objects=4, max_objects=4)
    gold = json.loads(row["ground_truth"])
    right = [order for order in permutations(gold) if score(row, f"<answer>{list(order)}</answer>").score == 1]
    assert right == [tuple(gold)]


def test_puzzles_stop_at_the_first_fact_that_leaves_one_order():
    for index in range(30):
        gold, clues = read(puzzle(index))
        assert len(list(orders(gold, clues[:-1]))) > 1


def test_minimal_puzzles_need_every_fact():
    for index in range(20):
        gold, clues = read(puzzle(index, minimal=True))
        for left_out in range(len(clues)):
            assert len(list(orders(gold, clues[:left_out] + clues[left_out + 1 :]))) > 1


def test_large_puzzles_have_one_order_by_another_solver(other_arrangement):
    for index in range(3):
        check(puzzle(index, min_objects=20, max_objects=30), other_arrangement)


def test_fifty_things_are_possible_with_and_without_needless_facts():
    gold, clues = read(puzzle(0, min_objects=50, max_objects=50))
    assert len(gold) == 50
    assert len(read(puzzle(0, min_objects=50, max_objects=50, minimal=True))[1]) < len(clues)


@pytest.mark.slow
def test_a_thousand_puzzles_have_one_order(other_arrangement):
    for index in range(1000):
        check(puzzle(index))
    for index in range(100):
        check(puzzle(index, min_objects=20, max_objects=50), other_arrangement)


def test_no_fact_is_told_the_other_way_around():
    for index in range(20):
        text = puzzle(index, min_objects=6, max_objects=7)["prompt"][0]["content"]
        said = {
            frozenset([(where == "left", one), (where != "left", two)])
            for one, where, two in re.findall(rf"\d+\. {N} is somewhere to the (left|right) of {N}\.", text)
        }
        assert len(said) == len(re.findall(r"is somewhere to the", text))


def test_the_sentence_names_the_family_and_people_have_no_article():
    texts = [puzzle(index, min_objects=6, max_objects=7)["prompt"][0]["content"] for index in range(40)]
    people = next(text for text in texts if " people in order" in text)
    assert "the Emma" not in people and not re.search(r"\d+\. The [A-Z]", people)
    assert not any("birds between" in text and " birds in order" not in text for text in texts)
    assert any("exactly 1 person between" in text or "people between" in text for text in texts)


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(ConfigError, match="min_objects 9 is above max_objects 7"):
        load(OrderingConfig, overrides={"out": "x.jsonl", "min_objects": 9})
