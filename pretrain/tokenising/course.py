"""The course of a tokenising run: check the engine, encode all shards, shuffle, put the set in its place.

Everything unfinished lies in `<output>/.work`. A set is finished when its `dataset.json` is there; until then no file
of it has its final name, or all that are needed to go on still lie in the work folder.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np

from common.config import config_hash
from common.pools.documents import read_documents
from common.pools.inputs import refuse_overlap, unchanged
from common.pools.lock import alone
from common.pools.marks import read_mark, refuse_other
from common.pools.shards import Shard, list_shards, read_stats
from common.pools.stats import add_stats
from common.pools.storage import exists
from common.runs.folder import Run, run_folder, write_json
from common.runs.launch import run_shards
from common.tokens.token_set import DESCRIPTION, MANIFEST
from common.tokens.tokenizers import (
    EngineMismatch,
    ReferenceEncoder,
    TokenizerFile,
    choose_engine,
    first_difference,
    hard_mismatch,
    load_tokenizer,
    open_encoder,
)
from pretrain.tokenising.config import TokenizeConfig
from pretrain.tokenising.encode import EncodeJob, ShardFiles, State, encode_shard
from pretrain.tokenising.finish import finish
from pretrain.tokenising.place import place_contexts
from pretrain.tokenising.stream import cut_runs, cut_shard

log = logging.getLogger("repro")

CHECK_CHARS = 1 << 25
"""Characters of the first documents behind which no further one is compared."""

BYTES_PER_WORKER = 8 << 20
"""Compressed input that makes another worker worth its start."""


def tokenize(config: TokenizeConfig) -> dict[str, Any]:
    """Make the tokenised set, or finish it, or find it finished.

    Returns:
        The `dataset.json` fields with `documents`, `shards`, `engine` and `seconds`.

    Raises:
        ValueError: no pool or tokenizer, the output holds another set, or the input holds no text.
    """
    began = time.monotonic()
    shards, tokenizer, plan = check(config)
    output = Path(config.output)
    done = _finished(output, plan, shards)
    if done is None:
        work = output / ".work"
        work.mkdir(parents=True, exist_ok=True)
        with Run(run_folder(output, "tokenize"), config, seed=config.seed) as run, alone(work, str(output)):
            job = EncodeJob(
                tokenizer=tokenizer,
                engine="tokenizers",
                special_in_text=config.special_in_text,
                vocab_size=config.vocab_size or tokenizer.entries,
                width=config.seq_len + 1,
                pack=config.pack,
                tail=config.tail,
                add_bos=config.add_bos,
                seed=config.seed,
                check_every=config.check_every,
                work=str(work),
                plan=plan,
            )
            done = _make(config, job, shards, output)
            run.log({**done, "seconds": round(time.monotonic() - began, 3)})
    return {**done, "seconds": time.monotonic() - began}


def check(config: TokenizeConfig) -> tuple[list[Shard], TokenizerFile, str]:
    """Shards, tokenizer and digest of the work, after a look at what is needed and at what is there already.

    Raises:
        ValueError: no pool or tokenizer, the output is an input, or holds another set.
    """
    shards = pool_shards(config.input)
    refuse_overlap(config.output, [*config.input, *(shard.path for shard in shards)])
    tokenizer = load_tokenizer(config.tokenizer, config.eot, config.bos, config.pad)
    if config.add_bos and tokenizer.bos is None:
        raise ValueError(f"{config.tokenizer} has no BOS token to add; give one with bos=TOKEN")
    plan = plan_digest(config, tokenizer.sha256, shards)
    description, note = Path(config.output) / DESCRIPTION, _plan_file(config.output)
    if description.exists():
        refuse_other(config.output, read_mark(str(description))["config_hash"], plan)
    elif note.exists():
        refuse_other(config.output, json.loads(note.read_text(encoding="utf-8"))["plan"], plan)
    return shards, tokenizer, plan


def _plan_file(output: str | Path) -> Path:
    """The note of an unfinished set: what it is made from, and with which engine."""
    return Path(output) / ".work" / "plan.json"


def pool_shards(pools: Sequence[str]) -> list[Shard]:
    """The shards of all pools, numbered through; where two have one name, the pool's number is put before it."""
    for pool in pools:
        if not any(mark in pool for mark in "*?") and not exists(pool):
            raise ValueError(
                f"no pool at {pool}; give input=POOL, or use configs/pretrain/tokenize_local.yaml, which runs on what "
                "this machine holds"
            )
    found = [(number, shard) for number, pool in enumerate(pools) for shard in list_shards(pool)]
    names = [shard.name for _, shard in found]
    clash = len(set(names)) < len(names)
    return [
        Shard(index, shard.path, f"{number:02d}_{shard.name}" if clash else shard.name)
        for index, (number, shard) in enumerate(found)
    ]


def sizes(shards: Sequence[Shard]) -> list[tuple[str, int]]:
    """(name, bytes) of each shard."""
    return [(shard.name, _size(shard.path)) for shard in shards]


def plan_digest(config: TokenizeConfig, tokenizer_sha256: str, shards: Sequence[Shard]) -> str:
    """16 hex digits of all that shapes the output: settings, the tokenizer's content, the input's names and sizes."""
    text = json.dumps([config_hash(config), tokenizer_sha256, sizes(shards)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _finished(output: Path, plan: str, shards: Sequence[Shard]) -> dict[str, Any] | None:
    description = output / DESCRIPTION
    if not description.exists():
        return None
    done = read_mark(str(description))
    refuse_other(str(output), done["config_hash"], plan)
    manifest = [line for line in (output / MANIFEST).read_text(encoding="utf-8").split("\n") if line]
    stats = read_stats(output)
    row_bytes = (done["seq_len"] + 1) * np.dtype(done["dtype"]).itemsize
    _compare(output, manifest, row_bytes, stats, shards)
    shutil.rmtree(output / ".work", ignore_errors=True)
    return {
        **done,
        "documents": sum(one["docs_out"] for one in stats),
        "shards": len(manifest),
        "engine": stats[0]["engine"],
    }


def _compare(
    output: Path, manifest: Sequence[str], row_bytes: int, stats: Sequence[dict[str, Any]], shards: Sequence[Shard]
) -> None:
    """Whether a finished set is still whole, and made from the shards as they are now; older sets know only sizes.

    Raises:
        ValueError: it is not.
    """
    for line in map(json.loads, manifest):
        path = output / f"{line['shard']}.bin"
        wanted = line["num_sequences"] * row_bytes
        if not path.exists() or path.stat().st_size != wanted:
            how = f"holds {path.stat().st_size} bytes, not {wanted}" if path.exists() else "is gone"
            raise ValueError(f"{path} {how}; delete {output} to make the set anew")
    known = {one["shard"]: one.get("files", {}).get("input") for one in stats}
    for shard in shards:
        if known.get(shard.name) and not unchanged(shard.path, known[shard.name]):
            raise ValueError(
                f"{shard.path} changed since {output} was made from it; choose another output, or delete this one"
            )


def _make(config: TokenizeConfig, job: EncodeJob, shards: list[Shard], output: Path) -> dict[str, Any]:
    workers = config.workers or _workers_for(shards)
    launch = partial(run_shards, workers=workers, cluster=config.cluster)
    states, note = _encode_all(config, job, shards, launch)
    job = replace(job, engine=note["engine"])
    runs = [ShardFiles(job.work, shard.index).runs(state) for shard, state in zip(shards, states, strict=True)]
    if job.pack == "stream":
        tokens = [sum(state.run_lengths) for state in states]
        cuts = launch(partial(cut_shard, job=job, tokens=tokens), shards, label="cut")
        runs = [cut_runs(shard, job, cut) for shard, cut in zip(shards, cuts, strict=True)]
        for state, cut in zip(states, cuts, strict=True):
            state.stats.update({key: cut[key] for key in ("contexts", "pads", "tokens_dropped")})
    total = sum(sum(one.lengths) for one in runs)
    if not total:
        raise ValueError(
            f"no text in {', '.join(config.input)}: {sum(state.stats['docs_in'] for state in states)} lines or rows, "
            f"none of them a document with text ({_drops(states)})"
        )
    buffer_bytes = (config.buffer_mib << 20) // workers
    # Numpy and the files let go of Python's lock, so threads sort and write as fast as processes, which start slowly.
    threads = partial(launch, threads=True)
    pads = place_contexts(job, runs, output, shard_rows=config.shard_rows, buffer_bytes=buffer_bytes, launch=threads)
    return finish(config, job, shards, states, note, pads)


def _encode_all(
    config: TokenizeConfig, job: EncodeJob, shards: list[Shard], launch: Callable[..., list[Any]]
) -> tuple[list[State], dict[str, Any]]:
    """Pass one over all shards with one engine: the fast one, or, once that has erred, the reference for everything."""
    note = _read_plan(config, job)
    if note is None:
        note = _check_engine(config, job, shards)
        write_json(_plan_file(config.output), note)
    try:
        return launch(partial(encode_shard, job=replace(job, engine=note["engine"])), shards, label="encode"), note
    except EngineMismatch as mismatch:
        log.warning("%s; all is encoded again with tokenizers", mismatch)
        note = {**note, "engine": "tokenizers", "mismatch": str(mismatch)}
    write_json(_plan_file(config.output), note)  # from here on work of the fast engine does not count
    return launch(partial(encode_shard, job=replace(job, engine="tokenizers")), shards, label="encode"), note


def _workers_for(shards: Sequence[Shard]) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    worth = -(-sum(size for _, size in sizes(shards)) // BYTES_PER_WORKER)
    return max(1, min(cores, len(shards), worth))


def _read_plan(config: TokenizeConfig, job: EncodeJob) -> dict[str, Any] | None:
    path = _plan_file(config.output)
    if not path.exists():
        if strangers := sorted(path.parent.parent.glob("shard_*.bin")):
            raise ValueError(f"{strangers[0]} is in the way: not made by this run; choose another output folder")
        return None
    note = json.loads(path.read_text(encoding="utf-8"))
    refuse_other(str(path.parent.parent), note["plan"], job.plan)
    return note


def _check_engine(config: TokenizeConfig, job: EncodeJob, shards: Sequence[Shard]) -> dict[str, Any]:
    """Choose the engine: the fast one if it agrees on hard strings and on the first documents of the input."""
    name = choose_engine(config.engine, job.tokenizer, job.special_in_text)
    encoder = open_encoder(name, job.tokenizer, job.special_in_text)
    note: dict[str, Any] = {"plan": job.plan, "engine": encoder.name, "checked": 0, "mismatch": None}
    if isinstance(encoder, ReferenceEncoder):
        return note
    texts = _first(shards, config.check_first)
    with ThreadPoolExecutor(1) as side:  # the reference, which takes nearly all of the time, on both at once
        wanted = side.submit(encoder.reference.encode, texts)
        wrong = hard_mismatch(name, job.tokenizer, job.special_in_text)
    if wrong is None:
        note["checked"] = len(texts)
        place = first_difference(encoder.encode(texts), wanted.result())
        wrong = None if place is None else texts[place]
    if wrong is not None:
        note |= {"engine": "tokenizers", "mismatch": f"{name} and tokenizers differ on {wrong[:100]!r}"}
        log.warning("%s; encoding with tokenizers", note["mismatch"])
    return note


def _first(shards: Sequence[Shard], count: int) -> list[str]:
    texts: list[str] = []
    chars = 0
    for shard in shards:
        for document in read_documents(shard.path, shard.index, columns=("id", "text")):
            texts.append(document["text"])
            chars += len(document["text"])
            if len(texts) == count or chars > CHECK_CHARS:
                return texts
    return texts


def _drops(states: Sequence[State]) -> str:
    drops: dict[str, int] = {}
    for state in states:
        drops = add_stats(drops, state.stats["drops"])
    return ", ".join(f"{reason} {count}" for reason, count in sorted(drops.items())) or "all shards are empty"


def _size(path: str) -> int:
    files, inside = fsspec.core.url_to_fs(path)
    return int(files.info(inside)["size"])
