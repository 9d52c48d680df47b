"""What a pass leaves beside the shards (signatures, verdicts), and token counts that follow an edit."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.pools.documents import Document
from common.pools.exactly_once import Result
from common.pools.shards import Shard
from common.pools.storage import atomic_write, join, read_bytes
from common.tokens.counting import TokenCountConfig


@dataclass(frozen=True)
class PassJob:
    """One source in one pass; goes to worker processes."""

    notes: str
    """Folder for signatures and verdicts."""
    output: str
    """Folder for the rewritten pool."""
    hash: str
    config: Any
    tokens: TokenCountConfig


def with_counts(results: Iterable[Result]) -> Iterator[Result]:
    """Add the tokens that go on to each result's counts."""
    for result in results:
        if result.reason is None and "token_count" in (result.document or {}):
            tokens = {"tokens_out": result.document["token_count"]}  # type: ignore[index,call-overload]
            yield Result(result.document, counts={**result.counts, **tokens})
        else:
            yield result


def recounted(documents: Iterable[Document], process: Callable[[Document], Result], counter: Any) -> Iterator[Result]:
    """Results whose token counts follow what was done to the text."""
    for document in documents:
        yield recount(document, process(document), counter)


def recount(before: Document, result: Result, counter: Any) -> Result:
    """A document whose text became shorter has fewer tokens."""
    after = result.document
    if result.reason is None and counter and after["text"] != before["text"]:  # type: ignore[index,call-overload]
        return Result({**after, "token_count": counter([after["text"]])[0]}, counts=result.counts)  # type: ignore[dict-item,index,call-overload]
    return result


def never(documents: Iterator[Document]) -> Iterator[Result]:
    """Stands for the rewriting of a shard that must be finished already.

    Raises:
        RuntimeError: always, since nothing is left to rewrite.
    """
    raise RuntimeError("a finished shard was to be rewritten")


def note_path(job: PassJob, shard: Shard, what: str) -> str:
    """Where the note of a shard lies."""
    return join(job.notes, f"{shard.name}.{what}")


def save_note(path: str, array: NDArray[Any]) -> None:
    """Write arrays as a shard's note, whole or not at all."""
    with atomic_write(path) as target:
        np.save(target, array, allow_pickle=False)


def load_note(path: str) -> NDArray[Any]:
    """Read a shard's note."""
    return np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
