"""The end of a tokenising run: shards, manifest and stats get their names, `dataset.json` comes last."""

import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec

from common.pools.inputs import record
from common.pools.marks import mark_done
from common.pools.shards import Shard
from common.pools.stats import add_stats
from common.pools.storage import is_remote, local_path
from common.runs.folder import write_json
from common.tokens.token_set import DESCRIPTION, Pads, describe, shard_name, write_manifest
from pretrain.tokenising.config import TokenizeConfig
from pretrain.tokenising.encode import EncodeJob, ShardFiles, State


def finish(
    config: TokenizeConfig,
    job: EncodeJob,
    shards: Sequence[Shard],
    states: Sequence[State],
    note: Mapping[str, Any],
    pads: list[Pads],
) -> dict[str, Any]:
    """Put a complete set in its place; stopped anywhere, doing it again ends the same.

    Args:
        config: the run's config.
        job: the run's settings.
        shards: of the input.
        states: what became of each.
        note: the engine, how many documents were compared at the start, and the mismatch if there was one.
        pads: of each output shard.

    Returns:
        The `dataset.json` fields with `documents`, `shards` and `engine`.
    """
    output = Path(config.output)
    total = sum(state.stats["contexts"] for state in states)
    counts = [min(config.shard_rows, total - first) for first in range(0, total, config.shard_rows)]
    work = Path(job.work)
    for number in range(len(counts)):
        source, target = work / f"{shard_name(number)}.bin", output / f"{shard_name(number)}.bin"
        if source.exists():
            source.replace(target)
    write_manifest(output, zip(map(shard_name, range(len(counts))), counts, pads, strict=True))
    sums: dict[str, Any] = {}
    for shard, state in zip(shards, states, strict=True):
        stats = {**state.stats, "engine": note["engine"], "seconds": round(state.stats["seconds"], 3)}
        if shard.index == 0:
            stats["checked_at_start"] = note["checked"]
        if note["mismatch"]:
            stats["mismatch"] = note["mismatch"]
        kept = f"{shard.name}.rejects.jsonl"
        rejects = ShardFiles(job.work, shard.index).rejects
        if rejects.exists() and rejects.stat().st_size:
            rejects.replace(output / kept)
        outputs = {kept: record(str(output / kept))} if state.rejects_bytes else {}
        sums_of = {name: {key: about[key] for key in ("bytes", "digest")} for name, about in outputs.items()}
        done = mark_done(str(output), shard.name, stats, job.plan, source=state.input or None, outputs=sums_of)
        sums = add_stats(sums, done)
    description = _description(config, job, shards, sums, total)
    if config.export == "dclm":
        from pretrain.tokenising.tars import export_tars

        export_tars(output, output / "dclm", description)
    for stray in output.glob(".*.tmp"):  # of a killed run; this one holds the folder's lock and has none open
        stray.unlink()
    write_json(output / DESCRIPTION, description)
    shutil.rmtree(work)
    return {**description, "documents": sums["docs_out"], "shards": len(counts), "engine": note["engine"]}


def _description(
    config: TokenizeConfig, job: EncodeJob, shards: Sequence[Shard], sums: dict[str, Any], total: int
) -> dict[str, Any]:
    """The content of `dataset.json`: a function of input and settings, the date that of the newest input file."""
    layout = {
        "seq_len": config.seq_len,
        "dtype": job.dtype.name,
        "vocab_size": job.vocab_size,
        "eot_id": job.tokenizer.eot,
        "bos_id": job.tokenizer.bos,
        "pad_id": job.tokenizer.pad,
        "tokenizer": config.tokenizer,
        "tokenizer_sha256": job.tokenizer.sha256,
        "num_sequences": total,
        "num_tokens": sums["tokens"] - sums.get("tokens_dropped", 0),
        "num_pads": sums["pads"],
        "size": total * job.width * job.dtype.itemsize,
        "text_bytes": sums["text_bytes"],
        "seed": config.seed,
        "pack": config.pack,
        "tail": config.tail,
        "sources": [
            {"uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, pool)), "name": Path(pool).name, "path": pool}
            for pool in config.input
        ],
        "config_hash": job.plan,
    }
    newest = max(_modified(shard.path) for shard in shards)
    return describe(
        layout,
        name=config.name or Path(config.output).resolve().name,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, job.plan)),
        created=time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime(newest)),
        data_key="bin",
    )


def _modified(path: str) -> float:
    """When a file was last changed, in seconds; 0 where a remote store does not say."""
    if not is_remote(path):
        return local_path(path).stat().st_mtime
    files, inside = fsspec.core.url_to_fs(path)
    try:
        return files.modified(inside).timestamp()
    except (NotImplementedError, KeyError):
        return 0.0
