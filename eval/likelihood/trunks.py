"""Trunk, Branch, their scores and the Scorer protocol: what is asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Branch:
    """Tokens that follow `trunk[:cut]`.

    Raises:
        ValueError: cut is below 1 (no row predicts the first token of a text: begin bare text with BOS or EOT), or
            `scored` does not fit the tokens.
    """

    cut: int
    token_ids: Sequence[int]
    scored: Sequence[bool] | None = None
    """One flag per token: does the caller's reduction count it? All of them if None. Scorers score every token."""

    def __post_init__(self) -> None:
        """Check what can be known without the trunk."""
        if self.cut < 1:
            raise ValueError(f"a branch needs at least one token of context, not cut {self.cut}: begin with BOS or EOT")
        if self.scored is None:
            object.__setattr__(self, "scored", (True,) * len(self.token_ids))
        elif len(self.scored) != len(self.token_ids):
            raise ValueError(f"{len(self.scored)} scored flags for a branch of {len(self.token_ids)} tokens")


@dataclass(frozen=True)
class Trunk:
    """A token sequence, its branches, and the rows whose next-token entropy is wanted.

    Raises:
        ValueError: a cut or probe row lies outside the trunk.
    """

    token_ids: Sequence[int]
    branches: Sequence[Branch] = ()
    probe_rows: Sequence[int] = ()
    """Row i predicts trunk token i + 1."""

    def __post_init__(self) -> None:
        """Check that every branch and probe row has its place."""
        for branch in self.branches:
            if branch.cut > len(self.token_ids):
                raise ValueError(f"cut {branch.cut} lies behind a trunk of {len(self.token_ids)} tokens")
        for row in self.probe_rows:
            if not 0 <= row < len(self.token_ids):
                raise ValueError(f"probe row {row} lies outside a trunk of {len(self.token_ids)} tokens")


def needed(trunk: Trunk) -> int:
    """Tokens of a trunk that its branches and probe rows look at."""
    cuts = [branch.cut for branch in trunk.branches if len(branch.token_ids)]
    return max([*cuts, *(row + 1 for row in trunk.probe_rows)], default=0)


def longest(trunk: Trunk) -> int:
    """Tokens of the longest text that scoring a trunk feeds to the model: a branch's last one is not fed."""
    fed = [branch.cut + len(branch.token_ids) - 1 for branch in trunk.branches if len(branch.token_ids)]
    return max([*fed, needed(trunk)])


@dataclass(frozen=True)
class BranchScores:
    """What the model says about the m tokens of one branch."""

    logprobs: np.ndarray
    """[m] float32, nats: of every token, also those whose `scored` flag is off."""
    greedy: np.ndarray
    """[m] bool: is the token the most likely one after what stands before it?"""


@dataclass(frozen=True)
class TrunkScores:
    """What the model says about one trunk; `error` is set, and nothing else, where it could not be scored."""

    branches: Sequence[BranchScores] = ()
    entropy: np.ndarray = field(default_factory=lambda: _nothing())
    """[probe rows] float32, nats."""
    error: str | None = None
    """`too_long` (context limit), `not_finite`, `server` … : a reason to count, never a score of 0."""


def _nothing() -> np.ndarray:
    import numpy as np

    return np.zeros(0, np.float32)


def finite(scores: TrunkScores) -> TrunkScores:
    """The scores, or the error `not_finite` where one of their numbers is none: nothing may be decided by it."""
    import numpy as np

    numbers = [*(branch.logprobs for branch in scores.branches), scores.entropy]
    fine = scores.error is not None or all(bool(np.isfinite(values).all()) for values in numbers)
    return scores if fine else TrunkScores(error="not_finite")


class Scorer(Protocol):
    """Anything that scores trunks: no gradient, order kept, `score([])` allowed."""

    def score(self, trunks: Sequence[Trunk]) -> list[TrunkScores]:
        """Scores of each trunk, in the order given."""
        ...
