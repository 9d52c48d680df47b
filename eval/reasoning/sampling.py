"""Samples of every example by an engine, judged beside it, one line each on disk; what is there is not asked again."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.config import config_hash
from common.engines.open import open_engine
from common.engines.requests import NO_ROOM, OVERDUE, Completion, Request
from common.hashing import hash_id, step_hash
from common.pools.lock import alone
from common.pools.storage import atomic_write
from common.runs.launch import take_gpus
from common.runs.progress.shown import progress
from common.runs.progress.state import in_pool_process
from common.samples import Key, SampleFile
from eval.judges.upgrades import UpgradeJudge
from eval.reasoning.config import ReasoningConfig
from eval.reasoning.examples import Example, TaskFiles, examples_of
from eval.reasoning.scoring import Judging, is_final, judging, unfinished
from eval.reasoning.store import Drawn, TaskStore
from eval.reasoning.task import TaskConfig

log = logging.getLogger("repro")


@dataclass(frozen=True)
class Job:
    """A task of a run: what is asked, how often, and where its samples lie."""

    name: str
    task: TaskConfig
    found: TaskFiles


@dataclass(frozen=True)
class Plan:
    """What every process of a run needs to do its share."""

    config: ReasoningConfig
    model: str
    """Folder or name, as the engine takes it."""

    identity: str
    """What tells these weights from others: a digest, or the name that a server knows."""

    jobs: Sequence[Job]
    folder: Path
    limit: int | None = None
    seed: int = 0
    gpus: Sequence[str] = ()
    read: dict[str, list[Example]] = field(default_factory=dict, repr=False, compare=False)
    """Task to its examples, once they were read."""

    def examples(self, job: Job) -> list[Example]:
        """The examples of one of the tasks."""
        if job.name not in self.read:
            self.read[job.name] = examples_of(job.name, job.task, job.found, self.limit, self.seed)
        return self.read[job.name]

    def dtype_file(self) -> Path:
        """Where it stands in which type the weights were loaded, by the engine's config."""
        return self.folder / "samples" / f"dtype-{config_hash(self.config.engine)}.txt"

    def dtype(self) -> str:
        """The type of the weights as they were loaded; the config's word where no engine was opened yet."""
        place = self.dtype_file()
        configured = str(getattr(self.config.engine, "dtype", "the server's"))
        return place.read_text(encoding="utf-8") if place.is_file() else configured

    def store(self, job: Job) -> TaskStore:
        """Where its samples lie."""
        return TaskStore(self.folder / "samples" / job.name)

    def settings(self, job: Job) -> dict[str, Any]:
        """What shapes a task's samples, but for the questions themselves."""
        config = self.config
        return {
            "model": self.identity,
            "engine": config.engine.kind,
            "dtype": getattr(config.engine, "dtype", "the server's"),
            "engine_config": config_hash(config.engine),
            **config.decoding(job.task).model_dump(),
            "template": config.template,
            "seed": self.seed,
        }

    def key(self, job: Job, example: Example, number: int) -> Key:
        """What the sample is found again by."""
        return example.id, number, step_hash(self.settings(job), example.digest())

    def judging(self, job: Job, judge: UpgradeJudge | None = None) -> Judging:
        """How its samples are judged."""
        options = {**job.task.options, **self.config.options}
        return judging(self.config.modes, options, job.task.judge, self.config.judge, judge)


@dataclass(frozen=True)
class ExampleShare:
    """One of several equal shares of the examples."""

    number: int = 0
    """From 0."""

    count: int = 1

    @property
    def name(self) -> str:
        """What it is called where the work is shown."""
        return f"share {self.number + 1} of {self.count}"


@dataclass
class _Asked:
    """A sample that is being drawn."""

    job: Job
    example: Example
    number: int
    key: Key

    @property
    def name(self) -> str:
        """What it is called where somebody waits for it."""
        return f"sample {self.number} of {self.example.id} in {self.job.name}"


@dataclass
class _Work:
    """One process's files, verdicts in the making, and what counts them."""

    plan: Plan
    files: dict[str, SampleFile]
    pool: ThreadPoolExecutor
    judges: dict[str, Judging]
    verdicts: list[tuple[str, Key, Future[dict[str, dict[str, Any]]]]] = field(default_factory=list)
    named: set[tuple[str, str]] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=lambda: {"drawn": 0, "judged": 0, "failed": 0, "stuck": 0})

    def judge(self, job: Job, example: Example, key: Key, completion: str, finish_reason: str) -> None:
        """Have a sample judged beside whatever else goes on."""
        question = "\n\n".join(turn["content"] for turn in example.messages if turn["role"] == "user")
        row = example.row
        if self.plan.config.think_open is not None:
            row["think_open"] = self.plan.config.think_open
        how = self.judges[job.name]
        self.verdicts.append((job.name, key, self.pool.submit(how.verdicts, row, question, completion, finish_reason)))

    def write_verdicts(self, wait: bool = False) -> None:
        """Write the verdicts that are there; all of them, waiting, if asked to."""
        left = []
        for name, key, future in self.verdicts:
            if not wait and not future.done():
                left.append((name, key, future))
                continue
            base = {"kind": "verdict", "id": key[0], "sample": key[1], "config": key[2]}
            self.files[name].write(
                *({**base, "mode": mode, "verdict": record} for mode, record in future.result().items())
            )
            self.counts["judged"] += 1
        self.verdicts = left


def draw_share(share: ExampleShare, plan: Plan) -> dict[str, int]:
    """Draw and judge what is missing of one share of the examples.

    Returns:
        How many samples were drawn, judged, failed, and given up at their deadline.

    Raises:
        ValueError: another process works on this share, or the model cannot be opened.
    """
    if plan.config.cluster == "local":
        take_gpus(plan.gpus, plan.config.engine.devices_per_engine)
    with ExitStack() as stack:
        stack.enter_context(alone(plan.folder / "locks" / f"{share.number + 1}-of-{share.count}", "this share"))
        stack.enter_context(in_pool_process(plan.folder))
        judge: UpgradeJudge | None = None
        judges: dict[str, Judging] = {}
        for job in plan.jobs:
            judges[job.name] = plan.judging(job, judge)
            judge = judges[job.name].judge or judge
        files = {
            job.name: stack.enter_context(SampleFile(plan.store(job).file(share.number, share.count)))
            for job in plan.jobs
        }
        pool = stack.enter_context(ThreadPoolExecutor(plan.config.threads))
        work = _Work(plan, files, pool, judges)
        missing: list[_Asked] = []
        for job in plan.jobs:
            drawn = plan.store(job).drawn()
            wanted = _share_of(plan, job, share)
            missing += [asked for asked in wanted if not _has(drawn, asked.key)]
            _judge_again(work, job, drawn, [asked for asked in wanted if _has(drawn, asked.key)])
        _draw(work, missing)
        work.write_verdicts(wait=True)
        return work.counts


def _share_of(plan: Plan, job: Job, share: ExampleShare) -> list[_Asked]:
    wanted = [example for at, example in enumerate(plan.examples(job)) if at % share.count == share.number]
    numbers = range(plan.config.count(job.task))
    return [_Asked(job, one, number, plan.key(job, one, number)) for one in wanted for number in numbers]


def _has(drawn: Mapping[Key, Drawn], key: Key) -> bool:
    return key in drawn and is_final(drawn[key].finish_reason, drawn[key].error)


def _judge_again(work: _Work, job: Job, drawn: Mapping[Key, Drawn], stored: Sequence[_Asked]) -> None:
    """Have samples judged that an earlier run drew and did not judge, or not by these settings."""
    how = work.judges[job.name]
    fingerprint = how.fingerprint()
    open_ = {
        asked.key: asked
        for asked in stored
        if drawn[asked.key].finish_reason != "error"
        and any(unfinished(drawn[asked.key].verdicts.get(mode), fingerprint) for mode in how.modes)
    }
    if open_:
        for key, line in work.plan.store(job).texts(open_):
            work.judge(job, open_[key].example, key, line.get("completion") or "", line.get("finish_reason") or "")
            work.write_verdicts()


def _draw(work: _Work, missing: Sequence[_Asked]) -> None:
    if not missing:
        return
    plan = work.plan
    asked = {str(position): one for position, one in enumerate(missing)}
    with open_engine(plan.config.engine, plan.model) as engine:
        if engine.dtype:
            with atomic_write(str(plan.dtype_file())) as target:
                target.write(engine.dtype.encode())
        open_: dict[str, _Asked] = {}

        def requests() -> Iterator[Request]:
            for name, one in asked.items():
                open_[name] = one
                yield _request(plan, name, one)

        for completion in progress(
            engine.stream(requests()), len(missing), "samples", "samples", lambda: _oldest(open_)
        ):
            _take(work, open_.pop(completion.request_id), completion)
            work.write_verdicts()


def _oldest(open_: Mapping[str, _Asked]) -> str:
    """The sample that has been asked for longest; a long one holds up the end of a run."""
    first = next(iter(open_.values()), None)
    return f"{first.name} and {len(open_) - 1} more" if first else ""


def _request(plan: Plan, name: str, asked: _Asked) -> Request:
    how = plan.config.decoding(asked.job.task)
    turns = asked.example.messages
    plain = plan.config.template == "plain"
    return Request(
        id=name,
        messages=None if plain else [dict(turn) for turn in turns],
        prompt="\n\n".join(turn["content"] for turn in turns) + "\n\n" if plain else None,
        max_tokens=how.max_tokens,
        temperature=how.temperature,
        top_p=how.top_p,
        top_k=how.top_k,
        seed=hash_id(asked.example.id, "eval", plan.seed, asked.number) % 2**31,
        deadline_s=plan.config.deadline_s,
    )


def _take(work: _Work, asked: _Asked, completion: Completion) -> None:
    """Write one sample, the example before its first one, and have it judged."""
    job, key = asked.job, asked.key
    lines: list[dict[str, Any]] = []
    if (job.name, key[2]) not in work.named:
        work.named.add((job.name, key[2]))
        shown = {**asked.example.row, "messages": asked.example.messages, "task": job.name}
        lines.append({"kind": "example", **shown, "config": key[2], "versions": work.plan.settings(job)})
    line: dict[str, Any] = {"kind": "sample", "id": key[0], "sample": key[1], "config": key[2], "task": job.name}
    line |= {"completion": completion.text, "finish_reason": completion.finish_reason}
    line |= {"tokens_in": completion.tokens_in, "tokens_out": completion.tokens_out}
    line |= {"seconds": round(completion.seconds, 3), "error": completion.error or ""}
    work.files[job.name].write(*lines, line)
    work.counts["drawn"] += 1
    if completion.finish_reason != "error":
        work.judge(job, asked.example, key, completion.text, completion.finish_reason)
        return
    error = completion.error or ""
    kind = "stuck" if error.startswith(OVERDUE) else "failed"
    work.counts[kind] += 1
    if not error.startswith(NO_ROOM):
        log.warning("%s: sample %d of %s has no answer: %s", job.name, asked.number, asked.example.id, error)


def states(plan: Plan, job: Job) -> Iterator[tuple[Example, list[Drawn | None]]]:
    """Each example of a task with its samples as they are stored; None for one that was never drawn."""
    drawn = plan.store(job).drawn()
    for example in plan.examples(job):
        keys = [plan.key(job, example, number) for number in range(plan.config.count(job.task))]
        yield example, [drawn.get(key) for key in keys]
