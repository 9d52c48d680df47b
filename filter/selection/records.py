"""Score records: per document its id, scores and tokens, in the shard's order; all that a selection needs to decide."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from common.hashing import hash_id
from common.pools.lines import read_lines
from common.pools.repair import decode
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
        np.array([hash_id(str(row["id"])) if ties else 0 for row in rows], np.uint64),
    )


@lru_cache(maxsize=16)
def load_columns(path: str, field: str | None, ties: bool) -> Columns:
    """The score records of one shard as arrays; a few shards' are remembered, since each is read several times."""
    return columns_of(read_records(path), field, ties)
