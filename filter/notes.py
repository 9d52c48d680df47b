"""What a pass leaves beside the shards (signatures, verdicts), and token counts that follow an edit."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from common.pools.documents import Document
from common.pools.exactly_once import Result
from common.pools.shards import Shard
from common.pools.storage import atomic_write, join, open_read, read_bytes
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


def tokens_of(document: Any) -> int | None:
    """A document's `token_count`; None where it has none, or a user's field of that name that counts nothing."""
    value = document.get("token_count")
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= MOST_TOKENS else None


MOST_TOKENS = 1 << 40
"""No document has more."""


def with_counts(results: Iterable[Result]) -> Iterator[Result]:
    """Add the tokens that go on to each result's counts."""
    for result in results:
        tokens = tokens_of(result.document) if result.reason is None and result.document else None
        yield result if tokens is None else result._replace(counts={**result.counts, "tokens_out": tokens})


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


def save_columns(path: str, array: NDArray[Any]) -> None:
    """Write an [N, C] array as a shard's note, column after column: `load_column` then reads no more than it gives."""
    save_note(path, np.asfortranarray(array))


def load_column(path: str, number: int) -> NDArray[Any]:
    """[N] one column of a note; of one that was written row after row all is read."""
    with open_read(path) as source:
        (rows, columns), by_column, dtype = _header(source)
        if not by_column:
            return np.ascontiguousarray(load_note(path)[:, number])
        source.seek(rows * (number % columns) * dtype.itemsize, io.SEEK_CUR)
        return np.frombuffer(source.read(rows * dtype.itemsize), dtype)


def note_length(path: str) -> int:
    """How many rows a note has; only its head is read."""
    with open_read(path) as source:
        return int(_header(source)[0][0])


def load_rows(path: str, start: int, number: int) -> NDArray[Any]:
    """[n, C] up to `number` rows of a note from `start` on; nothing else is read of one written row after row."""
    with open_read(path) as source:
        (rows, columns), by_column, dtype = _header(source)
        if by_column:
            return load_note(path)[start : start + number]
        source.seek(start * columns * dtype.itemsize, io.SEEK_CUR)
        number = max(0, min(number, rows - start))
        return np.frombuffer(source.read(number * columns * dtype.itemsize), dtype).reshape(number, columns)


def _header(source: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it lies column after column, and type; the source then stands at the first value."""
    version = np.lib.format.read_magic(source)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(source)
