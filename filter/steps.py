"""One shard through one step: score records beside a pool, and pools rewritten document by document.

Scoring is the costly step and uses `process_shard`, which commits parts. A rewriting step costs no more than reading:
it redoes a whole shard after a kill, and holds one document of it in memory.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson

from common.documents import form_of, read_documents, read_lines, write_documents
from common.shards import Document, Result, Shard, add_stats
from common.storage import atomic_write, exists, join, read_bytes
from filter.select import Columns

Stats = dict[str, Any]
Work = Callable[[Iterator[Document]], Iterable[Result]]

RECORDS_FORM = ".jsonl.zst"


def hash_id(identity: str, *salt: object) -> int:
    """64 bits that depend on an id and a salt only: the same on every machine, for every worker and order."""
    key = "\0".join([*(str(part) for part in salt), identity])
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def step_hash(*parts: Any) -> str:
    """16 hex digits over JSON values: of what shapes a step's output, the steps before it included."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def rewrite_shard(shard: Shard, output: str, work: Work, config_hash: str, form: str | None = None) -> Stats:
    """Write what a step makes of one shard, whole or not at all; a finished shard is left as it is.

    Args:
        shard: the input.
        output: folder of the output pool.
        work: gives one result per document.
        config_hash: of what shapes the output.
        form: how the output is stored; the input's way if None.

    Returns:
        The shard's stats; `docs_in` = `docs_out` + the sum of `drops`, lines that are no documents included.

    Raises:
        ValueError: the folder holds another configuration's output.
    """
    stats_path = join(output, f"{shard.name}.stats.json")
    if exists(stats_path):
        stats = json.loads(read_bytes(stats_path))
        check_hash(output, stats["config_hash"], config_hash)
        return stats
    began = time.monotonic()
    stats: Stats = {"shard": shard.name, "docs_in": 0, "docs_out": 0, "drops": {}}

    def on_reject(position: int, reason: str, raw: bytes) -> None:
        # the step that met the line first keeps it in its rejects; here it is counted
        del position, raw
        stats["docs_in"] += 1
        stats["drops"][reason] = stats["drops"].get(reason, 0) + 1

    counts: Stats = {}

    def kept() -> Iterator[Document]:
        nonlocal counts
        for result in work(read_documents(shard.path, shard.index, on_reject)):
            stats["docs_in"] += 1
            if result.counts:
                counts = add_stats(counts, result.counts)
            if result.reason is not None:
                stats["drops"][result.reason] = stats["drops"].get(result.reason, 0) + 1
                continue
            stats["docs_out"] += 1
            yield result.document  # type: ignore[misc]  # a rewriting step gives one document for one

    write_documents(join(output, shard.name + (form or form_of(shard.path))), kept())
    stats |= {**counts, "seconds": round(time.monotonic() - began, 3), "config_hash": config_hash}
    with atomic_write(stats_path) as target:
        target.write(json.dumps(stats, indent=1, ensure_ascii=False).encode())
    return stats


def check_hash(folder: str, found: str, wanted: str) -> None:
    """Refuse a folder with another configuration's output.

    Raises:
        ValueError: the two hashes differ.
    """
    if found != wanted:
        raise ValueError(
            f"{folder} holds output of another configuration (hash {found}, now {wanted}); "
            "choose another output folder, or delete this one"
        )


def records_of(documents: Iterable[Result], fields: Iterable[str], count: Any) -> Iterator[Result]:
    """Scored documents as the small records that selection reads: id, hash of the id, scores, tokens.

    Args:
        documents: results of `filter.quality.score_documents`.
        fields: score fields to record.
        count: counter of tokens, or None.
    """
    from filter.quality import read_score

    names = list(fields)
    batch: list[Result] = []

    def flush() -> Iterator[Result]:
        texts = [result.document["text"] for result in batch]  # type: ignore[index,call-overload]
        tokens = count(texts) if count else [None] * len(batch)
        for result, number in zip(batch, tokens, strict=True):
            document: Document = result.document  # type: ignore[assignment]
            record = {"id": document["id"], "scores": {name: read_score(document, name) for name in names}}
            counts = dict(result.counts)
            if number is not None:
                record["tokens"] = number
                counts["tokens_in"] = number
            yield Result(record, counts=counts)
        batch.clear()

    for result in documents:
        batch.append(result)
        if len(batch) == 256:
            yield from flush()
    yield from flush()


def read_records(path: str) -> Iterator[dict[str, Any]]:
    """The score records of one shard, in its documents' order."""
    return (orjson.loads(line) for line in read_lines(path))


def columns_of(records: Iterable[Mapping[str, Any]], field: str | None) -> Columns:
    """Records of one shard as arrays.

    Args:
        records: from `read_records`.
        field: the score to select by; None gives every document the score 0.
    """
    scores, tokens, hashes = [], [], []
    for record in records:
        score = 0.0 if field is None else record["scores"].get(field)
        scores.append(np.nan if score is None else score)
        tokens.append(record.get("tokens", 0))
        hashes.append(hash_id(str(record["id"])))
    return Columns(np.array(scores, np.float64), np.array(tokens, np.int64), np.array(hashes, np.uint64))


@lru_cache(maxsize=16)
def load_columns(path: str, field: str | None) -> Columns:
    """The score records of one shard as arrays; a few shards' are remembered, since each is read several times."""
    return columns_of(read_records(path), field)
