"""What goes into the mix: how often each source comes, and which form of a page that was kept in two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from common.config import RunConfig

if TYPE_CHECKING:
    from filter.selection.cut import Columns, Cut


class Union(RunConfig):
    """Every selected document once (RePro)."""

    kind: Literal["union"] = "union"


class Ratio(RunConfig):
    """Shares of the mix by tokens."""

    kind: Literal["ratio"]

    ratios: dict[str, float]
    """Source → share; they are made to sum to 1. Advice differs: 0.3 recycled (arXiv:2510.01631), or 0.6 to 0.8."""

    tokens: int | None = Field(None, gt=0)
    """Size of the mix; None takes as much as the sources give within `max_epochs`."""

    max_epochs: float = Field(1.0, gt=0)
    """How often a source may be repeated at most."""


class TokenBudgets(RunConfig):
    """A number of tokens from each source, repeated where it holds fewer."""

    kind: Literal["budget"]

    tokens: dict[str, int]
    """Source → tokens."""

    max_epochs: float = Field(1.0, gt=0)
    """How often a source may be repeated at most."""


class Factors(RunConfig):
    """Each source so many times, as RedPajama's mix: 2.269 is every document twice and 0.269 of them once more."""

    kind: Literal["factor"]

    factors: dict[str, float]
    """Source → how often; a source that is not named comes once."""


AnyMix = Annotated[Union | Ratio | TokenBudgets | Factors, Field(discriminator="kind")]


@dataclass(frozen=True)
class Share:
    """How often a source's documents come: all of them `whole` times, those that `cut` keeps once more."""

    whole: int
    cut: Cut | None = None


def epochs(mix: Union | Ratio | TokenBudgets | Factors, tokens: Mapping[str, int]) -> dict[str, float]:
    """How often each source comes in a mix.

    Args:
        mix: the rule.
        tokens: source → its tokens.

    Returns:
        Source → epochs; 1.5 is one and a half passes.

    Raises:
        ValueError: a source is unknown, empty, or would be repeated more than `max_epochs`; names the numbers.

    >>> epochs(Ratio(kind="ratio", ratios={"organic": 1, "recycled": 3}), {"organic": 100, "recycled": 150})
    {'organic': 0.5, 'recycled': 1.0}
    """
    if isinstance(mix, Union):
        return dict.fromkeys(tokens, 1.0)
    wanted = mix.factors if isinstance(mix, Factors) else mix.ratios if isinstance(mix, Ratio) else mix.tokens
    for name in wanted:
        if name not in tokens:
            raise ValueError(f"mix names {name!r}, but the sources are {', '.join(tokens)}")
        if wanted[name] < 0:
            raise ValueError(f"mix gives {name!r} {wanted[name]}; it should be 0 or more")
    if isinstance(mix, Factors):
        return {name: float(mix.factors.get(name, 1)) for name in tokens}
    for name, amount in wanted.items():
        if amount and not tokens[name]:
            raise ValueError(f"mix wants {name!r}, but it holds no tokens (set tokenizer=PATH to count them)")
    if isinstance(mix, Ratio):
        total = sum(mix.ratios.values())
        if not total:
            raise ValueError("the ratios of the mix sum to 0")
        shares = {name: ratio / total for name, ratio in mix.ratios.items() if ratio}
        size = mix.tokens or min(tokens[name] * mix.max_epochs / share for name, share in shares.items())
        amounts = {name: shares.get(name, 0.0) * size for name in tokens}
    else:
        amounts = {name: float(mix.tokens.get(name, 0)) for name in tokens}
    found = {name: amount / tokens[name] if amount else 0.0 for name, amount in amounts.items()}
    for name, often in found.items():
        if often > mix.max_epochs + 1e-9:
            raise ValueError(
                f"the mix wants {round(amounts[name]):,} tokens of {name!r}, which holds {tokens[name]:,}: {often:.3g} "
                f"epochs, and max_epochs is {mix.max_epochs:g}"
            )
    return found


def fit(often: Mapping[str, float], tokens: Mapping[str, int], size: int) -> dict[str, float]:
    """Epochs scaled so that the mix holds `size` tokens, the sources' shares of it unchanged.

    Raises:
        ValueError: the mix holds fewer; names both numbers.

    >>> fit({"organic": 1.0, "recycled": 2.0}, {"organic": 100, "recycled": 150}, 200)
    {'organic': 0.5, 'recycled': 1.0}
    """
    total = sum(often[name] * tokens[name] for name in often)
    if round(total) < size:
        raise ValueError(f"the mix holds {round(total):,} tokens and {size:,} are wanted; give larger pools")
    return {name: amount * size / total for name, amount in often.items()}


def share_of(often: float, columns: Sequence[Columns]) -> Share:
    """Epochs as whole passes and a cut for the rest: that share of the tokens to within a document, by hash of id."""
    from fractions import Fraction  # --help does not wait for it

    total = sum(int(one.tokens.sum()) for one in columns)
    # In whole numbers: rounding of the epochs (some 2^-52 of them) is less than a token, whatever the pool's size.
    wanted = Fraction(often) * max(total, 1)
    whole, need = divmod(math.ceil(wanted - wanted / 2**48), max(total, 1))
    if need <= 0:
        return Share(whole)
    from filter.selection.cut import solve_budget

    return Share(whole, solve_budget(lambda: columns, need, exact=True))
