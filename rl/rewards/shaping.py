"""The arithmetic that all likelihood rewards share: reduce log-probabilities, compare, squash to a reward.

Notation: l_j = log p of the reference's token j, J = mean l_j (at most 0), V = -J, ppl = exp V. Reducing takes the
scored tokens only. Everything is finite for l = 0 and for l = -50.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import RunConfig

if TYPE_CHECKING:
    import numpy as np

REDUCERS: dict[str, Callable[[np.ndarray], float]] = {
    "mean_logp": lambda logprobs: float(logprobs.mean()),
    "mean_p": lambda logprobs: float(_exp(logprobs).mean()),
    "geo_p": lambda logprobs: float(_exp(logprobs.mean())),
    "seq_p": lambda logprobs: float(_exp(logprobs.sum())),
    "ppl": lambda logprobs: float(_exp(-logprobs.mean())),
}
"""J, mean p, exp J, product of p, exp(-J) over the scored tokens."""


def _exp(values: Any) -> Any:
    import numpy as np

    return np.exp(values)


def reduce(logprobs: Sequence[float] | np.ndarray, how: str) -> float:
    """One number for a reference.

    Args:
        logprobs: [m] of the scored tokens, in nats.
        how: a key of `REDUCERS`.

    Raises:
        ValueError: there is no token: such a sample is invalid, not 0.

    >>> import numpy as np
    >>> [round(reduce(np.log([0.01, 0.7, 0.9]), how), 6) for how in ("mean_p", "seq_p", "geo_p", "mean_logp")]
    [0.536667, 0.0063, 0.184691, -1.689069]
    """
    import numpy as np

    values = np.asarray(logprobs, np.float64)
    if not len(values):
        raise ValueError("no scored token to reduce")
    return REDUCERS[how](values)


class Curve(RunConfig):
    """A map from gain to reward, and rounding last."""

    bins: int | None = Field(None, ge=1)
    """Round the result to the nearest of so many steps per unit; null: as it is."""

    def __call__(self, x: float) -> float:
        """The shaped value."""
        y = self.curve(x)
        return round(y * self.bins) / self.bins if self.bins else y

    def curve(self, x: float) -> float:
        """The value before rounding."""
        raise NotImplementedError


class Clip(Curve):
    """`min(max(x, 0), 1)`."""

    kind: Literal["clip01"] = "clip01"

    def curve(self, x: float) -> float:
        """See the class."""
        return min(max(x, 0.0), 1.0)


class Leak(Curve):
    """x, but 0 (or `leak * x`) below `at`."""

    kind: Literal["threshold"] = "threshold"

    at: float
    """Smallest value that counts in full."""

    leak: float = Field(0.0, ge=0, le=1)
    """Share of a smaller value that remains; 0.01 is RLPR's `leaky`."""

    def curve(self, x: float) -> float:
        """See the class."""
        return x if x >= self.at else self.leak * x


class Squash(Curve):
    """A smooth step around 1/2: `sigmoid(k (2x - 1))` or `(tanh(kx - k/2) + 1) / 2`."""

    kind: Literal["sigmoid", "tanh"]

    k: float = Field(6.0, gt=0)
    """Steepness of the curve."""

    def curve(self, x: float) -> float:
        """See the class."""
        if self.kind == "tanh":
            return (math.tanh(self.k * x - self.k / 2) + 1) / 2
        return (math.tanh(self.k * (2 * x - 1) / 2) + 1) / 2  # the sigmoid, without overflow


class Steps(Curve):
    """A staircase: `values[i]` between `edges[i - 1]` and `edges[i]`; an edge belongs to the upper step."""

    kind: Literal["steps"] = "steps"

    edges: list[float]
    """Edges of the steps, from low to high."""

    values: list[float]
    """Value of each step: one more than there are edges."""

    @model_validator(mode="after")
    def _fit(self) -> Steps:
        if len(self.values) != len(self.edges) + 1 or sorted(self.edges) != self.edges:
            raise ValueError(
                f"{len(self.edges)} rising edges need {len(self.edges) + 1} values, not {len(self.values)}"
            )
        return self

    def curve(self, x: float) -> float:
        """See the class."""
        return self.values[sum(x >= edge for edge in self.edges)]


class Plain(Curve):
    """`identity`: x; `relu`: max(x, 0); `binary`: x >= 0; `one_minus`: 1 - x; `one_minus_tanh`: 1 - tanh x."""

    kind: Literal["identity", "relu", "binary", "one_minus", "one_minus_tanh"]

    def curve(self, x: float) -> float:
        """See the class."""
        return PLAIN[self.kind](x)


PLAIN: dict[str, Callable[[float], float]] = {
    "identity": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "binary": lambda x: float(x >= 0),
    "one_minus": lambda x: 1 - x,
    "one_minus_tanh": lambda x: 1 - math.tanh(x),
}
"""The shapes without a parameter."""


Shape = Annotated[Clip | Leak | Squash | Steps | Plain, Field(discriminator="kind")]
"""How a gain becomes a reward."""
