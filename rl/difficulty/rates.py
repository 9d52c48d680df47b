"""Pass rates: n samples of each question by an engine, judged, one line for each on disk, so that a kill loses none."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import Field

from common.config import HOW, RunConfig, config_hash
from common.engines.config import EngineConfig, TransformersEngineConfig
from common.engines.open import served_model
from common.engines.requests import Completion, Request
from common.hashing import hash_id, step_hash
from common.model_server import require_some
from common.runs.progress.shown import progress
from rl.data.rows.schema import Row
from rl.difficulty.predicates import Rate

BATCH = 64
"""Completions judged together."""


class SamplerConfig(RunConfig):
    """One model whose pass rate is measured; the sampling is that of Guru (arXiv:2506.14965)."""

    name: str = Field(pattern=r"[\w.-]+")
    """What the pass rate is called in the rows."""

    model: str
    """Hugging Face folder or name, or the name a server knows it by."""

    engine: EngineConfig = TransformersEngineConfig()
    """What writes the completions."""

    n: int = Field(16, ge=1)
    """Samples of each question."""

    max_tokens: int = Field(4096, ge=1)
    """Longest completion in tokens; Guru took 4,096 for the weak model and 32,768 for the strong one."""

    temperature: float = Field(1.0, ge=0)
    """Sampling."""

    top_p: float = Field(0.9, gt=0, le=1)
    """Sampling."""

    top_k: int = Field(100, ge=0)
    """Sampling; 0: all tokens."""

    think_open: bool = False
    """The model's template opens thinking, so that a completion without `</think>` was cut off."""

    options: dict[str, Any] = {}
    """Settings of the verifiers by name, such as a judge's address."""

    seed: int = 0
    """Seed of the samples."""

    threads: Annotated[int, HOW] = Field(8, ge=1)
    """Verdicts at once."""


class SharesMissing(Exception):
    """This share is drawn, and others are not: the last one to end writes the result."""


def measure(
    rows: Sequence[Row], config: SamplerConfig, folder: Path, share: tuple[int, int] = (0, 1)
) -> dict[str, Rate]:
    """Sample and judge what the folder does not hold yet; the rates of all rows by id.

    Args:
        rows: the questions.
        config: the model and its sampling.
        folder: of the samples, which all shares see.
        share: number, from 0, and count: only the rows of this share are drawn. A row's share depends on its id alone.

    Raises:
        ValueError: the folder holds samples of another config, or the model cannot be opened.
        SharesMissing: samples of other shares are not there yet.
    """
    number, count = share
    path = folder / f"samples_{config.name}{f'.{number + 1}of{count}' if count > 1 else ''}.jsonl"
    shape = config_hash(config)
    model = served_model(config.engine, config.model)
    made_of = {row["id"]: step_hash(model, row["prompt"]) for row in rows}
    done = {key for key, line in _read_all(path, shape, made_of, config.name).items() if line["score"] is not None}
    own = [row for row in rows if count == 1 or hash_id(row["id"], "share") % count == number]
    missing = [(row, sample) for row in own for sample in range(config.n) if (row["id"], sample) not in done]
    if missing:
        from common.engines.open import open_engine

        folder.mkdir(parents=True, exist_ok=True)
        wanted = {_name(row, sample): (row, sample) for row, sample in missing}
        with open_engine(config.engine, config.model) as engine, path.open("ab") as target:
            asked = engine.stream(_request(row, sample, config) for row, sample in missing)
            completions = progress(asked, len(missing), config.name, "samples")
            while batch := list(islice(completions, BATCH)):
                for line in _judge(batch, wanted, config):
                    made = {"shape": shape, "made_of": made_of[line["id"]]}
                    target.write(orjson.dumps({**line, **made}, option=orjson.OPT_APPEND_NEWLINE))
                target.flush()
                os.fsync(target.fileno())
    lines = _read_all(path, shape, made_of, config.name)
    others = sum((row["id"], sample) not in lines for row in rows for sample in range(config.n))
    if others:
        raise SharesMissing(
            f"{others:,} of {len(rows) * config.n:,} samples of {config.name} are for other shares to draw"
        )
    judged = sum(line["score"] is not None for line in lines.values())
    require_some(judged, Counter(str(line["reason"]) for line in lines.values()), f"verdicts of {config.name}")
    return _rates(lines, {row["id"] for row in rows}, config.n)


def _name(row: Row, sample: int) -> str:
    return f"{row['id']}/{sample}"


def _request(row: Row, sample: int, config: SamplerConfig) -> Request:
    return Request(
        id=_name(row, sample),
        messages=list(row["prompt"]),
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        seed=hash_id(_name(row, sample), "difficulty", config.seed) % 2**31,
    )


def _judge(
    batch: Sequence[Completion], wanted: Mapping[str, tuple[Row, int]], config: SamplerConfig
) -> Iterator[dict[str, Any]]:
    from eval.verifiers.registry import score_many

    answered = [one for one in batch if one.finish_reason != "error"]
    rows = [{**wanted[one.request_id][0], "think_open": config.think_open} for one in answered]
    results = score_many(
        rows,
        [one.text for one in answered],
        "strict",
        [one.finish_reason for one in answered],
        config.options,
        config.threads,
    )
    verdicts = {one.request_id: result for one, result in zip(answered, results, strict=True)}
    for one in batch:
        row, sample = wanted[one.request_id]
        verdict = verdicts.get(one.request_id)
        yield {
            "id": row["id"],
            "sample": sample,
            "score": verdict.score if verdict else None,
            "status": verdict.status if verdict else "infra_error",
            "reason": verdict.reason if verdict else one.error,
            "completion": one.text,
            "tokens": one.tokens_out,
        }


def _read_all(own: Path, shape: str, made_of: Mapping[str, str], name: str) -> dict[tuple[str, int], dict[str, Any]]:
    """The samples of all shares, those of the own file last."""
    form = re.compile(rf"samples_{re.escape(name)}\.\d+of\d+\.jsonl")
    shares = [path for path in own.parent.glob("samples_*.jsonl") if form.fullmatch(path.name) and path != own]
    whole = own.parent / f"samples_{name}.jsonl"
    others = sorted(shares) + ([whole] if whole != own else [])
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for path in others:
        found |= _read(path, shape, made_of, mine=False)
    return found | _read(own, shape, made_of)


def _read(
    path: Path, shape: str, made_of: Mapping[str, str], mine: bool = True
) -> dict[tuple[str, int], dict[str, Any]]:
    """The last line of each sample; a half-written last line, which a kill leaves, is cut off a file of one's own."""
    if not path.is_file():
        return {}
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if mine and whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    lines: dict[tuple[str, int], dict[str, Any]] = {}
    for raw in content[:whole].split(b"\n")[:-1]:
        line = orjson.loads(raw)
        wanted = made_of.get(line["id"])
        other = wanted is not None and line.get("made_of", wanted) != wanted  # samples of before say only their shape
        if line["shape"] != shape or other:
            raise ValueError(f"{path} holds samples of another model, sampling or question; give another out=")
        lines[line["id"], line["sample"]] = line
    return lines


def _rates(lines: Mapping[tuple[str, int], Mapping[str, Any]], ids: Iterable[str], n: int) -> dict[str, Rate]:
    counts = {identity: [0, 0, 0, 0] for identity in ids}
    for (identity, sample), line in lines.items():
        if identity not in counts or sample >= n:
            continue
        count = counts[identity]
        if line["score"] is None:
            count[3] += 1
        else:
            count[0] += 1
            count[1] += line["score"] >= 1
            count[2] += line["status"] == "truncated"
    return {identity: Rate(*count) for identity, count in counts.items()}
