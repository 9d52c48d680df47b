"""`pack=stream`: contexts that run on from shard to shard.

Where a shard's first context begins depends on the tokens of all shards before it, so contexts are cut after all
shards are encoded. A context belongs to the shard it begins in and is numbered in the whole stream: cutting the same
documents into other shards changes nothing.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.pools.lock import wait
from common.pools.shards import Shard
from common.runs.folder import write_json
from pretrain.tokenising.encode import RUN_TOKENS, EncodeJob, ShardFiles
from pretrain.tokenising.packing import pad_tail
from pretrain.tokenising.shuffle import Runs, append_run, context_keys

Ids = npt.NDArray[np.unsignedinteger]


def cut_shard(shard: Shard, job: EncodeJob, tokens: Sequence[int]) -> dict[str, Any]:
    """Write the runs of the contexts that begin in this shard; done once, whatever happens.

    Args:
        shard: the shard; `index` counts from 0.
        job: the run's settings.
        tokens: number of tokens in each shard.

    Returns:
        `{run_lengths, contexts, pads, tokens_dropped}`.
    """
    files = ShardFiles(job.work, shard.index)
    with wait(files.lock):
        return _cut_shard(shard, job, tokens, files)


def cut_runs(shard: Shard, job: EncodeJob, done: dict[str, Any]) -> Runs:
    """The runs that `cut_shard` wrote."""
    files = ShardFiles(job.work, shard.index)
    return Runs(str(files.rows), str(files.index), tuple(done["run_lengths"]))


def _cut_shard(shard: Shard, job: EncodeJob, tokens: Sequence[int], files: ShardFiles) -> dict[str, Any]:
    marker = files.state.with_suffix(".cut.json")
    if marker.exists():
        done = json.loads(marker.read_text(encoding="utf-8"))
        if (done["plan"], done["engine"]) == (job.plan, job.engine):
            return done
    files.rows.write_bytes(b"")
    files.index.write_bytes(b"")
    starts = np.cumsum([0, *tokens])
    total, width = int(starts[-1]), job.width
    first, last = (-(-int(starts[shard.index + edge]) // width) for edge in (0, 1))
    done = {"plan": job.plan, "engine": job.engine, "run_lengths": [], "contexts": 0, "pads": 0, "tokens_dropped": 0}
    step = max(1, RUN_TOKENS // width)
    for begin in range(first, last, step):
        end = min(begin + step, last)
        stream = np.concatenate([np.empty(0, job.dtype), *_read(job, starts, begin * width, min(end * width, total))])
        rows = stream[: len(stream) // width * width].reshape(-1, width)
        pads = np.zeros(len(rows), np.int64)
        rest = stream[rows.size :]  # only the last context of all can be short
        if len(rest) and job.tail == "pad":
            row, count = pad_tail(rest, width, job.tokenizer.pad)
            rows, pads = np.concatenate([rows, row]), np.append(pads, count)
        elif len(rest):
            done["tokens_dropped"] += len(rest)
        append_run(files.rows, files.index, rows, pads, context_keys(job.seed, 0, begin, len(rows)))
        done["run_lengths"].append(len(rows))
        done["contexts"] += len(rows)
        done["pads"] += int(pads.sum())
    write_json(marker, done)
    return done


def _read(job: EncodeJob, starts: npt.NDArray[np.int64], begin: int, end: int) -> Iterator[Ids]:
    """Tokens [begin, end) of the whole stream, shard by shard."""
    shard = int(np.searchsorted(starts, begin, side="right")) - 1
    while begin < end:
        stop = min(end, int(starts[shard + 1]))
        if stop > begin:
            path: Path = ShardFiles(job.work, shard).tokens
            offset = (begin - int(starts[shard])) * job.dtype.itemsize
            piece = np.fromfile(path, job.dtype, stop - begin, offset=offset)
            if len(piece) != stop - begin:
                raise RuntimeError(f"{path} is shorter than its state says")
            yield piece
        begin, shard = stop, shard + 1
