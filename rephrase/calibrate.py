"""What each threshold of the gate would reject on recorded pairs, so that it is set from data.

Usage:
    python -m rephrase.calibrate RECYCLED                 # documents that carry `organic_text`
    python -m rephrase.calibrate RECYCLED organic=POOL    # their organic texts by id

Recycled documents with their records are judged chunk by chunk as the stage does, others page by page. Prints for each
check (`gate` of the stage's config) the share of the pairs that each threshold alone would send back.
"""

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import RunConfig


class CalibrateConfig(RunConfig):
    """Which pairs to look at."""

    pairs: str
    """Recycled pool or shard file."""

    organic: str = ""
    """Pool of the organic documents; not needed where the recycled ones carry `organic_text`."""

    limit: int | None = Field(None, ge=1)
    """Stop after this many documents."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, score, print the table."""
    config = parse(CalibrateConfig, __doc__, argv, positional=("pairs",))
    from eval.faithfulness.pairs import read_pairs
    from rephrase.gate.calibration import chunk_pairs, rejections, table

    with usage_errors():
        pair = (config.organic, config.pairs) if config.organic else (config.pairs, "")
        found = [both for document in read_pairs(*pair, config.limit) for both in chunk_pairs(document)]
        if not found:
            raise ValueError(f"no pairs in {config.pairs}")
    print(table(rejections(found), len(found)))  # noqa: T201


if __name__ == "__main__":
    main()
