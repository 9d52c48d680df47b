"""Zebra puzzles: a grid of objects by attributes, found by clues about where values stand.

A solution is drawn first. Clues that are true of it are drawn at random and kept when they narrow what the clues before
them left, until one arrangement remains. For minimal puzzles the clues that the others make unnecessary are then left
out. Which kinds of clues there are depends on the level (`clues`). Sizes and levels: Guru (arXiv:2506.14965).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from rl.data.generators.clues import Kind, kinds
from rl.data.generators.minimal import minimal
from rl.data.generators.names import ATTRIBUTES
from rl.data.generators.propagation import Clue, Puzzle, solved
from rl.data.generators.puzzle import GenerateConfig, Made
from rl.data.generators.relations import partners
from rl.data.rows.schema import canonical

_PAPER = (
    "2x2:5* 2x4:12* 2x5:3 2x6:15* 2x8:7 2x10:18* 2x12:10 2x15:20* 3x2:14 3x3:6* 3x5:19 3x7:11* 3x9:4 3x12:16* 3x15:9 "
    "4x2:17* 4x4:1 4x6:13* 4x8:20 4x10:5* 4x13:15 5x3:8* 5x5:18 5x7:3* 5x9:12 5x11:7* 5x14:19 6x2:10 6x4:6* 6x6:16 "
    "6x8:2* 6x10:14 6x12:9* 6x15:4 7x3:11* 7x5:5 7x7:17* 7x9:8 7x11:20* 7x13:3 8x2:15* 8x4:7 8x6:19* 8x8:10 8x10:1* "
    "8x12:13 8x14:6* 9x3:18 9x5:4* 9x7:16 9x9:9* 9x11:2 9x13:14* 10x2:8 10x4:20* 10x6:5 10x8:17* 10x10:10 10x12:3* "
    "10x14:18 10x15:20*"
)
PAPER_SIZES = tuple(_PAPER.split())
"""The 61 sizes of Guru's puzzles, as `read_size` writes them."""

DRAW_STEPS = 500_000
"""Steps after which the drawing of clues is given up; the largest of the paper's sizes takes about 15,000."""

CANDIDATES = 3
"""Clues that narrow something are drawn in threes, and the one that removes most positions is told."""


@dataclass(frozen=True)
class Size:
    """How large a zebra puzzle is, which clues it has, and whether it needs each of them."""

    attributes: int
    objects: int
    level: int
    minimal: bool


def read_size(text: str) -> Size:
    """A size as it is written: attributes, objects, level, and a star for a minimal puzzle.

    >>> read_size("4x5:12*")
    Size(attributes=4, objects=5, level=12, minimal=True)

    Raises:
        ValueError: it is written otherwise, or there are no puzzles of that size.
    """
    shape, _, level = text.partition(":")
    attributes, _, objects = shape.partition("x")
    numbers = (attributes, objects, level.removesuffix("*"))
    if not all(number.isdecimal() for number in numbers):
        raise ValueError(f"a size is ATTRIBUTESxOBJECTS:LEVEL with a star for minimal, such as 4x5:12*, not {text!r}")
    size = Size(int(attributes), int(objects), int(numbers[2]), level.endswith("*"))
    if not (2 <= size.attributes <= len(ATTRIBUTES) and 2 <= size.objects <= 15 and 1 <= size.level <= 20):
        raise ValueError(f"{text}: 2 to {len(ATTRIBUTES)} attributes, 2 to 15 objects and levels 1 to 20 are possible")
    if size.level >= 19 and size.objects < 3:
        raise ValueError(f"{text}: levels 19 and 20 need 3 objects")
    return size


def _all_sizes(value: object) -> object:
    sizes = PAPER_SIZES if value == "paper" else value.split(",") if isinstance(value, str) else value
    if isinstance(sizes, list | tuple):
        for text in sizes:
            read_size(str(text).strip())
        return [str(text).strip() for text in sizes]
    return sizes


class ZebraConfig(GenerateConfig):
    """Zebra puzzles of the given sizes, one size after the other."""

    family: ClassVar[str] = "zebra"
    source: ClassVar[str] = "logic__zebra_puzzle_dataset"
    published: ClassVar[int] = 5700

    kind: Literal["zebra"] = "zebra"

    sizes: Annotated[list[str], BeforeValidator(_all_sizes)] = Field("paper", min_length=1, validate_default=True)
    """Sizes `ATTRIBUTESxOBJECTS:LEVEL`, with `*` where no clue may be unnecessary; `paper`: the 61 of Guru. Puzzle
    number i has the size number i, counted around."""

    search_steps: int = Field(15_000, ge=0)
    """Steps of search, in a minimal puzzle, for clues that only trying shows to be unnecessary; 0: narrowing alone."""

    def make(self, index: int, rng: random.Random) -> Made | None:
        """A puzzle of the size whose turn it is."""
        size = read_size(self.sizes[index % len(self.sizes)])
        grid = _draw_grid(size, rng)
        puzzle = Puzzle(size.attributes, size.objects)
        if not _draw_clues(puzzle, grid, rng):
            return None
        told = list(range(len(puzzle.clues)))
        unproven = None
        if size.minimal:
            left = minimal(puzzle, [1 << place for place in grid.place], rng, self.search_steps)
            told, unproven = left.clues, left.unproven
        rng.shuffle(told)
        clues = [puzzle.clues[number] for number in told]
        return Made(
            prompt=_prompt(grid, clues),
            ground_truth=grid.table(),
            reference=canonical(grid.table()),
            difficulty={
                "attributes": size.attributes,
                "objects": size.objects,
                "level": size.level,
                "minimal": size.minimal,
                "clues": len(clues),
                "clues_unproven": unproven,
            },
        )


@dataclass(frozen=True)
class _Grid:
    """A drawn solution: things are values, numbered attribute by attribute."""

    size: Size
    names: list[str]
    """The attributes, sorted."""
    values: list[str]
    """By thing; sorted within an attribute."""
    place: list[int]
    """By thing, its position."""
    at: list[list[int]]
    """By attribute and position, the thing there."""

    def label(self, thing: int) -> str:
        return f"{self.names[thing // self.size.objects]}:{self.values[thing]}"

    def table(self) -> dict[str, list[str] | list[list[str]]]:
        """The gold answer: a header, and a row for each position."""
        rows = [
            [str(position + 1), *(self.values[row[position]] for row in self.at)]
            for position in range(self.size.objects)
        ]
        return {"header": ["Position", *self.names], "rows": rows}


def _draw_grid(size: Size, rng: random.Random) -> _Grid:
    names = sorted(rng.sample(sorted(ATTRIBUTES), size.attributes))
    values: list[str] = []
    place: list[int] = []
    at: list[list[int]] = []
    for group, name in enumerate(names):
        values += sorted(rng.sample(ATTRIBUTES[name], size.objects))
        positions = rng.sample(range(size.objects), size.objects)
        place += positions
        things = range(group * size.objects, (group + 1) * size.objects)
        at.append(sorted(things, key=place.__getitem__))
    return _Grid(size, names, values, place, at)


def _draw_clues(puzzle: Puzzle, grid: _Grid, rng: random.Random) -> bool:
    """Add clues until they leave one arrangement; False if that takes too many steps."""
    possible = kinds(grid.size.level, grid.size.objects)
    state = puzzle.blank()
    while not solved(state):
        open_things = [thing for thing, positions in enumerate(state) if positions & (positions - 1)]
        best, most, found = None, 0, 0
        while found < CANDIDATES:
            puzzle.steps += 1
            if puzzle.steps > DRAW_STEPS:
                return False
            clue = _draw_clue(grid, possible, rng.choice(open_things), rng)
            removed = puzzle.removed_by(clue, state) if clue else 0
            if removed:
                found += 1
                if removed > most:
                    best, most = clue, removed
        if best is not None:
            puzzle.enforce([puzzle.add(best)], state)
    return True


def _draw_clue(grid: _Grid, possible: Sequence[Kind], thing: int, rng: random.Random) -> Clue | None:
    """A clue about a thing, true of the grid; None where what was drawn is not true or says nothing."""
    kind = rng.choice(possible)
    relation, size = kind.relation, grid.size
    if relation.arity == 1:
        return Clue(relation, (thing,)) if relation.holds(size.objects, grid.place[thing]) else None
    places = partners(relation, size.objects, grid.place[thing])
    if not places:
        return None
    things = [thing]
    for place in rng.choice(places):
        group = rng.randrange(size.attributes)
        if group == thing // size.objects and not kind.within:
            return None
        things.append(grid.at[group][place])
    return Clue(relation, tuple(things)) if len(set(things)) == len(things) else None


def _prompt(grid: _Grid, clues: Sequence[Clue]) -> str:
    size = grid.size
    attributes = [
        f"- {name}: {', '.join(grid.values[group * size.objects : (group + 1) * size.objects])}"
        for group, name in enumerate(grid.names)
    ]
    told = [f"{number}. {clue.relation.say(*map(grid.label, clue.things))}" for number, clue in enumerate(clues, 1)]
    example = canonical(
        {"header": ["Position", *grid.names], "rows": [[place, *["..."] * size.attributes] for place in "12"]}
    )
    return "\n".join(
        [
            f"{size.objects} objects stand in a row, at positions 1 (far left) to {size.objects} (far right). "
            "Each object has one value of each attribute, and no two objects have the same value.",
            "",
            "Attributes and their values:",
            *attributes,
            "",
            "Clues:",
            *told,
            "",
            '"On the left of" and "on the right of" mean directly beside, at the next position; "somewhere to the left '
            'of" and "somewhere to the right of" mean at any distance.',
            "",
            "Which values does each object have? Output the grid, all objects from left to right, as a dictionary with "
            "the keys header and rows, within <answer> and </answer> tags, in this form:",
            f"<answer> {example} </answer>",
        ]
    )
