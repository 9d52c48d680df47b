"""What a recipe may say: all, threshold, fraction, budget."""

from typing import Annotated, Literal

from pydantic import Field

from common.config import RunConfig


class All(RunConfig):
    """Keep every document that has a score, or every document where nothing is scored."""

    kind: Literal["all"] = "all"


class Threshold(RunConfig):
    """Keep what scores at least a number. The share that passes differs from pool to pool; it is printed."""

    kind: Literal["threshold"]

    threshold: float
    """Lowest score kept. DCLM and RePro: 0.018112 on fasttext_oh_eli5, about a tenth of RefinedWeb."""


class Fraction(RunConfig):
    """Keep the best share; documents that tie with the last one are kept too."""

    kind: Literal["fraction"]

    fraction: float = Field(ge=0, le=1)
    """Share of the scored documents, or of their tokens."""

    by: Literal["documents", "tokens"] = "documents"
    """What the share is of."""


class Budget(RunConfig):
    """Keep the best documents up to a number of tokens."""

    kind: Literal["budget"]

    tokens: int = Field(gt=0)
    """Unique tokens wanted, those of the sources in `minus` included (RePro: 14.4e9, of which half organic)."""

    minus: list[str] = []
    """Earlier sources whose kept tokens count against `tokens`."""

    exact: bool = True
    """Keep of the documents that tie at the lowest score only as many as needed, chosen by a hash of their ids: the
    overshoot is less than one document. False keeps all that tie (the paper)."""

    allow_short: bool = False
    """Take everything where the pool holds fewer tokens; else that is an error."""


AnyRule = Annotated[All | Threshold | Fraction | Budget, Field(discriminator="kind")]
