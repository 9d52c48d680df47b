"""Score CORE's items with the likelihood engine, and keep what came out row by row.

A multiple-choice row is one trunk, its context, with a branch per answer; a language-modelling row has one branch; the
options of a schema row share the tokens they begin with. Rows whose contexts were cut differently for different answers
become several trunks. Answers of equal tokens are scored once, so their losses are equal and a tie goes to the first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.command import WorkFailed
from common.runs.processes import add_up, processes
from common.runs.progress.shown import progress
from eval.core.entries import Entry, Kind
from eval.core.outcomes import Outcomes
from eval.core.prompts import Item
from eval.likelihood.trunks import Branch, Scorer, Trunk

SLAB_TOKENS = 1 << 17
"""Tokens handed to the scorer at once: enough to fill its batches, few enough for the progress bar to move."""


@dataclass(frozen=True)
class ScoredItem:
    """An item with the mean loss per token of each answer, in nats, and whether greedy decoding gives it."""

    item: Item
    losses: list[float]
    greedy: list[bool]
    pred: int
    """The answer with the lowest loss, the first on ties; of one answer, 0 if greedy decoding gives it, else -1."""

    @property
    def correct(self) -> bool:
        """Whether the prediction is the right answer."""
        return self.pred == self.item.gold

    def row(self) -> dict[str, Any]:
        """The item as a JSON row; `context_ids` is a list per answer where answers have different contexts."""
        contexts = self.item.contexts
        shared = all(context == contexts[0] for context in contexts)
        return {
            "index": self.item.index,
            **({"category": self.item.category} if self.item.category is not None else {}),
            "context_ids": contexts[0] if shared else contexts,
            "choices": self.item.answers,
            "losses": self.losses,
            "pred": self.pred,
            "gold": self.item.gold,
            "correct": self.correct,
        }


@dataclass(frozen=True)
class _Place:
    """Where an answer's tokens are scored: which trunk of its item, which branch, how many unscored tokens before."""

    trunk: int
    branch: int
    unscored: int


def trunks_of(item: Item, kind: Kind) -> tuple[list[Trunk], list[_Place]]:
    """The trunks that score an item, and where among them each answer is."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, context in enumerate(item.contexts):
        groups.setdefault(tuple(context), []).append(position)
    shared = _common_prefix(list(groups))
    if kind == "schema" and shared:
        groups = {tuple(item.contexts[0][:shared]): list(range(len(item.answers)))}
    places: dict[int, _Place] = {}
    trunks = []
    for number, (prefix, positions) in enumerate(groups.items()):
        cut = len(prefix)
        branches: dict[tuple[int, ...], int] = {}
        for position in positions:
            unscored = len(item.contexts[position]) - cut
            ids = (*item.contexts[position][cut:], *item.answers[position])
            branch = branches.setdefault(ids, len(branches))
            places[position] = _Place(number, branch, unscored)
        scored = {places[position].branch: places[position].unscored for position in positions}
        trunks.append(
            Trunk(
                prefix,
                [
                    Branch(cut, ids, [False] * scored[branch] + [True] * (len(ids) - scored[branch]))
                    for ids, branch in branches.items()
                ],
            )
        )
    return trunks, [places[position] for position in range(len(item.answers))]


def _common_prefix(contexts: Sequence[Sequence[int]]) -> int:
    shortest = min(len(context) for context in contexts)
    for position in range(shortest):
        if any(context[position] != contexts[0][position] for context in contexts):
            return position
    return shortest


def score_items(items: Sequence[Item], kind: Kind, scorer: Scorer, label: str = "") -> list[ScoredItem]:
    """Score items in the order that fills batches best, and return them in their own.

    Under torch.distributed every process scores its share of the trunks and all get all results.

    Raises:
        WorkFailed: the scorer could not score a row; a score over the others would be another one.
    """
    rank, world = processes()
    work: list[tuple[int, int, Trunk]] = []  # item, trunk of the item, the trunk
    places = []
    for number, item in enumerate(items):
        trunks, where = trunks_of(item, kind)
        work += [(number, position, trunk) for position, trunk in enumerate(trunks)]
        places.append(where)
    work.sort(key=lambda entry: -_size(entry[2]))  # longest first: what does not fit in memory shows at once
    first = np.cumsum([0] + [len(item.answers) for item in items])
    losses = np.zeros(first[-1])
    greedy = np.zeros(first[-1])
    failed: list[str] = []

    def slabs() -> Iterator[int]:
        for slab in _slabs(work):
            # Every process calls the scorer equally often: sharded models gather their weights inside it.
            mine = slab[rank::world]
            results = scorer.score([trunk for _, _, trunk in mine])
            for (number, position, trunk), result in zip(mine, results, strict=True):
                if result.error is not None:
                    failed.append(f"row {items[number].index} could not be scored: {result.error}")
                for answer, place in enumerate(places[number]):
                    if place.trunk == position and result.error is None:
                        scores, skip = result.branches[place.branch], place.unscored
                        losses[first[number] + answer] = -scores.logprobs[skip:].astype(np.float64).mean()
                        greedy[first[number] + answer] = scores.greedy[skip:].all()
                yield len(trunk.token_ids)

    for _ in progress(slabs(), total=-(-len(work) // world), label=label, unit="rows"):
        pass
    if world > 1:
        losses, greedy = add_up(losses), add_up(greedy)
    failures = int(add_up(np.eye(world)[rank] * len(failed)).sum()) if world > 1 else len(failed)
    if failures:
        raise WorkFailed(f"{label}: {failed[0] if failed else f'{failures} rows could not be scored'}")
    return [
        _decide(item, kind, losses[start:stop], greedy[start:stop] > 0)
        for item, start, stop in zip(items, first[:-1], first[1:], strict=True)
    ]


def _decide(item: Item, kind: Kind, losses: np.ndarray, greedy: np.ndarray) -> ScoredItem:
    pred = int(losses.argmin()) if kind != "language_modeling" else (0 if greedy[0] else -1)
    return ScoredItem(item, losses.tolist(), greedy.tolist(), pred)


def _size(trunk: Trunk) -> int:
    return len(trunk.token_ids) + sum(len(branch.token_ids) for branch in trunk.branches)


def _slabs(work: list[tuple[int, int, Trunk]]) -> Iterator[list[tuple[int, int, Trunk]]]:
    slab: list[tuple[int, int, Trunk]] = []
    tokens = 0
    for entry in work:
        slab.append(entry)
        tokens += _size(entry[2])
        if tokens >= SLAB_TOKENS:
            yield slab
            slab, tokens = [], 0
    if slab:
        yield slab


def outcomes_of(entry: Entry, scored: Sequence[ScoredItem]) -> Outcomes:
    """Which rows were right, for aggregation and the bootstrap."""
    return Outcomes(
        entry.file,
        [one.item.index for one in scored],
        [one.correct for one in scored],
        [one.item.category for one in scored],
    )
