"""Ordering puzzles: things in a row, found by facts about who stands where.

All facts that are true of a drawn order are shuffled and told one by one, mirrors of earlier ones passed over, up to
the first at which one order is left. Whether one is left is decided by narrowing and search, not by trying all orders,
so that fifty things are as possible as five. Source of the families and facts: Guru (arXiv:2506.14965).
"""

import random
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from common.config import HOW, Out
from rl.data.generators.minimal import minimal, other_solution
from rl.data.generators.names import FAMILIES
from rl.data.generators.propagation import Clue, Puzzle, solved
from rl.data.generators.puzzle import GenerateConfig, Made
from rl.data.generators.relations import Relation

LEFT = Relation("left", 2, lambda m, p, q: p < q, "{0} is somewhere to the left of {1}.")
RIGHT = Relation("right", 2, lambda m, p, q: p > q, "{0} is somewhere to the right of {1}.")
NEXT_LEFT = Relation("next_left", 2, lambda m, p, q: p + 1 == q, "{0} is immediately to the left of {1}.")
NEXT_RIGHT = Relation("next_right", 2, lambda m, p, q: p == q + 1, "{0} is immediately to the right of {1}.")

FACTS_AT_ONCE = 8
"""Facts told before the next look at whether they are enough."""


class OrderingConfig(GenerateConfig):
    """Ordering puzzles; Guru's code makes 3 to 7 things, its paper kept puzzles of 20 and more, up to 50."""

    family: ClassVar[str] = "ordering"
    source: ClassVar[str] = "logic__ordering_puzzle_dataset"
    published: ClassVar[int] = 2900

    kind: Literal["ordering"] = "ordering"

    min_objects: int = Field(3, ge=2, le=50)
    """Fewest things in a row."""

    max_objects: int = Field(7, ge=2, le=50)
    """Most things in a row."""

    counted_places: bool = False
    """Also facts such as `the third from the left`; Guru's code can say them and does not."""

    minimal: bool = False
    """Leave out the facts that the others make unnecessary."""

    search_steps: int = Field(20_000, ge=1)
    """Steps of search that say whether one order is left; if they do not tell, one more fact is told."""

    solutions: Annotated[str, HOW, Out()] = ""
    """File of `messages` to write beside the rows: every puzzle with a worked solution, for `rl.sft`; none if empty."""

    guess_frac: Annotated[float, HOW] = Field(0.0, ge=0, le=1)
    """Share of these that guess an order instead, so that rewards have something to choose."""

    @model_validator(mode="after")
    def _ordered(self) -> "OrderingConfig":
        if self.min_objects > self.max_objects:
            raise ValueError(f"min_objects {self.min_objects} is above max_objects {self.max_objects}")
        return self

    def make(self, index: int, rng: random.Random) -> Made | None:
        """A puzzle with a number of things drawn between the bounds."""
        size = rng.randint(self.min_objects, self.max_objects)
        family = rng.choice([name for name, members in FAMILIES.items() if len(members) >= size])
        order = rng.sample(FAMILIES[family], size)  # things are numbered from left to right
        puzzle = Puzzle(1, size)
        if not _tell(puzzle, _facts(size, _one(family), family, self.counted_places, rng), self.search_steps):
            return None  # facts ran out
        told = list(range(len(puzzle.clues)))
        unproven = None
        if self.minimal:
            left = minimal(puzzle, [1 << place for place in range(size)], rng, self.search_steps)
            told, unproven = left.clues, left.unproven
        names = [name if family == "people" else f"the {name}" for name in order]
        facts = [puzzle.clues[number] for number in told]
        return Made(
            prompt=_prompt(family, sorted(order), [_sentence(fact, names) for fact in facts]),
            ground_truth=order,
            reference=", ".join(order),
            difficulty={"objects": size, "family": family, "clues": len(facts), "clues_unproven": unproven},
        )


def _facts(size: int, one: str, many: str, counted_places: bool, rng: random.Random) -> Iterator[Clue]:
    """All true facts in random order, none that an earlier one says the other way around."""
    facts = []
    for first, second in combinations(range(size), 2):
        facts += [Clue(LEFT, (first, second)), Clue(RIGHT, (second, first))]
        if second == first + 1:
            facts += [Clue(NEXT_LEFT, (first, second)), Clue(NEXT_RIGHT, (second, first))]
        else:
            facts.append(Clue(_between(second - first - 1, one, many), (first, second)))
    if counted_places:
        facts += [Clue(_place(place, side), (thing,)) for thing in range(size) for side, place in _places(thing, size)]
    rng.shuffle(facts)
    mirror = {LEFT: RIGHT, RIGHT: LEFT, NEXT_LEFT: NEXT_RIGHT, NEXT_RIGHT: NEXT_LEFT}
    said = set()
    for fact in facts:
        other = mirror.get(fact.relation)
        if other is None or (other, fact.things[::-1]) not in said:
            said.add((fact.relation, fact.things))
            yield fact


def _places(thing: int, size: int) -> list[tuple[str, int]]:
    return [("left", thing + 1), ("right", size - thing)]


@cache
def _between(count: int, one: str, many: str) -> Relation:
    """So many stand between two things."""
    amount = f"There is exactly 1 {one}" if count == 1 else f"There are exactly {count} {many}"
    return Relation(
        f"between_{count}_{many}", 2, lambda m, p, q: abs(p - q) == count + 1, f"{amount} between {{0}} and {{1}}."
    )


@cache
def _place(place: int, side: str) -> Relation:
    """A thing's place counted from a side."""
    text = f"{{0}} is number {place} from the {side}."
    if side == "left":
        return Relation(f"left_{place}", 1, lambda m, p: p == place - 1, text)
    return Relation(f"right_{place}", 1, lambda m, p: p == m - place, text)


def _tell(puzzle: Puzzle, facts: Iterator[Clue], search_steps: int) -> bool:
    """Add facts to a puzzle up to the first at which one order is left; False if there are too few."""
    solution = [1 << place for place in range(puzzle.size)]
    state = puzzle.blank()
    alone = False  # whether the facts so far are known to leave the solution alone
    known_open = 0  # so many facts leave another order, or may
    while not alone:
        more = [puzzle.add(fact) for _, fact in zip(range(FACTS_AT_ONCE), facts, strict=False)]
        if not more:
            return False
        puzzle.enforce(more, state)
        alone = solved(state) or other_solution(puzzle, state, solution, search_steps) is False
        if not alone:
            known_open = len(puzzle.clues)
    enough = len(puzzle.clues)
    puzzle.suspend(range(enough))
    while enough - known_open > 1:
        middle = (enough + known_open) // 2
        state = puzzle.blank()
        puzzle.enforce(range(middle), state)
        if solved(state) or other_solution(puzzle, state, solution, search_steps) is False:
            enough = middle
        else:
            known_open = middle
        puzzle.suspend(range(middle))
    puzzle.forget(enough)
    return True


def _one(family: str) -> str:
    return "person" if family == "people" else family.removesuffix("s")


def _sentence(fact: Clue, names: list[str]) -> str:
    text = fact.relation.say(*(names[thing] for thing in fact.things))
    return text[0].upper() + text[1:]


def _prompt(family: str, members: list[str], facts: list[str]) -> str:
    shown = [f"- {name}" for name in members]
    told = [f"{number}. {fact}" for number, fact in enumerate(facts, 1)]
    example = "['Emma', 'Liam', 'Noah']" if family == "people" else "['pigeon', 'sparrow', 'quail']"
    return "\n".join(
        [
            f"Put these {len(members)} {family} in order from left to right.",
            "",
            f"The {family}:",
            *shown,
            "",
            "What is known:",
            *told,
            "",
            "There is exactly one order in which all of this is true. Give it from left to right as a list of names "
            f"within <answer> and </answer> tags, for example <answer> {example} </answer>",
        ]
    )
