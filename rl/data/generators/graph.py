"""Implication chains: what is the next step of a proof, when several ways lead on and one of them arrives?

A directed graph without cycles: from X several chains lead on, and one of them reaches Y after `lookahead` steps. One
rival chain is as long, so that the first step can only be chosen by looking so many steps ahead; the others share what
is left of about three times as many vertices. Then edges are added until vertices have up to three parents, none that
would lead a rival chain to Y; some come from vertices that X does not reach. Source of the task and its numbers: Guru
(arXiv:2506.14965).
"""

import random
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from rl.data.generators.names import FIRST_NAMES, LAST_NAMES, SYLLABLES
from rl.data.generators.puzzle import GenerateConfig, Made

PAPER_LOOKAHEADS = tuple(sorted({round(1.3**power) for power in range(1, 25)}))
"""1, 2, 3, 4, 5, 6, 8, 11, … 543."""

SENTENCES = (
    "If {a} is {p}, then {b} is {q}.",
    "{a} is {p} implies {b} is {q}.",
    "{b} is {q} is true if {a} is {p}.",
    "Given {a} is {p} then {b} is {q}.",
)
MAX_PARENTS = 3
PATHS = 9

Edges = list[set[int]]
"""By vertex, those it leads to."""


def _all_lookaheads(value: object) -> object:
    if value == "paper":
        return list(PAPER_LOOKAHEADS)
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return [value] if isinstance(value, int) else value


class GraphConfig(GenerateConfig):
    """Implication chains of the given look-aheads, one after the other."""

    family: ClassVar[str] = "graph"
    source: ClassVar[str] = "logic__graph_logical_dataset"
    published: ClassVar[int] = 2800

    kind: Literal["graph"] = "graph"

    lookaheads: Annotated[list[Annotated[int, Field(ge=1, le=2000)]], BeforeValidator(_all_lookaheads)] = Field(
        [3, 4, 5, 6, 8, 11, 14, 18], min_length=1
    )
    """Steps from X to Y, one value after the other; `paper`: Guru's 23, the largest of which make
    prompts of 150,000 characters."""

    def make(self, index: int, rng: random.Random) -> Made | None:
        """A puzzle of the look-ahead whose turn it is."""
        lookahead = self.lookaheads[index % len(self.lookaheads)]
        edges = draw_edges(lookahead, rng)
        start, first, goal = 0, 1, lookahead
        people, words = _people(len(edges), rng), _words(len(edges), rng)
        told = [
            rng.choice(SENTENCES).format(a=people[one], p=words[one], b=people[two], q=words[two])
            for one, following in enumerate(edges)
            for two in sorted(following)
        ]
        rng.shuffle(told)
        prompt = "\n".join(
            [
                "These statements are true:",
                *told,
                "",
                f"Suppose that {people[start]} is {words[start]}. It can be proved that {people[goal]} is "
                f"{words[goal]}. Which step is the next one of that proof: what follows directly from "
                f"{people[start]} is {words[start]} and leads on to {people[goal]} is {words[goal]}?",
                f"Give the one word that the next person is, within <answer> and </answer> tags, for example "
                f"<answer> {_words(1, rng)[0]} </answer>",
            ]
        )
        return Made(
            prompt=prompt,
            ground_truth=words[first],
            reference=f"{people[first]} is {words[first]}",
            difficulty={
                "lookahead": lookahead,
                "vertices": len(edges),
                "edges": sum(map(len, edges)),
                "branches": len(edges[start]),
            },
        )


def draw_edges(lookahead: int, rng: random.Random) -> Edges:
    """A graph in which vertex `lookahead` is reached from vertex 0 through vertex 1 only.

    Args:
        lookahead: steps of the only way from 0 to there, over the vertices 1, 2, 3 and so on.
        rng: of the rival chains, of the vertices that lead to the way from elsewhere, and of the further edges.
    """
    lengths = [lookahead, *[1] * (PATHS - 2)]
    spare = max(0, lookahead - (PATHS - 2))  # about three times the look-ahead in all
    strays = 1 + spare // 2
    for _ in range(spare - spare // 2):
        lengths[rng.randrange(1, len(lengths))] += 1
    edges: Edges = [set() for _ in range(1 + lookahead + sum(lengths) + strays)]
    for vertex in range(lookahead):
        edges[vertex].add(vertex + 1)
    rivals = range(1 + lookahead, 1 + lookahead + sum(lengths))
    numbers = iter(rivals)
    for length in lengths:
        before = 0
        for _ in range(length):
            vertex = next(numbers)
            edges[before].add(vertex)
            before = vertex
    # Further edges lead to a rival from the way or from a rival of lower number, and from strays, which X does not
    # reach, to anywhere. So there is no cycle, no shortcut on the way, and nothing that leads a rival back to the way.
    for vertex in (*range(2, 1 + lookahead), *rivals):
        for _ in range(rng.randrange(MAX_PARENTS)):
            stray = vertex <= lookahead or rng.random() < strays / (vertex + strays)
            before = rivals.stop + rng.randrange(strays) if stray else rng.randrange(1, vertex)
            edges[before].add(vertex)
    return edges


def _people(count: int, rng: random.Random) -> list[str]:
    """Names of different people; with family names where there are too few first names."""
    if count <= len(FIRST_NAMES):
        return rng.sample(FIRST_NAMES, count)
    numbers = rng.sample(range(len(FIRST_NAMES) * len(LAST_NAMES)), count)
    return [f"{FIRST_NAMES[n // len(LAST_NAMES)]} {LAST_NAMES[n % len(LAST_NAMES)]}" for n in numbers]


def _words(count: int, rng: random.Random) -> list[str]:
    """Different words of two syllables that mean nothing."""
    words: dict[str, None] = {}
    while len(words) < count:
        words[rng.choice(SYLLABLES) + rng.choice(SYLLABLES)] = None
    return list(words)
