"""One record for every sample that a stage stores, one reader for all of them, and a file that survives any kill.

A file of samples holds JSON lines of three kinds, told by `kind`: an `example` (id, messages, what judges it) once
before its first sample, a `sample` (what a model wrote), and a `verdict` about a sample, of which the last one of each
mode counts. A line is whole or it is not there: what a kill cut off is removed before the next line is written.
`read_samples` joins the three, and reads as well what other stages write: the rollouts of an RL run
(`samples.jsonl`), the samples behind pass rates, recycled documents, and rows of any `prompt` and `completion`.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson

from common.pools.lines import read_lines

Key = tuple[str, int, str]
"""What tells samples apart: id of the example, number of the sample, hash of the config that it was drawn with."""

EXAMPLE_FIELDS = ("verifier", "ground_truth", "info", "source", "domain", "reference", "think_open", "cluster")
"""What of an example a verdict may need."""

PIECE = 1 << 16
SYNC_S = 1.0


@dataclass(slots=True)
class Sample:
    """What a model wrote for an example, what came of it, and what made it."""

    id: str
    """The example's."""

    number: int = 0
    """Which of the example's samples, from 0."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    """The prompt as a conversation; a bare prompt is one turn of the user."""

    completion: str = ""
    finish_reason: str = ""
    """`stop`, `length` or `error`; empty where the stage does not say."""

    error: str = ""
    """Why there is no completion."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float | None = None

    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Mode to verdict, as `eval.verifiers.result.Result.record` has it, and the judge's under `judge` in it."""

    rewards: dict[str, float | None] = field(default_factory=dict)
    """Reward by name; None where it could not be judged."""

    parts: dict[str, Any] = field(default_factory=dict)
    """What the rewards are made of, by reward."""

    total: float | None = None
    """The weighted sum of the rewards."""

    stage: str = ""
    """`eval`, `rl`, `difficulty`, `rephrase`, or empty for rows of others."""

    task: str = ""
    step: int | None = None
    split: str = ""
    """Of an RL run: `train` or `eval` (held-out rows)."""

    row: dict[str, Any] = field(default_factory=dict)
    """Of the example: what its verdict needs (`EXAMPLE_FIELDS`)."""

    versions: dict[str, Any] = field(default_factory=dict)
    """What made it: `config` (a hash), model, engine, sampling, as far as the stage says so."""

    extra: dict[str, Any] = field(default_factory=dict)
    """Whatever else the line held."""

    @property
    def key(self) -> Key:
        """What tells it from all other samples of its stage."""
        return self.id, self.number, str(self.versions.get("config", ""))

    def record(self) -> dict[str, Any]:
        """The sample as one JSON object, empty fields left out; `read_samples` reads it back to an equal sample."""
        names = [name for name in self.__slots__ if name not in ("row", "extra", "number")]
        found = {name: getattr(self, name) for name in names}
        found = {name: value for name, value in found.items() if value not in (None, "", [], {})}
        return {**self.extra, **found, "sample": self.number, "row": self.row, "kind": "whole"}


class SampleFile:
    """A file of samples that one process appends to: a kill of the process loses no line, a crash of the machine those
    of the last second.

    Args:
        path: made if absent; a line that a kill cut off at its end is removed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        mend(self.path)
        self._file: IO[bytes] = self.path.open("ab")
        self._synced = time.monotonic()

    def write(self, *lines: Mapping[str, Any]) -> None:
        """Append lines."""
        for line in lines:
            self._file.write(encoded(line))
        self._file.flush()
        if time.monotonic() - self._synced > SYNC_S:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def __enter__(self) -> "SampleFile":
        """The file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


def encoded(line: Mapping[str, Any]) -> bytes:
    """One line of JSON; halves of surrogate pairs, which no file can hold, become question marks."""
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(_storable(line), option=orjson.OPT_APPEND_NEWLINE)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)  # beyond what the JSON writer holds
    return value


def mend(path: Path) -> int:
    """Cut a half-written last line off a file, or end it where only its line break is missing; gives the bytes cut."""
    if not path.is_file():
        return 0
    size = path.stat().st_size
    end = size
    with path.open("rb+") as file:
        while end:
            begin = max(0, end - PIECE)
            file.seek(begin)
            place = file.read(end - begin).rfind(b"\n")
            if place >= 0:
                end = begin + place + 1
                break
            end = begin
        file.seek(end)
        rest = file.read()
        if rest and _is_whole(rest):
            file.write(b"\n")
            return 0
        if rest:
            file.truncate(end)
    return len(rest)


def _is_whole(raw: bytes) -> bool:
    try:
        return isinstance(orjson.loads(raw), dict)
    except orjson.JSONDecodeError:
        return False


def raw_lines(path: str | Path) -> Iterator[dict[str, Any]]:
    """The lines of a JSONL file (compressed or not) as objects; an unfinished last line is passed over.

    Raises:
        ValueError: a line in the middle is no JSON object.
    """
    pending: tuple[int, bytes] | None = None
    for number, raw in enumerate(read_lines(str(path)), 1):
        if pending is not None:
            yield _object(path, *pending)
        pending = (number, raw) if raw.strip() else None
    if pending is not None:
        try:
            value = orjson.loads(pending[1])
        except orjson.JSONDecodeError:
            return  # still being written, or cut off by a kill
        if isinstance(value, dict):
            yield value


def _object(path: str | Path, number: int, raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{path}, line {number}: no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path}, line {number}: no JSON object")
    return value


def read_samples(*paths: str | Path) -> Iterator[Sample]:
    """The samples of files of any stage, verdicts and examples joined to them, in the order in which they were written.

    Args:
        paths: JSONL files, or folders of them (all `*.jsonl` inside, at any depth). Of samples with one key, which
            several processes may have drawn, the first that did not fail is given.

    Raises:
        ValueError: there is no such file, a line is no JSON, or a line is no sample of any known form.
    """
    files = sample_files(*paths)
    examples: dict[tuple[str, str], dict[str, Any]] = {}
    verdicts: dict[Key, dict[str, dict[str, Any]]] = {}
    best: dict[Key, bool] = {}
    for path in files:
        for line in raw_lines(path):
            kind = line.get("kind")
            if kind == "example":
                examples[str(line["id"]), str(line.get("config", ""))] = line
            elif kind == "verdict":
                key = (str(line["id"]), int(line["sample"]), str(line.get("config", "")))
                verdicts.setdefault(key, {})[str(line["mode"])] = line["verdict"]
            elif kind == "sample":
                key = (str(line["id"]), int(line["sample"]), str(line.get("config", "")))
                best[key] = best.get(key, False) or line.get("finish_reason") != "error"
    given: set[Key] = set()
    for path in files:
        for number, line in enumerate(raw_lines(path), 1):
            if line.get("kind") in ("example", "verdict"):
                continue
            if "completion" not in line and "rephrase" in line and isinstance(line.get("text"), str):
                yield from _of_document(line)
                continue
            sample = sample_of(line, examples, f"{path}, line {number}")
            if line.get("kind") == "sample":
                failed = sample.finish_reason == "error"
                if sample.key in given or (failed and best[sample.key]):
                    continue
                given.add(sample.key)
                sample.verdicts = verdicts.get(sample.key, {})
            yield sample


def sample_files(*paths: str | Path) -> list[Path]:
    """The files that are meant, in the order of their names.

    Raises:
        ValueError: there is nothing at a path, or a folder holds no `.jsonl`.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
        if not inside or not inside[0].is_file():
            raise ValueError(f"there are no samples at {path}")
        found += inside
    return found


def sample_of(
    line: Mapping[str, Any], examples: Mapping[tuple[str, str], Mapping[str, Any]], where: str = ""
) -> Sample:
    """A line of any stage as a sample.

    Args:
        line: as it was read.
        examples: what was asked, by id and config, for lines that only refer to it.
        where: file and line, for messages; the id of a row that has none.

    Raises:
        ValueError: it has no completion.
    """
    if line.get("kind") == "whole":
        names = [name for name in Sample.__slots__ if name in line and name != "extra"]
        known = {*Sample.__slots__, "sample", "kind"}
        return Sample(
            **{name: line[name] for name in names},
            number=int(line.get("sample", 0)),
            extra={name: value for name, value in line.items() if name not in known},
        )
    if line.get("kind") == "sample":
        return _of_evaluation(line, examples.get((str(line["id"]), str(line.get("config", ""))), {}))
    if "completion" in line or "response" in line:
        return _of_row(line, where)
    raise ValueError(f"{where}: no sample: a line needs `completion` or `response`, and has {sorted(line)[:8]}")


def _of_evaluation(line: Mapping[str, Any], example: Mapping[str, Any]) -> Sample:
    known = {"kind", "id", "sample", "completion", "finish_reason", "error", "tokens_in", "tokens_out", "seconds"}
    known |= {"task", "config", "versions"}
    return Sample(
        id=str(line["id"]),
        number=int(line["sample"]),
        messages=list(example.get("messages", [])),
        completion=line.get("completion") or "",
        finish_reason=line.get("finish_reason") or "",
        error=line.get("error") or "",
        tokens_in=line.get("tokens_in"),
        tokens_out=line.get("tokens_out"),
        seconds=line.get("seconds"),
        stage="eval",
        task=str(line.get("task") or example.get("task") or ""),
        row={name: example[name] for name in EXAMPLE_FIELDS if name in example},
        versions={**example.get("versions", {}), **line.get("versions", {}), "config": line.get("config", "")},
        extra={name: value for name, value in line.items() if name not in known},
    )


def _of_row(line: Mapping[str, Any], where: str) -> Sample:
    """A rollout of an RL run, a sample behind a pass rate, or a row of somebody's `prompt` and `completion`."""
    stage = "rl" if "rewards" in line and "step" in line else "difficulty" if "shape" in line else ""
    verdict = {name: line[name] for name in ("status", "score", "reason", "extracted") if name in line}
    known = ["prompt", "messages", "completion", "response", "finish_reason", "tokens", "rewards", "parts", "total"]
    known += ["id", "sample", "step", "mode", "shape", "status", "score", "reason", "extracted", "versions"]
    known += EXAMPLE_FIELDS
    tokens = line.get("tokens")
    completion = line.get("completion") if "completion" in line else line.get("response")
    config = {"config": line["shape"]} if "shape" in line else {}
    return Sample(
        id=str(line.get("id", where)),
        number=int(line.get("sample") or 0),
        messages=_conversation(line.get("messages") or line.get("prompt")),
        completion=completion if isinstance(completion, str) else "",
        finish_reason=str(line.get("finish_reason") or ""),
        tokens_out=tokens if isinstance(tokens, int) else None,
        verdicts={"strict": verdict} if "score" in verdict and stage != "rl" else {},
        rewards=dict(line.get("rewards") or {}),
        parts=dict(line.get("parts") or {}),
        total=line.get("total"),
        stage=stage,
        step=line.get("step"),
        split=str(line.get("mode") or "") if stage == "rl" else "",
        row={name: line[name] for name in EXAMPLE_FIELDS if line.get(name) is not None},
        versions={**(line.get("versions") or {}), **config},
        extra={name: value for name, value in line.items() if name not in known},
    )


def _of_document(line: Mapping[str, Any]) -> Iterator[Sample]:
    """A recycled document: a sample for each chunk where the places are on record and the source rode along, else one.

    The chunk of the source is the prompt, without the instruction around it; what stands in its place the completion.
    """
    record = line["rephrase"]
    organic = line.get("organic_text")
    versions = {name: record[name] for name in ("model", "prompt") if name in record}
    chunks = [chunk for chunk in record.get("chunks") or [] if "out_start" in chunk]
    if not isinstance(organic, str) or not chunks:
        yield Sample(
            id=str(line.get("id", "")),
            messages=_conversation(organic),
            completion=line["text"],
            stage="rephrase",
            versions=versions,
            extra={name: value for name, value in line.items() if name not in ("id", "text", "organic_text")},
        )
        return
    for number, chunk in enumerate(chunks):
        yield Sample(
            id=str(line.get("id", "")),
            number=number,
            messages=_conversation(organic[chunk["start"] : chunk["end"]]),
            completion=line["text"][chunk["out_start"] : chunk["out_end"]],
            finish_reason=str(chunk.get("finish_reason") or ""),
            tokens_in=chunk.get("tokens_in"),
            tokens_out=chunk.get("tokens_out"),
            stage="rephrase",
            versions=versions,
            extra={name: chunk[name] for name in ("status", "kind", "flags", "attempts") if name in chunk},
        )


def _conversation(prompt: Any) -> list[dict[str, Any]]:
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [dict(turn) for turn in prompt] if isinstance(prompt, list) else []
