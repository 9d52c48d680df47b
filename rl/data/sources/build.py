"""Build the rows of a data set: the same bytes on any number of processes, and after any number of kills.

Raw records are read in order and handed out in chunks. What becomes of a chunk is a file of its own beside the output,
so a build that was killed goes on where it was; each record draws by itself, so nothing depends on who builds it.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from common.config import config_hash
from common.pools.documents import write_documents
from common.pools.storage import atomic_write
from common.runs.folder import write_json
from rl.data.raw import lengths
from rl.data.raw.dataset import DataSet, NothingKept, PrepareConfig, share
from rl.data.raw.files import Raw, find, read
from rl.data.rows import schema
from rl.data.rows.answers import judge_golds
from rl.data.rows.names import domain_of
from rl.data.sources.registry import DATA_SETS

CHUNK = 200


class Portion(NamedTuple):
    """Some raw records to build."""

    source: str
    config: PrepareConfig
    split: str
    revision: str
    path: str
    """File of what becomes of them."""
    records: list[Raw]


def build(data_set: DataSet, config: PrepareConfig) -> dict[str, Any]:
    """Write the rows, `<out>.rejects.jsonl` and `<out>.report.json`; returns the report.

    Raises:
        ValueError: no raw record is found, or the split is not the data set's.
        NothingKept: every record was left out.
    """
    first = next(iter(data_set.files))
    split: str = config.split or first
    if split not in data_set.files:
        raise ValueError(f"{data_set.source} has no split {split!r}; it has: {', '.join(data_set.files)}")
    hub_id = config.source or data_set.hub
    place = find(hub_id, config.revision or data_set.revision, data_set.files[split], data_set.expects)
    if config.max_length:
        _tokenizer(config.tokenizer)  # a missing one is said before any work
    parts = Path(f"{config.out.rstrip('/')}.parts")
    raws = islice(data_set.load(place) if data_set.load else read(place), config.first or data_set.first)
    fingerprint = [
        config_hash(config),
        schema.BUILDER,
        split,
        [(name, path.stat().st_size) for name, path in place.files],
    ]
    _open_parts(parts, json.dumps(fingerprint))
    files = _build_parts(data_set, config, split, place.revision, parts, raws)
    report = _collect(data_set, config, split, files)
    shutil.rmtree(parts)
    return report


def build_chunk(chunk: Portion) -> str:
    """Build some raw records into a file of rows and rejects, one JSON object a line."""
    data_set, config = DATA_SETS[chunk.source], chunk.config
    found: list[dict[str, Any]] = []
    for raw in chunk.records:
        where = {"file": raw.file, "row": raw.number}
        built = data_set.build(raw.value, config) if isinstance(raw.value, dict) else "no_object"
        if isinstance(built, str):
            found.append({"reason": built, **where})
            continue
        whence = {
            "dataset": data_set.hub,
            "revision": chunk.revision,
            "licence": data_set.licence,
            "sha256": raw.sha256,
        }
        for question in built:
            low, high = data_set.shares.get(chunk.split, (0.0, 1.0))
            if not low <= share(config.seed, f"{chunk.source} split", question.key) < high:
                found.append({"reason": "other_split", **where})
                continue
            try:
                row = schema.new_row(
                    chunk.source,
                    question.prompt,
                    question.ground_truth,
                    key=question.key,
                    reference=question.reference,
                    info=question.info,
                    split=chunk.split,
                    provenance={**whence, **where},
                )
                question.prompt.encode(), question.reference.encode()
            except ValueError:
                found.append({"reason": "not_unicode_or_json", **where})
                continue
            rank = share(config.seed, f"{chunk.source} sample", question.key)
            found.append({"reason": _reason(row, config), "built": row, "rank": rank, **where})
    if config.gold:
        _judge([one for one in found if not one["reason"]])
    with atomic_write(chunk.path) as target:
        target.write("".join(json.dumps(one) + "\n" for one in found).encode())
    return chunk.path


def _reason(row: schema.Row, config: PrepareConfig) -> str:
    if reason := schema.problem(row):
        return reason
    if not config.max_length:
        return ""
    tokens = lengths.prompt_tokens(_tokenizer(config.tokenizer), row["prompt"][0]["content"])
    return "" if lengths.fits(tokens, config.max_length) else "long_prompt"


def _judge(found: list[dict[str, Any]]) -> None:
    verdicts = judge_golds([one["built"] for one in found])
    for one, verdict in zip(found, verdicts, strict=True):
        if verdict in ("gold_correct", "no_gold_answer") or verdict.startswith("not_judged"):
            one["verdict"] = verdict
        else:
            one["reason"] = verdict


@lru_cache(maxsize=1)
def _tokenizer(name: str) -> Any:
    return lengths.open_tokenizer(name)


def _open_parts(parts: Path, fingerprint: str) -> None:
    """The folder of finished chunks; those of another config or input are thrown away."""
    mark = parts / "config.json"
    if parts.exists() and not (mark.is_file() and mark.read_text(encoding="utf-8") == fingerprint):
        shutil.rmtree(parts)
    parts.mkdir(parents=True, exist_ok=True)
    with atomic_write(str(mark)) as target:
        target.write(fingerprint.encode())


def _build_parts(
    data_set: DataSet, config: PrepareConfig, split: str, revision: str, parts: Path, raws: Iterator[Raw]
) -> list[str]:
    """Build all chunks that are not built yet; their files, in the order of the records."""

    def chunks() -> Iterator[Portion]:
        number = 0
        while records := list(islice(raws, CHUNK)):
            yield Portion(data_set.source, config, split, revision, str(parts / f"{number:06d}.jsonl"), records)
            number += 1

    if config.processes == 1:
        return [chunk.path if Path(chunk.path).exists() else build_chunk(chunk) for chunk in chunks()]
    files: list[str] = []
    running: list[Future[str]] = []
    with ProcessPoolExecutor(config.processes, mp_context=get_context("spawn")) as pool:
        for chunk in chunks():
            files.append(chunk.path)
            if not Path(chunk.path).exists():
                running.append(pool.submit(build_chunk, chunk))
            if len(running) >= 2 * config.processes:  # records wait in memory: no more than the workers will need
                running.pop(0).result()
        for one in running:
            one.result()
    return files


def _collect(data_set: DataSet, config: PrepareConfig, split: str, files: list[str]) -> dict[str, Any]:
    """The kept rows out of the chunks' files into the output, the others into its rejects."""
    ranks: dict[str, float] = {}
    times: Counter[str] = Counter()
    for one in _lines(files):
        if not one["reason"]:
            ranks.setdefault(one["built"]["id"], one["rank"])
            times[one["built"]["id"]] += 1
    size = config.size if config.size is not None else data_set.sizes.get(split, -1)
    chosen = set(sorted(ranks, key=lambda key: (ranks[key], key))[: None if size < 0 else size])
    if not chosen:
        reasons = Counter(one["reason"] for one in _lines(files))
        raise NothingKept(f"{data_set.source}: no row is kept; left out: {dict(reasons)}")
    out = output_file(config.out, data_set.source, split, len(chosen))
    drops: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    rejects: list[dict[str, Any]] = []

    def kept() -> Iterator[schema.Row]:
        seen: set[str] = set()
        for one in _lines(files):
            reason = one["reason"]
            if not reason:
                key = one["built"]["id"]
                reason = ("repeated" if data_set.repeats else "duplicate") if key in seen else ""
                reason = reason or ("" if key in chosen else "not_sampled")
                seen.add(key)
            if reason:
                drops[reason] += 1
                rejects.append({"reason": reason, "file": one["file"], "row": one["row"]})
                continue
            verdicts[one.get("verdict", "not_checked")] += 1
            row = one["built"]
            if data_set.repeats:
                info = {**json.loads(row["info"]), "repeats": times[row["id"]]}
                row = {**row, "info": schema.canonical(info)}
            yield row

    rows = schema.write_rows(out, kept())
    write_documents(f"{out}.rejects.jsonl", rejects)
    ours = {"raw": rows + sum(drops.values()), "kept": len(ranks), split: rows}
    published = {
        name: {"ours": ours[name], "published": count} for name, count in data_set.published.items() if name in ours
    }
    report = {
        "source": data_set.source,
        "split": split,
        "out": out,
        "rows": rows,
        "drops": dict(sorted(drops.items())),
        "gold": dict(sorted(verdicts.items())),
        "counts": published,
    }
    write_json(f"{out}.report.json", report)
    return report


def output_file(out: str, source: str, split: str, rows: int) -> str:
    """A file as it is; in a folder, `<split>/<domain>__<name>_<size>.parquet`.

    >>> output_file("data", "codegen__taco", "train", 8800)
    'data/train/code__taco_8.8k.parquet'
    """
    if out.endswith(".parquet"):
        return out
    return f"{out.rstrip('/')}/{split}/{domain_of(source)}__{source.split('__')[1]}_{size_suffix(rows)}.parquet"


def size_suffix(rows: int) -> str:
    """A number of rows as Guru's file names write it.

    >>> [size_suffix(rows) for rows in (999, 1000, 1949, 54400, 117192)]
    ['999', '1k', '1.9k', '54.4k', '117.2k']
    """
    if rows < 1000:
        return str(rows)
    return f"{rows // 1000}k" if rows % 1000 == 0 else f"{rows / 1000:.1f}k"


def _lines(files: list[str]) -> Iterator[dict[str, Any]]:
    for file in files:
        with Path(file).open(encoding="utf-8") as source:
            yield from map(json.loads, source)
