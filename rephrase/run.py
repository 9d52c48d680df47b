"""Rephrase the shards START to END of a pool, both included.

Usage:
    python -m rephrase.run 0 7 configs/rephrase/rephrase_tiny_cpu.yaml input=POOL output=OUT
    python -m rephrase.run 0 7 configs/rephrase/rephrase_4b.yaml engine=server engine.url=http://127.0.0.1:8000/v1
    python -m rephrase.run CONFIG.yaml --dry-run

Every document comes out once: rephrased, or counted under the reason it was dropped for (and kept in
`<shard>.rejects.jsonl`). Killed, the same command goes on from the last committed part; with greedy decoding by the
`transformers` back-end the output is then equal to the byte.

Differs from the original code (arXiv:2510.10681):
    1. Chunks end where the text pauses, and join as they stood; `cut=blind` cuts every 7,000 characters.
    2. A completion cut off or without the sentinel is tried again, then drops its document; it is no empty line.
    3. One unbroken stream of requests, parts committed on the way, all fields of a document kept.
"""

import hashlib
import multiprocessing
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from common.config import config_hash, fail, parse, usage_errors
from common.engine import TransformersEngineConfig, VLLMEngineConfig, check_engine, open_engine
from common.launch import run_shards
from common.run import Run, run_folder
from common.shards import Document, Result, Shard, Stats, add_stats, list_shards, process_shard
from common.storage import is_remote
from rephrase.config import RephraseConfig
from rephrase.health import Unhealthy
from rephrase.rephraser import Rephraser

RUNS_HERE = "configs/rephrase/rephrase_tiny_cpu.yaml"
"""What a machine without a GPU and without a model hub can run."""

_OPEN: dict[str, Any] = {}  # this process's engine and run folder: a worker keeps them from shard to shard


def work(shard: Shard, config: RephraseConfig, gpus: list[str]) -> Stats:
    """Rephrase one shard in this process; the engine opens with the first shard that is not done yet."""
    meter = Meter(shard.name, config)

    def transform(documents: Iterator[Document]) -> Iterable[Result]:
        rephraser = _rephraser(config, gpus)
        rephraser.watch = meter.add
        meter.devices = rephraser.engine.devices
        return rephraser(documents)

    stats = process_shard(
        shard,
        config.output,
        transform,
        config_hash=run_hash(config),
        part_docs=config.part_docs,
        restart_each_part=isinstance(config.engine, TransformersEngineConfig),
    )
    meter.report()
    return stats


def run_hash(config: RephraseConfig) -> str:
    """The config's hash, and that of the prompt file's text if there is one: an edited prompt is another run."""
    if config.prompt_file is None:
        return config_hash(config)
    text = Path(config.prompt_file).read_bytes()
    return hashlib.sha256(config_hash(config).encode() + text).hexdigest()[:16]


class Meter:
    """Adds up what was done in this process and logs the rates."""

    def __init__(self, shard: str, config: RephraseConfig) -> None:
        self.shard = shard
        self.config = config
        self.devices = 1
        self.began = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.logged = 0

    def add(self, counts: dict[str, Any]) -> None:
        """Count a document that is done."""
        if not self.counts:
            self.began = time.monotonic() - 1e-3
        self.counts.update({name: value for name, value in counts.items() if isinstance(value, int)})
        self.statuses.update(counts.get("chunk_statuses", {}))
        if self.counts["docs"] % self.config.part_docs == 0:
            self.report()

    def report(self) -> None:
        """Log one line of metrics, unless nothing was done since the last."""
        if self.counts["docs"] == self.logged:
            return
        self.logged = self.counts["docs"]
        elapsed_s = time.monotonic() - self.began
        chunks = max(1, self.statuses.total())
        _run(self.config).log(
            {
                "shard": self.shard,
                "docs": self.counts["docs"],
                "elapsed_s": round(elapsed_s, 3),
                "organic_tok_s_device": round(self.counts["tokens_organic"] / elapsed_s / self.devices, 1),
                "completion_tok_s_device": round(self.counts["tokens_completion"] / elapsed_s / self.devices, 1),
                **{f"status_frac/{name}": round(count / chunks, 4) for name, count in self.statuses.items()},
            }
        )


def _rephraser(config: RephraseConfig, gpus: list[str]) -> Rephraser:
    if "rephraser" not in _OPEN:
        number = multiprocessing.current_process().name.rpartition("-")[2]
        if gpus and config.cluster == "local" and number.isdigit():
            # One process per GPU (group); a pool of processes numbers them from 1, and the main one has no number.
            first = (int(number) - 1) * _gpus_per_engine(config) % len(gpus)
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[first : first + _gpus_per_engine(config)])
        _OPEN["rephraser"] = Rephraser(config, open_engine(config.engine, config.model))
    return _OPEN["rephraser"]


def _gpus_per_engine(config: RephraseConfig) -> int:
    return config.engine.tensor_parallel_size if isinstance(config.engine, VLLMEngineConfig) else 1


def _run(config: RephraseConfig) -> Run:
    if "run" not in _OPEN:
        _OPEN["run"] = Run(_logs(config), config, seed=config.seed)
    return _OPEN["run"]


def _logs(config: RephraseConfig) -> str:
    if config.logs is None and is_remote(config.output):
        raise ValueError(f"the run folder must be on this machine: give logs=FOLDER beside output={config.output}")
    return config.logs or run_folder(config.output, "rephrase")


def find_gpus() -> list[str]:
    """The GPUs this process may use, without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60)
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU")]


def check(config: RephraseConfig) -> list[Shard]:
    """The shards to do, after a look at all that the run needs.

    Raises:
        ValueError: what is missing, in one line, and what can run here instead.
    """
    problems = []
    shards: list[Shard] = []
    try:
        shards = list_shards(config.input, config.start, config.end)
    except ValueError as error:
        problems.append(str(error))
    try:
        check_engine(config.engine, config.model)
    except ValueError as error:
        problems += [str(error), f"on this machine {RUNS_HERE} can run"]
    if problems:
        raise ValueError("; ".join(problems))
    if not is_remote(config.output) and any(Path(shard.path).parent == Path(config.output) for shard in shards):
        raise ValueError(f"output={config.output} is the input's own folder; the recycled pool needs another one")
    _logs(config)
    run_hash(config)
    return shards


def plan(config: RephraseConfig) -> dict[str, Any]:
    """What a run would read and write, for `--dry-run`."""
    try:
        shards = check(config)
        reads = f"{len(shards)} shards of {config.input}, {shards[0].name} to {shards[-1].name}"
    except ValueError as error:
        reads = f"nothing yet: {error}"
    return {"reads": reads, "writes": config.output, "config_hash": run_hash(config)}


def main(argv: list[str] | None = None) -> None:
    """Read the command line, then rephrase."""
    config = parse(RephraseConfig, __doc__, argv, positional=("start", "end"), plan=plan)
    with usage_errors():
        shards = check(config)
        gpus = [] if config.engine.kind == "server" else find_gpus()
        workers = config.workers or max(1, len(gpus) // _gpus_per_engine(config))
        try:
            with _run(config):
                function = partial(work, config=config, gpus=gpus)
                done = run_shards(function, shards, workers=workers, cluster=config.cluster, label="rephrase")
        except Unhealthy as error:
            fail(str(error), code=1)
        finally:
            rephraser = _OPEN.pop("rephraser", None)
            if rephraser is not None:
                rephraser.engine.close()
            _OPEN.clear()
    total: Stats = {}
    for stats in done:
        total = add_stats(total, stats)
    print(summary(total, config.output))  # noqa: T201 - the command's output


def summary(total: Stats, output: str) -> str:
    """What became of the documents, in a few lines."""
    drops = ", ".join(f"{count} {reason}" for reason, count in sorted(total["drops"].items())) or "none"
    lines = [f"{total['docs_in']} documents in, {total['docs_out']} out ({output}); dropped: {drops}"]
    if total.get("chunks_in"):
        lines.append(
            f"{total['chunks_ok']} of {total['chunks_in']} chunks ok, {total['tokens_completion']} tokens generated, "
            f"{total['chars_in']} characters in, {total['chars_out']} out"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
