"""Score records: per document its id, scores and tokens, in the shard's order; all that a selection needs to decide."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from common.hashing import hash_id
from common.pools.lines import read_lines
from common.pools.repair import decode, id_text
from common.pools.shards import Shard
from common.pools.storage import join
from filter.selection.cut import Columns

RECORDS_FORM = ".jsonl.zst"


def records_path(folder: str, shard: Shard) -> str:
    """Where a shard's records are."""
    return join(folder, shard.name + RECORDS_FORM)


def read_records(path: str) -> Iterator[dict[str, Any]]:
    """The score records of one shard, in its documents' order."""
    return (decode(line) for line in read_lines(path))


def columns_of(records: Iterable[Mapping[str, Any]], field: str | None, ties: bool) -> Columns:
    """Records of one shard as arrays.

    Args:
        records: from `read_records`.
        field: the score to select by; None gives every document the score 0.
        ties: whether hashes of the ids are wanted, by which a budget chooses among equal scores; else they are 0.
    """
    rows = list(records)
    scores = np.array([0.0 if field is None else row["scores"].get(field) for row in rows], np.float64)  # None: NaN
    scores[np.isinf(scores)] = np.nan  # no score either, and null on disk
    return Columns(
        scores,
        np.array([row.get("tokens", 0) for row in rows], np.int64),
        np.array([hash_id(id_text(row["id"])) if ties else 0 for row in rows], np.uint64),
    )


def load_columns(path: str, field: str | None, ties: bool) -> Columns:
    """The score records of one shard as arrays."""
    return columns_of(read_records(path), field, ties)


class Spool:
    """The columns of many shards for passes without number: records are parsed in the first, and kept as arrays.

    The arrays lie in a temporary file (24 bytes a document), so memory holds one shard of them. To be used in a `with`
    block, at whose end the file goes.

    Args:
        paths: records of each shard, in the shards' order; None for a shard that could not be read.
        field: see `columns_of`.
        ties: likewise.
    """

    def __init__(self, paths: Sequence[str | None], field: str | None, ties: bool) -> None:
        self.paths, self.field, self.ties = list(paths), field, ties
        self.lengths: list[int] = []
        """Documents of the shards parsed so far."""

    def __enter__(self) -> "Spool":
        self.file = tempfile.TemporaryFile()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()

    def __call__(self) -> Iterator[Columns]:
        """The columns of all shards, in order."""
        start = 0
        for number, path in enumerate(self.paths):
            if number < len(self.lengths):
                columns = self._read(start, self.lengths[number])
            else:
                columns = load_columns(path, self.field, self.ties) if path else columns_of((), self.field, self.ties)
                self.file.seek(start)
                for array in (columns.scores, columns.tokens, columns.hashes):
                    self.file.write(array.tobytes())
                self.lengths.append(len(columns.scores))
            yield columns
            start += 24 * self.lengths[number]

    def _read(self, start: int, length: int) -> Columns:
        self.file.seek(start)
        scores = np.frombuffer(self.file.read(8 * length), np.float64)
        tokens = np.frombuffer(self.file.read(8 * length), np.int64)
        return Columns(scores, tokens, np.frombuffer(self.file.read(8 * length), np.uint64))
