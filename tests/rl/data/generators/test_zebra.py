"""Zebra puzzles, read back from their text and solved by a SAT solver that knows nothing of the generator."""

import json
import re
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import ConfigError, load
from eval.verifiers.registry import score
from rl.data.generators.puzzle import generate
from rl.data.generators.zebra import PAPER_SIZES, ZebraConfig, read_size

V = r"([A-Z][A-Za-z-]*:[a-z-]+)"
# What each sentence means, written down here again; positions count from 1, `m` is how many there are.
MEANING = (
    (rf"{V} and {V} belong to the same object\.", lambda m: lambda p, q: p == q),
    (rf"{V} is on the left of {V}\.", lambda m: lambda p, q: q - p == 1),
    (rf"{V} is on the right of {V}\.", lambda m: lambda p, q: p - q == 1),
    (rf"{V} is on the far left\.", lambda m: lambda p: p == 1),
    (rf"{V} is on the far right\.", lambda m: lambda p: p == m),
    (rf"{V} is in the middle\.", lambda m: lambda p: p - 1 == m - p),
    (rf"{V} is directly between {V} and {V}\.", lambda m: lambda p, q, r: {q, r} == {p - 1, p + 1}),
    (rf"{V} is on the left or right of {V}\.", lambda m: lambda p, q: p in (q - 1, q + 1)),
    (rf"{V} is on the far left or far right\.", lambda m: lambda p: p in (1, m)),
    (rf"{V} is at an odd position\.", lambda m: lambda p: p % 2 == 1),
    (rf"{V} is at an even position\.", lambda m: lambda p: p % 2 == 0),
    (rf"{V} is somewhere to the left of {V}\.", lambda m: lambda p, q: p < q),
    (rf"{V} is somewhere to the right of {V}\.", lambda m: lambda p, q: p > q),
    (rf"{V} and {V} belong to different objects\.", lambda m: lambda p, q: p != q),
    (rf"{V} is somewhere between {V} and {V}\.", lambda m: lambda p, q, r: min(q, r) < p < max(q, r)),
    (rf"{V} is not anywhere to the left of {V}\.", lambda m: lambda p, q: not p < q),
    (rf"{V} is not anywhere to the right of {V}\.", lambda m: lambda p, q: not p > q),
    (rf"{V} and {V} are both at odd or both at even positions\.", lambda m: lambda p, q: (p + q) % 2 == 0),
    (rf"Of {V} and {V}, one is at an odd, one at an even position\.", lambda m: lambda p, q: (p + q) % 2 == 1),
    (
        rf"{V} belongs to the same object as {V} or as {V}, but not both\.",
        lambda m: lambda p, q, r: [q, r].count(p) == 1,
    ),
    (rf"{V} belongs to the same object as {V} or as {V}, or both\.", lambda m: lambda p, q, r: [q, r].count(p) > 0),
    (rf"{V} belongs to another object than {V} or than {V}, or both\.", lambda m: lambda p, q, r: [q, r].count(p) < 2),
)


def read(row):
    """Groups, clues and gold positions of a row's text."""
    text = row["prompt"][0]["content"]
    gold = json.loads(row["ground_truth"])
    listed = dict(re.findall(r"^- ([A-Za-z-]+): (.+)$", text, re.MULTILINE))
    groups = [[f"{name}:{value}" for value in values.split(", ")] for name, values in listed.items()]
    places = {
        f"{name}:{row[column]}": int(row[0])
        for column, name in enumerate(gold["header"][1:], 1)
        for row in gold["rows"]
    }
    clues = []
    for sentence in re.findall(r"^\d+\. (.+)$", text, re.MULTILINE):
        found = [(re.fullmatch(form, sentence), holds) for form, holds in MEANING if re.fullmatch(form, sentence)]
        assert len(found) == 1, sentence
        clues.append((found[0][0].groups(), found[0][1](len(groups[0]))))
    assert {thing for group in groups for thing in group} == set(places)
    return groups, clues, places


def puzzle(size, index=0, seed=0, **more):
    return generate(seed, index, ZebraConfig(out="x.jsonl", sizes=[size], **more))


def difficulty(row):
    return json.loads(row["info"])["difficulty"]


def check(row, other_arrangement):
    groups, clues, places = read(row)
    assert not other_arrangement(groups, clues, places)
    answer = f"<think>so</think> <answer>{row['ground_truth']}</answer>"
    assert score(row, answer).status == "correct"
    grid = json.loads(row["ground_truth"])
    grid["rows"][0][1], grid["rows"][1][1] = grid["rows"][1][1], grid["rows"][0][1]
    found = score(row, f"<answer>{json.dumps(grid)}</answer>", options={"partial": "exact"})
    assert (found.status, found.score) == ("wrong", 0.0)


@pytest.mark.parametrize("level", range(1, 21))
def test_every_level_has_one_solution_by_another_solver(level, other_arrangement):
    for size in (f"3x4:{level}*", f"4x5:{level}"):
        check(puzzle(size), other_arrangement)


@pytest.mark.parametrize("size", ["4x4:12*", "5x5:12*", "6x6:12*"])
def test_puzzles_are_unique_by_another_solver(size, other_arrangement):
    for index in range(8):
        check(puzzle(size, index), other_arrangement)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["4x4:12*", "5x5:12*", "6x6:12*", "paper"])
def test_a_thousand_puzzles_are_unique_by_another_solver(size, other_arrangement):
    config = ZebraConfig(out="x.jsonl", sizes=size)
    for index in range(1000 if size != "paper" else 3 * len(PAPER_SIZES)):
        check(generate(1, index, config), other_arrangement)


@pytest.mark.parametrize("size", ["3x3:6*", "4x4:12*", "4x4:20*", "5x5:5*"])
def test_a_minimal_puzzle_needs_every_clue(size, other_arrangement):
    for index in range(3):
        row = puzzle(size, index)
        groups, clues, places = read(row)
        assert difficulty(row)["clues_unproven"] == 0
        for left_out in range(len(clues)):
            assert other_arrangement(groups, clues[:left_out] + clues[left_out + 1 :], places)


def test_leaving_out_clues_leaves_some_out():
    told = [difficulty(puzzle("6x6:12", index))["clues"] for index in range(4)]
    minimal = [difficulty(puzzle("6x6:12*", index))["clues"] for index in range(4)]
    assert sum(minimal) < 0.8 * sum(told)


def test_the_papers_sizes_are_61_and_come_in_turn():
    assert len(set(PAPER_SIZES)) == 61
    config = ZebraConfig(out="x.jsonl")
    shown = difficulty(generate(0, 61 + 8, config))
    assert [shown["attributes"], shown["objects"], shown["level"], shown["minimal"]] == [3, 2, 14, False]


def test_levels_take_strong_clues_away_again():
    text = "".join(
        puzzle("4x5:20", index)["prompt"][0]["content"].split("Clues:")[1].split("\n\n")[0] for index in range(3)
    )
    assert "belong to the same object" not in text.replace("belongs to the same", "")
    assert "far left." not in text and "odd position" not in text and "somewhere to the left" not in text


@given(st.sampled_from(PAPER_SIZES), st.integers(0, 3), st.randoms(use_true_random=False))
def test_an_answer_with_two_values_exchanged_is_wrong(size, index, random):
    if read_size(size).objects * read_size(size).attributes > 40:
        size = "4x4:1"
    row = puzzle(size, index)
    grid = json.loads(row["ground_truth"])
    column = random.randrange(1, len(grid["header"]))
    one, two = random.sample(range(len(grid["rows"])), 2)
    grid["rows"][one][column], grid["rows"][two][column] = grid["rows"][two][column], grid["rows"][one][column]
    assert score(row, f"<answer>{json.dumps(grid)}</answer>").score < 1


@pytest.mark.parametrize(
    ("size", "says"), [("4x", "ATTRIBUTES"), ("1x4:3", "2 to 10"), ("4x16:3", "15 objects"), ("4x2:19", "3 objects")]
)
def test_sizes_that_do_not_exist_are_refused(size, says):
    with pytest.raises(ConfigError, match=says):
        load(ZebraConfig, overrides={"out": "x.jsonl", "sizes": size})


@pytest.mark.bench
@pytest.mark.slow
@pytest.mark.parametrize(("size", "least"), [("4x4:12*", 150), ("5x5:12*", 50), ("6x6:12*", 15)])
def test_puzzles_per_core_second(size, least):
    puzzle(size)
    begin = time.process_time()
    for index in range(100):
        puzzle(size, index)
    rate = 100 / (time.process_time() - begin)
    print(f"{size}: {rate:.0f} per core-second")  # noqa: T201
    assert rate >= least


@pytest.mark.bench
@pytest.mark.slow
def test_every_size_of_the_paper_takes_half_a_second_at_most():
    for size in PAPER_SIZES:
        taken = []
        for index in range(3):
            begin = time.process_time()
            puzzle(size, index)
            taken.append(time.process_time() - begin)
        assert statistics.median(taken) <= 0.5, size
