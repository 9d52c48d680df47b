"""What a folder or record is, told by its files, read once as the sections need it; its pairs of texts."""

import calendar
import contextlib
import hashlib
import heapq
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from common.pools.documents import Document, read_documents
from common.pools.shards import list_shards, read_stats
from common.pools.stats import add_stats
from common.runs.folder import read_metrics, run_folder
from eval.labels import distinct_labels

MOST_READ, MOST_SHARDS = 2000, 16
"""Documents that a page reads of a pool, and the shards that they come from where the pool holds more."""


@dataclass
class Stage:
    """One folder or record, read once, as the sections need it."""

    name: str
    path: Path
    config: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    """`run.json`: commit, versions, host, seed."""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    """Sum of the shards' stats, for a pool."""
    dataset: dict[str, Any] = field(default_factory=dict)
    """`dataset.json` of a selected pool or a tokenised set."""
    record: dict[str, Any] = field(default_factory=dict)
    """An evaluation record."""
    done: dict[str, Any] = field(default_factory=dict)
    """`done.json` of a run that follows `common.runs.protocol`, `record.json` of a pretraining run; {} without one."""
    unread: list[str] = field(default_factory=list)
    """Files that are damaged, so that what they say is missing here."""
    read: int = 0
    """Documents read for `recycled`."""

    @cached_property
    def recycled(self) -> list[Document]:
        """Documents with their organic text: all of a small pool, the first ones of some shards of a large one."""
        found: list[Document] = []
        with self.reading(self.path / "documents"):
            for document in _recycled(self):
                found.append(document)  # one by one: what was read before a damage is kept
        return found

    @contextlib.contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """What is damaged is named in `unread`, and the page is made without it."""
        try:
            yield
        except (ValueError, OSError):
            self.unread.append(path.name)

    def take_json(self, path: Path) -> dict[str, Any]:
        """The object in a file; {} where there is none."""
        content = None
        if path.is_file():
            with self.reading(path):
                content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}

    def take_config(self, folder: Path) -> None:
        """Read the run's resolved config, if it is there."""
        from common.config import read_yaml

        path = folder / "config.yaml"
        if path.is_file():
            with self.reading(path):
                found = read_yaml(path.read_text(encoding="utf-8"))
                self.config = found if isinstance(found, dict) else {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.metrics or self.stats or self.dataset or self.record or self.about or self.unread)

    @property
    def trains(self) -> str:
        """What a training run is: `rl`, `sft` or `pretraining`; empty for other stages."""
        kinds = {"rewards": "rl", "gradient_accumulation_steps": "sft", "global_bs": "pretraining"}
        return next((kind for key, kind in kinds.items() if key in self.config and self.about), "")

    @property
    def kind(self) -> str:
        """What it is, one of `eval.report.names.KINDS`."""
        if self.record or ("output_file" in self.config and "tasks" in self.config):
            return "evaluation"
        if self.trains:
            return self.trains
        if "source_ref_paths" in self.config or "steps" in self.dataset:
            return "selected"
        if "num_tokens" in self.dataset or ("tokenizer" in self.config and "pack" in self.config):
            return "tokens"
        if "max_new_tokens" in self.config or "chunks_in" in self.stats:
            return "recycled"
        return "run" if self.metrics else "pool"

    @property
    def trained_nothing(self) -> bool:
        """Whether this is a training run that has not ended its first step."""
        return bool(self.trains) and not any(row.get("step") for row in self.metrics)

    def series(self, key: str) -> list[tuple[float, float]]:
        """(step, value) of one metric; a value that was not finite reads as NaN."""
        rows = [row for row in self.metrics if key in row and "step" in row]
        return [(row["step"], float("nan") if row[key] is None else row[key]) for row in rows]

    def metric_keys(self) -> list[str]:
        """All metrics that were logged with a step and hold numbers, in the order of their first appearance."""
        keys = dict.fromkeys(key for row in self.metrics if "step" in row for key in row)
        return [
            key for key in keys if key not in ("step", "time") and any(_is_number(row.get(key)) for row in self.metrics)
        ]


def find_stages(paths: Iterable[str]) -> list[Stage]:
    """Read what lies under the paths: each itself if it is a stage, else the stages directly inside it.

    Raises:
        ValueError: a path does not exist.
    """
    stages: list[Stage] = []
    for path in (Path(one) for one in paths):
        if not path.exists():
            raise ValueError(f"no run at {path}: there is no such file or folder")
        stage = read_stage(path, path.stem if path.is_file() else path.name)
        if not stage.is_empty:
            stages.append(stage)
            continue
        inside = (read_stage(one, one.stem if one.is_file() else one.name) for one in sorted(path.iterdir()))
        found = [stage for stage in inside if not stage.is_empty]
        # one level more for runs that a stage keeps below a folder of its own, as pretraining does below `logs`
        for folder in sorted(one for one in path.iterdir() if one.is_dir() and one.name not in {s.name for s in found}):
            below = (
                read_stage(one, f"{folder.name}/{one.stem if one.is_file() else one.name}") for one in _inside(folder)
            )
            found += [stage for stage in below if not stage.is_empty]
        stages += sorted(found, key=lambda stage: _started(stage))
    # A path inside another one is read twice and shown once.
    once = {stage.path.resolve(): stage for stage in reversed(stages)}
    stages = list(reversed(once.values()))
    times = Counter(stage.name for stage in stages)
    given = [
        stage.name if times[stage.name] == 1 else None for stage in stages
    ]  # else by as much of the path as it takes
    for stage, label in zip(stages, distinct_labels([one.path for one in stages], given), strict=True):
        stage.name = label
    return stages


def read_stage(path: Path, name: str) -> Stage:
    """Read a folder or a record; an empty stage if it is neither."""
    stage = Stage(name, path)
    if path.is_file():
        if path.suffix == ".json":
            content = stage.take_json(path)
            stage.record = content if "eval_metrics" in content else {}
            stage.unread = stage.unread if path.with_suffix("").is_dir() else []  # any other JSON is none of ours
            stage.about = stage.take_json(path.with_suffix("") / "run.json") if stage.record else {}
            stage.take_config(path.with_suffix(""))
        return stage
    home = _run_folder(path)
    stage.about = stage.take_json(home / "run.json")
    with stage.reading(home / "metrics.jsonl"):
        stage.metrics = read_metrics(home)
    stage.dataset = stage.take_json(path / "dataset.json")
    stage.done = stage.take_json(path / "done.json") or stage.take_json(path / "record.json")
    with stage.reading(path / "stats"):
        for stats in read_stats(path):
            stage.stats = add_stats(stage.stats, stats) if stage.stats else {**stats}
    stage.stats.pop("shard", None)
    stage.take_config(home)
    return stage


def _run_folder(path: Path) -> Path:
    """Where a stage keeps its run's files: itself, or the hidden folder beside a pool's shards."""
    inside = [run_folder(path, name) for name in ("rephrase", "filter", "tokenize")]
    return next((Path(one) for one in inside if not (path / "run.json").exists() and Path(one).is_dir()), path)


def sample_pairs(stage: Stage, wanted: int, longest_chars: int) -> list[Document]:
    """Recycled documents that carry their organic text: the same ones for the same pool, drawn by their ids' hashes."""
    fitting = [one for one in stage.recycled if 200 <= len(one["organic_text"]) <= longest_chars]
    return heapq.nsmallest(wanted, fitting, key=lambda one: _draw(str(one["id"])))


def _recycled(stage: Stage) -> Iterator[Document]:
    """Of a pool of up to `MOST_READ` documents all, else the first ones of some shards drawn by their names' hashes."""
    documents = stage.stats.get("docs_out")
    if not documents:
        return
    try:
        shards = list_shards(stage.path)
    except ValueError:  # a tokenised set has stats and no documents
        return
    most = documents
    if documents > MOST_READ:
        shards = heapq.nsmallest(MOST_SHARDS, shards, key=lambda shard: _draw(shard.name))
        most = -(-MOST_READ // len(shards))
    for shard in shards:
        for document in itertools.islice(read_documents(shard.path, shard.index), most):
            stage.read += 1
            if isinstance(document.get("organic_text"), str):
                yield document


def _draw(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _inside(folder: Path) -> list[Path]:
    """What may be stages in a folder; a record stands for the run folder of the same name beside it."""
    inside = sorted(folder.iterdir())
    records = {one.stem for one in inside if one.suffix == ".json"}
    return [one for one in inside if one.is_file() or one.name not in records]


def _started(stage: Stage) -> float:
    """When a stage was made, for the order of the page."""
    times = [row["time"] for row in stage.metrics[:1] if "time" in row]
    with contextlib.suppress(KeyError, TypeError, ValueError):
        times.insert(0, calendar.timegm(time.strptime(stage.about["started"], "%Y-%m-%dT%H:%M:%SZ")))
    return times[0] if times else stage.path.stat().st_mtime


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
