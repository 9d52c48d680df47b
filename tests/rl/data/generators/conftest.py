"""A solver that shares nothing with the generators: it gets what a test read from a puzzle's text."""

from itertools import combinations, product

import pytest


def other_arrangement(groups, clues, gold):
    """Whether a SAT solver finds positions that keep to all clues and are not the gold ones.

    `groups` are lists of things that stand at different positions, `clues` pairs of a tuple of things and a predicate
    of their positions (from 1), `gold` maps a thing to its position.
    """
    pycosat = pytest.importorskip("pycosat", reason="the SAT solver comes with reasoning-gym: pip install -e .[gym]")
    size = len(groups[0])
    places = range(1, size + 1)
    things = [thing for group in groups for thing in group]
    variable = {key: number for number, key in enumerate(product(things, places), 1)}
    clauses = [[variable[thing, place] for place in places] for thing in things]
    for group in groups:
        for one, two in combinations(group, 2):
            clauses += [[-variable[one, place], -variable[two, place]] for place in places]
        for place in places:
            clauses.append([variable[thing, place] for thing in group])
    for thing in things:
        clauses += [[-variable[thing, one], -variable[thing, two]] for one, two in combinations(places, 2)]
    for named, holds in clues:
        assert holds(*[gold[thing] for thing in named]), (named, "the gold answer breaks a clue")
        for where in product(places, repeat=len(named)):
            if not holds(*where):
                clauses.append([-variable[thing, place] for thing, place in zip(named, where, strict=True)])
    clauses.append([-variable[thing, gold[thing]] for thing in things])
    return pycosat.solve(clauses) != "UNSAT"


@pytest.fixture(scope="session", name="other_arrangement")
def _other_arrangement():
    return other_arrangement
