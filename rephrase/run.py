"""Rephrase the shards START to END of a pool, both included.

Usage:
    python -m rephrase.run 0 7 configs/rephrase/rephrase_tiny_cpu.yaml input=POOL output=OUT
    python -m rephrase.run 0 7 configs/rephrase/rephrase_4b.yaml engine=server engine.url=http://127.0.0.1:8000/v1
    python -m rephrase.run CONFIG.yaml --dry-run

Every document comes out once: rephrased, or counted under the reason it was dropped for (and kept in
`<shard>.rejects.jsonl`). Killed, the same command goes on from the last committed part; with greedy decoding by the
`transformers` back-end the output is then equal to the byte.

Any number of these commands, on one machine or many, may work on the same shards: they share them by claims on parts,
and take over what one that died had claimed. SIGTERM lets a command commit the parts that it has begun.

Exit codes: 0; 2 for a mistake in the command or a pool without documents; 1 where the run stopped for its health, or
where not one document came out for want of scores or answers, which is no result; 75 where SIGTERM stopped it.

Differs from the original code (arXiv:2510.10681):
    1. Chunks end where the text pauses, and join as they stood; `cut=blind` cuts every 7,000 characters.
    2. A completion cut off or without the sentinel is tried again, then drops its document; it is no empty line.
    3. One unbroken stream of requests, parts committed on the way, all fields of a document kept.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from common.claims.crew import STOPPED_CODE, run_crew
from common.claims.index import ShardIndex
from common.claims.leases import reopen
from common.claims.store import FileStore
from common.claims.work import finished_before, read_others, refuse_unreadable, sweep_parts
from common.command import entry_point, fail, parse, usage_errors
from common.engines.open import check_engine
from common.pools.inputs import refuse_overlap
from common.pools.marks import refuse_other_output
from common.pools.shards import Shard, list_shards
from common.pools.stats import NO_DOCUMENT, Stats, documents_in, refuse_no_documents, sum_stats
from common.runs.launch import find_gpus
from common.runs.progress.shown import CountedWork
from rephrase.config import RephraseConfig
from rephrase.health import Unhealthy
from rephrase.speculation import known, settled
from rephrase.worker import logs_folder, run_hash, work_on_pool

RUNS_HERE = "configs/rephrase/rephrase_tiny_cpu.yaml"
"""What a machine without a GPU and without a model hub can run."""

NO_RESULT = {"no_score", "engine_error"}
"""Reasons that say nothing of a document: a run that drops all for these has asked for the wrong field or engine."""


class Missing(ValueError):
    """Something that the run needs is not there (yet)."""


def check(config: RephraseConfig) -> list[Shard]:
    """The shards to do, after a look at all that the run needs.

    Raises:
        Missing: what is missing, in one line, and what can run here instead.
        ValueError: the output is an input, or is that of other settings.
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
    refuse_overlap(config.output, [config.input, *(shard.path for shard in shards)])
    logs_folder(config)
    found = known(config)
    if not found.engine.wants_probe:  # else what the output will be is not known yet
        refuse_other_output(config.output, run_hash(found))
    if problems:
        raise Missing("; ".join(problems))
    return shards


def plan(config: RephraseConfig) -> dict[str, Any]:
    """What a run would read and write, for `--dry-run`; what is still missing is named, what would be refused is."""
    try:
        shards = check(config)
        reads = f"{len(shards)} shards of {config.input}, {shards[0].name} to {shards[-1].name}"
    except Missing as error:
        reads = f"nothing yet: {error}"
    return {"reads": reads, "writes": config.output, "config_hash": run_hash(known(config))}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then rephrase."""
    config = parse(RephraseConfig, __doc__, argv, positional=("start", "end"), plan=plan)
    with usage_errors():
        shards = check(config)
        if config.cluster == "local":
            config = settled(config)
        try:
            total = rephrase(config, shards)
        except Unhealthy as error:
            fail(str(error), code=1)
        refuse_no_documents(total, config.input)
    if not total["docs_out"] and documents_in(total) and total["drops"].keys() - NO_DOCUMENT <= NO_RESULT:
        fail(f"not one of the documents came out: {summary(total, config.output)}", code=1)
    print(summary(total, config.output))  # noqa: T201 - the command's output


def rephrase(config: RephraseConfig, shards: Sequence[Shard]) -> Stats:
    """Work on a pool until it is done, beside whoever else does; the stats of all shards.

    Raises:
        Unhealthy: the run stopped itself.
        Unreadable: not one document could be read of a shard; all others are done.
        SystemExit: it was told to stop.
    """
    finished: dict[str, Stats] = {}
    lost: list[str] = []
    if not config.engine.wants_probe:  # else a worker of the cluster measures first, and only then the hash is known
        finished, lost = finished_before(shards, config.output, run_hash(config), verify=config.verify)
    store, index = FileStore(config.output), ShardIndex(shard.name for shard in shards)
    for name in lost:
        reopen(store, index, name)
    if len(finished) < len(shards):
        gpus = [] if config.engine.kind == "server" else find_gpus()
        each = 0 if config.engine.kind == "server" else config.engine.devices_per_engine
        workers = config.workers or (0 if config.cluster == "ray" else max(1, len(gpus) // max(1, each)))
        work = partial(work_on_pool, config, shards, list(finished), gpus)
        counted = CountedWork("rephrase", len(shards), "shards", start=len(finished))
        found = run_crew(work, workers, counted, cluster=config.cluster, gpus_each=each)
        finished |= {name: stats for worker in found for name, stats in worker.done.items()}
        refuse_unreadable([error for worker in found for error in worker.unreadable])
        if not any(worker.all_done for worker in found):
            fail("stopped by SIGTERM: what was begun is committed, and the same command goes on", STOPPED_CODE)
    sweep_parts(shards, config.output)
    return sum_stats(read_others(shards, config.output, finished))


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
