"""Documents whose own figure lies in a range (a rephrasing's faithfulness)."""

from typing import Literal

from common.config import RunConfig
from common.pools.documents import as_object
from filter.rules.page import Page


class Gate(RunConfig):
    """Documents whose own figure lies in a range, such as a rephrasing's `rephrase.semantic`.

    A document without the figure's record (organic text has no `rephrase`, or null there) passes.
    """

    kind: Literal["gate"]

    field: str
    """Where the figure is; dots reach inside."""

    low: float | None = None
    """Least that passes (RePro's rewards: semantic 0.65, structure 1)."""

    high: float | None = None
    """Most that passes (RePro's rewards: length_ratio 1.25)."""

    def apply(self, page: Page) -> str | None:
        """`gate_<figure>`, or `gate_<figure>_missing` where the record lacks it."""
        first, *rest = self.field.split(".")
        value = page.document.get(first)
        if value is None:
            return None
        for name in rest:
            value = (as_object(value) or {}).get(name)
        figure = self.field.rpartition(".")[2]
        if not isinstance(value, int | float):
            return f"gate_{figure}_missing"
        inside = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return None if inside else f"gate_{figure}"
