"""Write a small pool of the first documents of a large one, for trials.

Usage:
    python -m common.sample_pool POOL OUT [limit=N]
    python -m common.sample_pool runs/pool runs/small limit=200 shards=2 max_chars=4000
"""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import Out, RunConfig
from common.pools.documents import Document, write_documents
from common.pools.inputs import refuse_overlap
from common.pools.shards import list_shards, read_pool
from common.pools.storage import join


class SamplePoolConfig(RunConfig):
    """Where documents come from, which ones, and where they go."""

    pool: str
    """The large pool; it is read only as far as needed."""

    out: Annotated[str, Out(folder=True)]
    """Folder for the shards; files of the same names are replaced."""

    limit: int = Field(300, ge=1)
    """Number of documents; fewer if the pool has no more that fit."""

    shards: int = Field(4, ge=1)
    """Files the documents are dealt to in turn, so that each is a like sample."""

    min_chars: int = Field(200, ge=0)
    """Shorter documents are passed over."""

    max_chars: int = Field(6000, ge=1)
    """Longer documents are passed over."""


def sample(config: SamplePoolConfig) -> int:
    """Write the shards; returns the number of documents.

    Raises:
        ValueError: no pool there, or no document in it fits.
    """
    refuse_overlap(config.out, [config.pool, *(shard.path for shard in list_shards(config.pool))])
    documents = list(islice(_fitting(config), config.limit))
    if not documents:
        raise ValueError(f"{config.pool} has no document of {config.min_chars} to {config.max_chars} characters")
    shards = min(config.shards, len(documents))
    for number in range(shards):
        write_documents(join(config.out, f"shard_{number:08d}.jsonl.zst"), documents[number::shards])
    return len(documents)


def _fitting(config: SamplePoolConfig) -> Iterator[Document]:
    for document in read_pool(config.pool):
        if config.min_chars <= len(document["text"]) <= config.max_chars:
            yield document


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then write the pool."""
    config = parse(SamplePoolConfig, __doc__, argv, positional=("pool", "out"))
    with usage_errors():
        count = sample(config)
    print(f"{count} documents in {config.out}")  # noqa: T201


if __name__ == "__main__":
    main()
