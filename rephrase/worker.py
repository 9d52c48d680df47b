"""One worker of a run: its engine, its run folder and its claims on the parts of the pool's shards."""

import gc
import hashlib
import multiprocessing
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.claims.claims import Claims
from common.claims.crew import Overdue, Tell, stop_on_sigterm
from common.claims.index import ShardIndex
from common.claims.owner import this_process
from common.claims.store import FileStore, SystemClock
from common.claims.work import PoolWork
from common.config import config_hash
from common.engines.open import open_engine
from common.pools.documents import Document, form_of
from common.pools.exactly_once import Result
from common.pools.marks import Unreadable, read_done
from common.pools.shards import Shard
from common.pools.stats import Stats
from common.pools.storage import is_remote, one_listing_each
from common.runs.folder import Run, run_folder
from common.runs.launch import take_gpus
from common.runs.progress.shown import CountedWork
from rephrase.config import RephraseConfig
from rephrase.meter import Meter
from rephrase.rephraser import Rephraser
from rephrase.speculation import settled

COLLECT_AFTER = 50_000
"""Objects that come to be before garbage in circles is looked for; Python's own number is 700."""


@dataclass
class WorkDone:
    """What one worker did until the pool was done, or until it was told to stop."""

    done: dict[str, Stats] = field(default_factory=dict)
    """The shards that it put together."""
    unreadable: list[Unreadable] = field(default_factory=list)
    all_done: bool = False
    """Every shard of the run is finished, by whomever."""


class RephraseWorker:
    """One worker; its engine opens with the first part that is to be done.

    Args:
        config: the run.
        shards: the run's.
        finished: names of those that were finished before it.
        gpus: those of this machine.
        number: this worker's among those of the command, from 0.
    """

    def __init__(
        self, config: RephraseConfig, shards: Sequence[Shard], finished: Iterable[str], gpus: Sequence[str], number: int
    ) -> None:
        self.config = config = settled(config)
        self.gpus = gpus
        self.number = number
        self.hash = run_hash(config)
        self.shards = {shard.name: shard for shard in shards}
        self.run = Run(logs_folder(config), config, seed=config.seed)
        owner = this_process(f"{config.claims.worker or command_name()}.{number}")
        self.claims = Claims(
            FileStore(config.output),
            SystemClock(),
            ShardIndex(self.shards),
            owner,
            lease_s=config.claims.lease_s,
            most_parts=config.claims.most_parts,
            finished=self._is_finished,
        )
        self.claims.passed.update(finished)
        self.pool = PoolWork(self.claims, shards, config.output, config_hash=self.hash, part_docs=config.part_docs)
        self.meter = Meter("", config, self._log)
        self._rephraser: Rephraser | None = None

    def work(self) -> WorkDone:
        """Rephrase parts until the pool is done, by whomever, or SIGTERM comes."""
        done = WorkDone(self.pool.done, self.pool.unreadable)
        try:
            with stop_on_sigterm(self.pool.stop, self.config.claims.notice_s), rare_collections():
                self.pool.run(self._rephrase, by_part=self.config.engine.batches_shape_output)
        except Overdue:
            return done
        finally:
            self.meter.report()
        done.all_done = self.claims.all_done
        return done

    @property
    def rephraser(self) -> Rephraser:
        """With the engine, opened on first use."""
        if self._rephraser is None:
            if self.config.cluster == "local":
                take_gpus(self.gpus, self.config.engine.devices_per_engine)
            self._rephraser = Rephraser(self.config, open_engine(self.config.engine, self.config.model))
        return self._rephraser

    def close(self) -> None:
        """Close the engine and the run folder."""
        if self._rephraser is not None:
            self._rephraser.engine.close()
        self.run.close()

    def _rephrase(self, documents: Iterator[Document]) -> Iterator[Result]:
        self.rephraser.watch = self._count
        self.meter.start(self.rephraser.engine.devices)
        # of workers in processes of their own, the command says how they get on
        shown = multiprocessing.parent_process() is None
        with CountedWork("", waits=self.rephraser.waited_for, shown=shown) as counted:
            for done, result in enumerate(self.rephraser(documents), 1):
                yield result
                counted.at(done)

    def _count(self, counts: dict[str, Any]) -> None:
        """Count a document under its shard, whose counts begin anew with each visit."""
        shard = self.pool.shard_in_turn()
        if shard != self.meter.shard:
            self.meter.report()
            self.meter = self.meter.follower(shard)
        self.meter.add(counts)

    def _log(self, row: dict[str, Any]) -> None:
        self.run.log({"worker": self.number, **row})

    def _is_finished(self, name: str) -> bool:
        shard, config = self.shards[name], self.config
        outputs = [name + form_of(shard.path)]
        found = read_done(
            config.output, name, self.hash, source=shard.path, outputs=outputs, verify=config.verify, listed=False
        )
        return found is not None


@contextmanager
def rare_collections() -> Iterator[None]:
    """Inside the block Python looks for garbage in circles less often: the stage makes many small objects and next to
    no circles, and the looks would be a fifth of its own work."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], COLLECT_AFTER) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def work_on_pool(
    config: RephraseConfig,
    shards: Sequence[Shard],
    finished: Iterable[str],
    gpus: Sequence[str],
    number: int,
    tell: Tell,
) -> WorkDone:
    """One worker's whole work, as `run_crew` calls it in the worker's own process."""
    with one_listing_each():
        worker = RephraseWorker(config, shards, finished, gpus, number)
        worker.pool.tell = tell
        try:
            with worker.run:
                return worker.work()
        finally:
            worker.close()


def command_name() -> str:
    """A name of this command that a restart bears too: of a Slurm job, its array number."""
    job = os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID")
    if job is None:
        return socket.gethostname()
    return f"slurm-{job}-{os.environ.get('SLURM_ARRAY_TASK_ID', '0')}-{os.environ.get('SLURM_PROCID', '0')}"


def run_hash(config: RephraseConfig) -> str:
    """The config's hash, and that of the prompt file's text if there is one: an edited prompt is another run."""
    if config.prompt_file is None:
        return config_hash(config)
    text = Path(config.prompt_file).read_bytes()
    return hashlib.sha256(config_hash(config).encode() + text).hexdigest()[:16]


def logs_folder(config: RephraseConfig) -> str:
    """Where the run folder lies: `logs`, or a place beside the output."""
    if config.logs is None and is_remote(config.output):
        raise ValueError(f"the run folder must be on this machine: give logs=FOLDER beside output={config.output}")
    return config.logs or run_folder(config.output, "rephrase")
