"""BERTScore F1 with any encoder, equal to the bert-score package (0.3.13) without idf and rescaling, and faster.

Usage:
    python -m eval.bertscore POOL model=microsoft/deberta-large-mnli max_tokens=512

Each distinct text is encoded once (the rollouts of a prompt share their reference), in batches of texts of like length;
a text over the limit is encoded in overlapping windows, or cut and counted. Source: arXiv:1904.09675.

The command says what a pool would lose by cutting: the package cuts at the tokenizer's own limit, which is 512 or none
for the encoder of arXiv:2510.10681, by library version, and what comes after the cut does not change F1.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import RunConfig
from common.weights import find_model

if TYPE_CHECKING:
    pass


class TruncationConfig(RunConfig):
    """What a limit on tokens would leave out of a pool's texts."""

    pool: str
    """Folder, glob or shard."""

    model: str = "microsoft/deberta-large-mnli"
    """Encoder whose tokenizer counts: hub name or folder (arXiv:2510.10681)."""

    max_tokens: int = Field(512, ge=3)
    """The limit, special tokens included."""

    max_chars: int = Field(7000, ge=1)
    """Characters of each text that are looked at: as many as a policy is shown (arXiv:2510.10681)."""


def left_out(lengths: Sequence[int], max_tokens: int) -> tuple[float, float]:
    """Share of texts over a limit, and share of all tokens that lie behind it.

    >>> left_out([100, 512, 612], 512)
    (0.3333333333333333, 0.08169934640522876)
    """
    over = [length - max_tokens for length in lengths if length > max_tokens]
    return len(over) / len(lengths), sum(over) / sum(lengths)


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, count tokens, print what the limit leaves out."""
    config = parse(TruncationConfig, __doc__, argv, positional=("pool",))
    from transformers import AutoTokenizer

    from common.pools.shards import read_pool

    with usage_errors():
        texts = [document["text"][: config.max_chars] for document in read_pool(config.pool)]
        if not texts:
            raise ValueError(f"no documents in {config.pool}")
        try:
            tokenizer = AutoTokenizer.from_pretrained(find_model(config.model))
        except OSError as error:
            raise ValueError(f"no tokenizer at {config.model} ({str(error).splitlines()[0]})") from None
    lengths = [len(tokenizer.encode(text, add_special_tokens=True, verbose=False)) for text in texts]
    share, tokens = left_out(lengths, config.max_tokens)
    print(  # noqa: T201
        f"{len(texts):,} texts of up to {config.max_chars:,} characters: {share:.1%} over {config.max_tokens} tokens; "
        f"a cut there leaves out {tokens:.1%} of all tokens"
    )


if __name__ == "__main__":
    main()
