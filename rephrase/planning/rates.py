"""How fast a device rephrases: measured by a recorded run, by a benchmark here, said by the user, or published."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from common.engines.open import check_engine, open_engine
from common.pools.documents import read_documents
from common.pools.shards import Shard, read_stats
from common.pools.storage import local_path
from common.runs.folder import read_metrics, run_folder
from rephrase.planning.config import PlanConfig
from rephrase.planning.details import CHARS_PER_TOKEN
from rephrase.planning.sample import T_95
from rephrase.rephraser import Rephraser

PUBLISHED_RATE = 72e9 / (1536 * 3600)
"""Organic tokens per second and H100 of the 4B rephraser: 72B tokens in 1,536 hours (arXiv:2510.10681)."""

BATCHES = 20
"""Into so many batches a recorded run is divided to see how much its rate varies; neighbouring parts are alike."""


class DeviceRate(NamedTuple):
    """What a device does in a second."""

    tok_s: float
    """Tokens per second and device."""

    error: float | None
    """Half the width of its 95 % interval; None where nothing is known of it."""

    source: str
    """Where it is from, for people."""

    per: Literal["tokens_taken", "tokens_sent"] = "tokens_sent"
    """Of which tokens: all of the documents that are rephrased, or those that are sent."""

    out_per_token: float | None = None
    """Completion tokens for each of them."""

    bytes_per_token: float | None = None
    """Bytes on the disk for each of them."""


def find_rate(config: PlanConfig, shards: Sequence[Shard]) -> DeviceRate:
    """The rate by the best source that the config names.

    Raises:
        ValueError: two sources are named, or one that tells nothing.
    """
    named = [name for name in ("run", "benchmark", "tokens_per_s") if getattr(config, name)]
    if len(named) > 1:
        raise ValueError(f"{' and '.join(named)} both say how fast it is; give one")
    if config.run:
        return recorded(config.run)
    if config.benchmark:
        return benchmark(config, shards[0])
    if config.tokens_per_s:
        return DeviceRate(config.tokens_per_s, None, "as given (tokens_per_s)")
    return DeviceRate(
        PUBLISHED_RATE, None, "assumed: the published one of a 4B model on an H100, which yours need not have"
    )


class RunPart(NamedTuple):
    """Some time of a run on one device: seconds, organic tokens, completion tokens."""

    seconds: float
    tokens: float
    written: float


def recorded(folder: str) -> DeviceRate:
    """The rate that a run recorded, part by part.

    Args:
        folder: its run folder, or the recycled pool that holds it.

    Raises:
        ValueError: nothing that tells a rate is there.
    """
    place = next((one for one in (folder, run_folder(folder, "rephrase")) if read_metrics(local_path(one))), None)
    if place is None:
        raise ValueError(f"no metrics of a run in {folder}; name the run folder, or the recycled pool that holds it")
    parts = list(_parts(read_metrics(local_path(place))))
    if not parts:
        raise ValueError(f"the run in {place} counted no tokens (it had no tokenizer); give tokens_per_s instead")
    seconds, tokens, written = (sum(values) for values in zip(*parts, strict=True))
    rate = tokens / seconds
    size = -(-len(parts) // BATCHES)
    some = [parts[first : first + size] for first in range(0, len(parts), size)]
    batches = [[sum(values) for values in zip(*ones, strict=True)] for ones in some]
    source = f"measured by the run in {place}, {len(parts)} parts in {seconds / 3600:.2f} device hours"
    if place == folder:
        per_token = None
    else:
        done = [stats for stats in read_stats(folder) if stats.get("tokens_organic")]
        per_token = _bytes_out(done) / sum(stats["tokens_organic"] for stats in done) if done else None
    return DeviceRate(rate, _spread(batches, rate), source, "tokens_taken", written / tokens, per_token)


def _parts(rows: Sequence[dict[str, Any]]) -> Iterator[RunPart]:
    """What came between two lines of a run's metrics, which count from the start of their shard."""
    before: dict[tuple[Any, Any], tuple[int, RunPart]] = {}  # worker and shard → documents, and the last line
    for row in rows:
        if row.get("organic_tok_s_device") is None or not row.get("elapsed_s"):
            continue
        seconds = row["elapsed_s"]
        now = RunPart(seconds, row["organic_tok_s_device"] * seconds, (row["completion_tok_s_device"] or 0) * seconds)
        who, docs = (row.get("worker"), row["shard"]), row.get("docs", 0)
        before_docs, last = before.get(who, (0, RunPart(0, 0, 0)))
        if last.seconds >= now.seconds or before_docs > docs:  # a worker counts anew each time that it comes to a shard
            last = RunPart(0, 0, 0)
        before[who] = docs, now
        if now.tokens > last.tokens:
            yield RunPart(*(new - old for new, old in zip(now, last, strict=True)))


def _spread(batches: Sequence[Sequence[float]], rate: float) -> float | None:
    """Half the 95 % interval of a ratio of sums, from batches of (seconds, tokens, ...); None for one batch."""
    count = len(batches)
    if count < 2:
        return None
    mean_s = sum(batch[0] for batch in batches) / count
    squares = sum((batch[1] - rate * batch[0]) ** 2 for batch in batches)
    wide = T_95[count - 2] if count - 2 < len(T_95) else 2.1
    return wide * (squares / (count * (count - 1))) ** 0.5 / mean_s


def _bytes_out(done: Sequence[dict[str, Any]]) -> int:
    outputs = [(stats.get("files") or {}).get("outputs") or {} for stats in done]
    return sum(about["bytes"] for files in outputs for about in files.values())


def benchmark(config: PlanConfig, shard: Shard) -> DeviceRate:
    """Rephrase a shard's first documents here."""
    check_engine(config.engine, config.model)
    documents = list(itertools.islice(read_documents(shard.path, shard.index), config.benchmark_docs))
    totals: Counter[str] = Counter()
    with open_engine(config.engine, config.model) as engine:
        rephraser = Rephraser(config, engine)
        began = time.monotonic()
        for result in rephraser(iter(documents)):
            totals.update({key: value for key, value in result.counts.items() if isinstance(value, int)})
        elapsed_s = time.monotonic() - began
        tokens = totals["tokens_organic"] or totals["chars_in"] / CHARS_PER_TOKEN
        if not tokens:
            raise ValueError(f"the first {len(documents)} documents of {shard.path} hold nothing to rephrase")
        ok = totals["chunks_ok"] / max(1, totals["chunks_in"])
        source = f"measured here on {len(documents)} documents in {elapsed_s:.1f} s ({ok:.0%} of the chunks ok)"
        written = totals["tokens_completion"] / tokens
        return DeviceRate(tokens / elapsed_s / engine.devices, None, source, "tokens_taken", written)
