"""What one process keeps from shard to shard: engine, run folder; its GPUs by its number."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from common.config import config_hash
from common.engines.open import open_engine
from common.pools.documents import Document
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import Shard
from common.pools.stats import Stats
from common.pools.storage import is_remote
from common.runs.folder import Run, run_folder
from common.runs.launch import take_gpus
from rephrase.config import RephraseConfig
from rephrase.meter import Meter
from rephrase.rephraser import Rephraser
from rephrase.speculation import settled


class RephraseWorker:
    """Rephrases shards in one process; its engine opens with the first one that is not done yet.

    Args:
        config: the run.
        gpus: those of this machine.
    """

    def __init__(self, config: RephraseConfig, gpus: Sequence[str]) -> None:
        self.config = config
        self.gpus = gpus
        self.run = Run(logs_folder(config), config, seed=config.seed)
        self._rephraser: Rephraser | None = None

    @property
    def rephraser(self) -> Rephraser:
        """With the engine, opened on first use."""
        if self._rephraser is None:
            if self.config.cluster == "local":
                take_gpus(self.gpus, self.config.engine.devices_per_engine)
            self._rephraser = Rephraser(self.config, open_engine(self.config.engine, self.config.model))
        return self._rephraser

    def __call__(self, shard: Shard) -> Stats:
        """Rephrase one shard."""
        config = self.config = settled(self.config)
        meter = Meter(shard.name, config, self.run.log)

        def transform(documents: Iterator[Document]) -> Iterable[Result]:
            self.rephraser.watch = meter.add
            meter.start(self.rephraser.engine.devices)
            return self.rephraser(documents)

        stats = process_shard(
            shard,
            config.output,
            transform,
            config_hash=run_hash(config),
            part_docs=config.part_docs,
            restart_each_part=config.engine.batches_shape_output,
            verify=config.verify,
        )
        meter.report()
        return stats

    def close(self) -> None:
        """Close the engine and the run folder."""
        if self._rephraser is not None:
            self._rephraser.engine.close()
        self.run.close()


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
