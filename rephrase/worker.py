"""What one process keeps from shard to shard: engine, run folder, meter; its GPUs by its number."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

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

OPEN: dict[str, Any] = {}  # this process's engine and run folder: a worker keeps them from shard to shard


def work(shard: Shard, config: RephraseConfig, gpus: list[str]) -> Stats:
    """Rephrase one shard in this process; the engine opens with the first shard that is not done yet."""
    meter = Meter(shard.name, config, lambda metrics: open_run(config).log(metrics))

    def transform(documents: Iterator[Document]) -> Iterable[Result]:
        rephraser = _rephraser(config, gpus)
        rephraser.watch = meter.add
        meter.start(rephraser.engine.devices)
        return rephraser(documents)

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


def run_hash(config: RephraseConfig) -> str:
    """The config's hash, and that of the prompt file's text if there is one: an edited prompt is another run."""
    if config.prompt_file is None:
        return config_hash(config)
    text = Path(config.prompt_file).read_bytes()
    return hashlib.sha256(config_hash(config).encode() + text).hexdigest()[:16]


def _rephraser(config: RephraseConfig, gpus: list[str]) -> Rephraser:
    if "rephraser" not in OPEN:
        if config.cluster == "local":
            take_gpus(gpus, config.engine.devices_per_engine)
        OPEN["rephraser"] = Rephraser(config, open_engine(config.engine, config.model))
    return OPEN["rephraser"]


def open_run(config: RephraseConfig) -> Run:
    """This process's run folder, opened once."""
    if "run" not in OPEN:
        OPEN["run"] = Run(logs_folder(config), config, seed=config.seed)
    return OPEN["run"]


def logs_folder(config: RephraseConfig) -> str:
    """Where the run folder lies: `logs`, or a place beside the output."""
    if config.logs is None and is_remote(config.output):
        raise ValueError(f"the run folder must be on this machine: give logs=FOLDER beside output={config.output}")
    return config.logs or run_folder(config.output, "rephrase")
