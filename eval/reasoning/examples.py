"""The examples of a task: its file found here or fetched, raw records filled into the task's templates.

A file may hold raw records of the data set as it is published, or rows that are prepared already: ours
(`python -m rl.data.prepare`), or those of Guru and verl (`data_source, prompt, reward_model, extra_info`). Prepared
rows keep their own prompt and ground truth.
"""

import csv
import fnmatch
import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.hashing import hash_id, step_hash
from common.pools.lines import read_lines
from common.weights import hub_is_off
from eval.reasoning.task import TaskConfig
from eval.reasoning.templates import LETTERS, fill

Record = dict[str, Any]


class HubUnreachable(ValueError):
    """No hub answers, and the data set is not on this machine; others need not be asked for."""


@dataclass(frozen=True)
class Example:
    """One question of a task, ready to be asked and judged."""

    id: str
    messages: list[dict[str, str]]
    verifier: str
    ground_truth: Any
    info: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    cluster: str = ""
    """What several examples share; they are resampled together."""
    think_open: bool = False

    @property
    def row(self) -> dict[str, Any]:
        """What a verdict needs."""
        names = ("id", "verifier", "ground_truth", "info", "source", "cluster", "think_open")
        return {name: getattr(self, name) for name in names}

    def digest(self) -> str:
        """16 hex digits of what is asked and what is right."""
        return step_hash(self.messages, self.ground_truth)


@dataclass(frozen=True)
class TaskFiles:
    """Where a task's examples were found."""

    files: list[Path]
    revision: str = ""
    """The commit of a hub's data set; empty for files of this machine."""

    def __str__(self) -> str:
        """The files, as a dry run shows them."""
        return ", ".join(map(str, self.files)) + (f" @ {self.revision}" if self.revision else "")


def locate(name: str, task: TaskConfig, folders: Sequence[str], given: str = "") -> TaskFiles | None:
    """The file of this machine that holds a task's examples; None if none of the folders has one.

    Args:
        name: the task's name, for messages.
        task: what it asks for.
        folders: where to look.
        given: a file that is named for this task; it is taken as it is.

    Raises:
        ValueError: the given file is not there.
    """
    if given:
        if not Path(given).is_file():
            raise ValueError(f"task_data.{name}={given}: there is no such file")
        return TaskFiles([Path(given)])
    for pattern in task.source.local:
        for folder in folders:
            found = sorted(path for path in Path(folder).rglob("*") if fnmatch.fnmatch(path.name, pattern))
            if found:
                return TaskFiles(found[:1])
    return None


def fetch(name: str, task: TaskConfig) -> TaskFiles:
    """The files of a task's data set on the hub, fetched unless they are here.

    Raises:
        HubUnreachable: no hub answers.
        ValueError: in one line, why not, and which file could be given instead.
    """
    source = task.source
    if not source.hub:
        raise ValueError(absent(name, task, "it is in no hub"))
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                source.hub,
                repo_type="dataset",
                revision=source.revision,
                allow_patterns=source.hub_files or None,
                local_files_only=hub_is_off(),
            )
        )
    except LocalEntryNotFoundError:
        if hub_is_off():
            raise ValueError(absent(name, task, "HF_HUB_OFFLINE=1 keeps the hub out")) from None
        raise HubUnreachable(absent(name, task, "no hub answers")) from None
    except (HfHubHTTPError, OSError) as error:
        raise ValueError(absent(name, task, " ".join(str(error).split())[:120])) from None
    files = sorted(
        path
        for path in folder.rglob("*")
        if any(fnmatch.fnmatch(path.relative_to(folder).as_posix(), one) for one in source.hub_files or ["*"])
        and path.suffix in (".jsonl", ".json", ".parquet", ".csv")
    )
    if not files:
        raise ValueError(absent(name, task, f"{source.hub} holds none of {', '.join(source.hub_files)}"))
    return TaskFiles(files, folder.name)


def absent(name: str, task: TaskConfig, reason: str) -> str:
    """One line that says what is missing and what could be given in its place."""
    source = task.source
    hub = f"{source.hub} {' '.join(source.hub_files)}".strip() if source.hub else "its publisher"
    return (
        f"{name}: there is no file of its examples ({reason}); put {' or '.join(source.local)} into a folder of data=, "
        f"or give task_data.{name}=FILE: {source.expects}, as {hub} has them"
    )


def examples_of(
    name: str, task: TaskConfig, found: TaskFiles, limit: int | None = None, seed: int = 0
) -> list[Example]:
    """A task's examples, each once, in the file's order.

    Args:
        name: the task's name.
        task: its templates.
        found: its files.
        limit: so many of them, drawn by id and seed; all if None.
        seed: of that draw.

    Raises:
        ValueError: a record lacks a field, two examples have one id, or the file holds none.
    """
    made: dict[str, Example] = {}
    prepared = False
    for number, record in enumerate(record for path in found.files for record in _records(path)):
        if any(record.get(key) != value for key, value in task.where.items()):
            continue
        try:
            if _is_prepared(record):
                prepared = True
                example = _prepared(record, task)
            else:
                example = _raw(name, record, task)
        except ValueError as error:
            raise ValueError(
                f"{name}: {found.files[0]}, record {number + 1}: {error}; expected {task.source.expects}"
            ) from None
        # a file may repeat a question, once for each sample that was drawn of it
        other = made.setdefault(example.id, example)
        if other.digest() != example.digest():
            raise ValueError(f"{name}: two examples have the id {example.id}: the task needs another `id`")
    if not made:
        raise ValueError(f"{name}: {found} holds no example of the task")
    rows = None if prepared else task.rows
    return _drawn(list(made.values()), min(filter(None, (rows, limit)), default=None), seed if limit else 42)


def _drawn(examples: list[Example], most: int | None, seed: int) -> list[Example]:
    if most is None or len(examples) <= most:
        return examples
    chosen = {one.id for one in sorted(examples, key=lambda one: hash_id(one.id, "examples", seed))[:most]}
    return [one for one in examples if one.id in chosen]


def _is_prepared(record: Mapping[str, Any]) -> bool:
    turns = record.get("prompt")
    return isinstance(turns, list) and bool(turns) and ("reward_model" in record or "ground_truth" in record)


def _prepared(record: Record, task: TaskConfig) -> Example:
    messages = [{"role": str(turn["role"]), "content": str(turn["content"])} for turn in record["prompt"]]
    if task.system and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": task.system})
    if "reward_model" in record:
        gold = (record["reward_model"] or {}).get("ground_truth")
        info = {key: value for key, value in (record.get("extra_info") or {}).items() if value is not None}
        source = str(record.get("data_source") or "")
    else:
        gold, source = record["ground_truth"], str(record.get("source") or "")
        info = record.get("info") or {}
        info = json.loads(info) if isinstance(info, str) else dict(info)
    verifier = str(record.get("verifier") or task.verifier)
    as_list: Any = getattr(gold, "tolist", None)  # of an array
    gold = gold if as_list is None else as_list()
    identity = str(record.get("id") or _digest(messages))
    return Example(identity, messages, verifier, gold, info, source, identity, task.think_open)


def _raw(name: str, record: Record, task: TaskConfig) -> Example:
    values = dict(record)
    for field_name, keys in task.fields.items():
        present = next((key for key in keys if record.get(key) is not None or not key), None)
        if present is None:
            raise ValueError(f"none of the fields {', '.join(keys)} is there")
        values[field_name] = record[present] if present else None
    drawn_by = str(fill(task.id, values)) if task.id else _digest(record)
    if task.draw:
        values |= task.draw[hash_id(drawn_by, "draw", name) % len(task.draw)]
    if task.choices:
        values |= _shuffled(task.choices.right, task.choices.wrong, values, drawn_by)
    messages = [{"role": "user", "content": str(fill(task.prompt, values))}]
    if task.system:
        messages.insert(0, {"role": "system", "content": str(fill(task.system, values))})
    identity = str(fill(task.id, values)) if task.id else _digest(messages)
    cluster = str(fill(task.cluster, values)) if task.cluster else identity
    gold, info = fill(task.gold, values), fill(task.info, values)
    return Example(identity, messages, task.verifier, gold, info, name, cluster, task.think_open)


def _shuffled(right: str, wrong: Sequence[str], values: Record, identity: str) -> Record:
    options = [fill(right, values), *(fill(one, values) for one in wrong)]
    order = list(range(len(options)))
    random.Random(hash_id(identity, "options")).shuffle(order)
    return {"options": [options[at] for at in order], "letter": LETTERS[order.index(0)]}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _records(path: Path) -> Iterator[Record]:
    """The records of a file of JSONL, a JSON list, Parquet or CSV.

    Raises:
        ValueError: it is none of these, or broken.
    """
    name = path.name
    if name.endswith(".parquet"):
        import pyarrow
        import pyarrow.parquet

        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=64):
                    yield from batch.to_pylist()
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path} is no readable Parquet file: {error}") from None
        return
    if name.endswith(".csv"):
        with path.open(encoding="utf-8-sig", newline="") as source:
            yield from csv.DictReader(source)
        return
    try:
        if name.endswith(".json"):
            value = json.loads(path.read_bytes())
            yield from value if isinstance(value, list) else value.get("data", [value])
            return
        for line in read_lines(str(path)):
            if line.strip():
                yield json.loads(line)
    except ValueError as error:
        raise ValueError(f"{path}: no JSON: {error}") from None
