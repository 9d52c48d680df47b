"""Which prompts a batch keeps: those whose completions differ enough in reward, and what replaces the others.

RLPR's rule (arXiv:2506.18254): with s the sample standard deviation of a prompt's rewards and a step one batch of fresh
completions, the mean s over all prompts sampled is recorded in steps 6 to 10; from step 11 a prompt is kept where
`s >= beta * ema`. The ema starts at the mean of what was recorded and moves to `0.99 ema + 0.01 mean s` after a step.
DAPO's dynamic sampling (arXiv:2503.14476) is `drop_equal`: groups of equal rewards go, from the first step on.

A batch is sampled in rounds until every process has its number of groups. Surplus prompts wait in a queue, their
completions are dropped; a further round takes prompts from the queue, then from a stream of its own over the rows.
All processes hold the same state and decide alike, so a run may go on with another number of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from common.config import RunConfig

if TYPE_CHECKING:
    import numpy as np

EQUAL = 1e-6
"""A standard deviation below this is that of equal rewards."""


class StdFilterConfig(RunConfig):
    """Leave out prompts whose completions hardly differ in reward (RLPR, arXiv:2506.18254)."""

    beta: float = Field(0.5, ge=0)
    """Share of the moving average below which a prompt is left out; 0 keeps all (published: 0.5, 0.9, 1 by model)."""

    ema: float = Field(0.99, ge=0, lt=1)
    """Share of the moving average that remains after a step."""

    record_from: int = Field(6, ge=1)
    """First step whose mean deviation counts for the average's start."""

    filter_from: int = Field(11, ge=2)
    """First step that leaves prompts out."""

    drop_equal: bool = False
    """Leave out prompts whose completions all earn the same, in every step (DAPO's dynamic sampling)."""

    max_rounds: int = Field(8, ge=1)
    """Rounds of sampling for one batch; then the rejected groups that differ most fill it (`filter/forced`)."""

    def model_post_init(self, context: Any) -> None:
        """Check that something is recorded before it is used."""
        if self.record_from >= self.filter_from:
            raise ValueError(f"record_from {self.record_from} is not before filter_from {self.filter_from}")


class StdFilter:
    """The rule's state over a run.

    Args:
        config: the rule.
        rows: how many rows there are to sample from.
        seed: of the stream.
    """

    def __init__(self, config: StdFilterConfig, rows: int, seed: int) -> None:
        self.config, self.rows, self.seed = config, rows, seed
        self.step = 0
        """Steps finished."""
        self.recorded: list[float] = []
        self.ema: float | None = None
        self.queue: list[int] = []
        """Rows to sample again, first in first out."""
        self.cursor = 0
        """Rows taken from the stream so far."""

    @property
    def threshold(self) -> float:
        """Least deviation that the coming step keeps; 0 keeps all."""
        least = EQUAL if self.config.drop_equal else 0.0
        if self.step + 1 >= self.config.filter_from and self.ema is not None:
            least = max(least, self.config.beta * self.ema)
        return least

    def keeps(self, deviation: float) -> bool:
        """Whether a prompt stays; one with fewer than two scored completions (NaN) only if all do."""
        return self.threshold == 0 or deviation >= self.threshold

    def finish(self, deviations: Sequence[float]) -> float:
        """End a step: take the mean deviation of all its prompts, kept or not, into the average; that mean."""
        known = [value for value in deviations if math.isfinite(value)]
        mean = math.fsum(known) / len(known) if known else math.nan
        self.step += 1
        if self.step < self.config.record_from or not known:
            return mean
        if self.step < self.config.filter_from:
            self.recorded.append(mean)
            self.ema = math.fsum(self.recorded) / len(self.recorded)
        elif self.ema is None:
            self.ema = mean
        else:
            self.ema = self.config.ema * self.ema + (1 - self.config.ema) * mean
        return mean

    def draw(self, count: int) -> list[int]:
        """The next rows to sample: those in the queue, then the stream, which takes all rows in ever new orders."""
        import numpy as np

        taken, self.queue = self.queue[:count], self.queue[count:]
        while len(taken) < count:
            turn, place = divmod(self.cursor, self.rows)
            order = np.random.default_rng((self.seed, turn)).permutation(self.rows)
            part = order[place : place + count - len(taken)]
            taken += part.tolist()
            self.cursor += len(part)
        return taken

    def state(self) -> dict[str, Any]:
        """What a checkpoint has to hold."""
        return {name: getattr(self, name) for name in ("step", "recorded", "ema", "queue", "cursor")}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        for name in ("step", "recorded", "ema", "queue", "cursor"):
            setattr(self, name, state[name])


def deviations(totals: np.ndarray, group: int) -> np.ndarray:
    """[P] sample standard deviation of each group's rewards; NaN where fewer than two are scored.

    Args:
        totals: [P·G] rewards, NaN where a completion could not be scored.
        group: G.
    """
    import numpy as np

    grouped = np.asarray(totals, np.float64).reshape(-1, group)
    found = np.full(len(grouped), np.nan)
    for index, rewards in enumerate(grouped):
        scored = rewards[~np.isnan(rewards)]
        if len(scored) > 1:
            found[index] = scored.std(ddof=1)
    return found
