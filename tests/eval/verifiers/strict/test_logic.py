"""Logic, strict: real grids in every layout, tables cell by cell, orders, words."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.verifiers.registry import score


def in_tag(content):
    return f"My answer:\n<answer>{content}</answer>"


def of(name, gold, completion, mode="strict", **options):
    return score({"verifier": name, "ground_truth": gold}, completion, mode, options=options)


def layouts(grid):
    rows = ",\n ".join(str(row) for row in grid)
    yield str(grid)
    yield f"\n[\n {rows}\n]\n"
    yield json.dumps(grid, separators=(",", ":"))
    yield f"\n```python\n{grid}\n```\n"
    yield f"[ {rows}, ]"


def grids(shared_data):
    """Outputs of the test inputs of ARC-AGI 1 and 2."""
    for path in (shared_data / "reasoning/arc_agi.jsonl", shared_data / "verifiable/arc_agi_2_evaluation.jsonl"):
        for line in path.read_text().splitlines():
            yield from (pair["output"] for pair in json.loads(line)["test"])


def test_real_grids_are_right_in_every_layout_and_wrong_after_one_cell_changes(shared_data):
    golds = list(grids(shared_data))
    assert len(golds) > 120
    for number, gold in enumerate(golds):
        assert all(of("grid", gold, in_tag(text)).score == 1 for text in layouts(gold))
        changed = [list(row) for row in gold]
        y, x = number % len(gold), number % len(gold[0])
        changed[y][x] = (gold[y][x] + 1) % 10
        found = of("grid", gold, in_tag(changed))
        assert found.status == "wrong"
        assert found.detail["cells"] == pytest.approx(1 - 1 / (len(gold) * len(gold[0])))
        assert of("grid", gold, "").score == of("grid", gold, in_tag("")).score == 0


def test_no_grid_is_its_neighbours(shared_data):
    golds = list(grids(shared_data))
    same = [at for at in range(len(golds)) if golds[at] == golds[at - 1]]
    taken = [at for at in range(len(golds)) if of("grid", golds[at - 1], in_tag(golds[at])).score == 1]
    assert taken == same


def zebra_gold(rng, rows=4, columns=4):
    header = ["Position", *(f"Attribute-{at}" for at in range(1, columns))]
    cells = [[f"value {column} {row}" for row in range(rows)] for column in range(1, columns)]
    for column in cells:
        rng.shuffle(column)
    return {"header": header, "rows": [[str(row + 1), *(column[row] for column in cells)] for row in range(rows)]}


@pytest.mark.parametrize("seed", range(20))
def test_a_zebra_table_is_right_however_rows_and_columns_stand(seed):
    rng = random.Random(seed)
    gold = zebra_gold(rng)
    order = rng.sample(range(4), 4)
    given = {
        "header": [gold["header"][at] for at in order],
        "rows": [[row[at] for at in order] for row in rng.sample(gold["rows"], 4)],
    }
    for text in (json.dumps(given), str(given), json.dumps(given, indent=2)):
        assert of("zebra", gold, in_tag(text)).score == 1
    right = 0
    for row in given["rows"]:  # each column but one's own cell turned round: count what is left
        row[order.index(1)] = row[order.index(2)]
        right += 2
    found = of("zebra", gold, in_tag(json.dumps(given)))
    assert found.score == pytest.approx(right / 12)
    assert of("zebra", gold, in_tag(json.dumps(given)), partial="exact").score == 0


NAMES = st.lists(st.text("abcdefgh", min_size=2, max_size=8), min_size=2, max_size=7, unique=True)


@given(NAMES, st.randoms(use_true_random=False))
def test_an_order_is_right_in_every_spelling_and_any_other_order_is_wrong(names, rng):
    spellings = (
        str(names),
        json.dumps([name.upper() for name in names]),
        ", ".join(names),
        "\n".join(names),
        "\n".join(f"{at}. {name}" for at, name in enumerate(names, 1)),
        "[" + ", ".join(f"\u2018{name}\u2019" for name in names) + "]",
    )
    for text in spellings:
        assert of("ordering", names, in_tag(text)).score == 1, text
    other = names[:]
    rng.shuffle(other)
    if other != names:
        found = of("ordering", names, in_tag(other))
        assert (found.status, found.reason) == ("wrong", "different")
    assert of("ordering", names, in_tag(names[:-1])).reason == "not_a_permutation"
    assert of("ordering", names, in_tag([*names, names[0]])).reason == "not_a_permutation"


@pytest.mark.parametrize("name", ["grid", "zebra", "ordering", "graph"])
@pytest.mark.parametrize("gold", [None, 3, "[", [], {}, [[]], {"header": [], "rows": []}])
def test_a_reference_that_is_none_is_skipped(name, gold):
    if name == "graph" and gold == "[":
        return  # a word, if an odd one
    assert of(name, gold, in_tag("[[1]]")).status == "skipped"
