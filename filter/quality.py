"""Quality scores of documents; each scorer writes one float field.

Usage:
    python -m filter.quality score POOL OUT kind=fasttext model=quality.bin field=quality
    python -m filter.quality score POOL OUT scorers.yaml workers=8

Several scorers run in one pass when a YAML file lists them under `scorers`. Every document comes out with its scores as
fields; a text that a scorer cannot score gets null there and is counted. At the end a histogram and the quantiles of
each score are printed: a threshold is a number, not a rate, and what share it keeps differs from pool to pool.
"""

from functools import partial
from typing import Any

from common.command import Command, entry_point, parse_command, usage_errors
from common.pools.inputs import refuse_overlap
from common.pools.marks import refuse_other_output
from common.pools.shards import Shard, list_shards, read_pool
from common.pools.stats import refuse_no_documents, sum_stats
from common.runs.launch import run_shards
from filter.scorers.batches import ScorePoolConfig, read_score, score_shard
from filter.scorers.kinds import open_quality_scorer, scores_hash


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, score the pool, print what came out."""
    _, config = parse_command(
        {"score": Command(ScorePoolConfig, positional=("pool", "out"), plan=_plan, inside="scorer")}, __doc__, argv
    )
    with usage_errors():
        shards = _check(config)
    from filter.selection.histogram import Histogram, text_histogram

    work = partial(score_shard, config=config, identity=scores_hash(config, config.all_scorers()))
    with usage_errors():
        stats = run_shards(work, shards, workers=config.workers, cluster=config.cluster, label=f"score {config.pool}")
        whole = sum_stats(stats)
        refuse_no_documents(whole, config.pool)
    total = {key: value for key, value in whole.items() if key not in ("seconds", "config_hash")}
    print(total)  # noqa: T201 - the command's output
    fields = [scorer.field for scorer in config.all_scorers()]
    histograms = {field: Histogram() for field in fields}
    for document in read_pool(config.out):
        for field in fields:
            score = read_score(document, field)
            if score is not None:
                histograms[field].add(score)
    for field in fields:
        print(text_histogram(field, histograms[field]))  # noqa: T201 - the command's output


def _check(config: ScorePoolConfig) -> list[Shard]:
    """The shards, after a look at all that the run needs and at what is in its place."""
    shards = list_shards(config.pool)
    refuse_overlap(config.out, [config.pool, *(shard.path for shard in shards)])
    for scorer in config.all_scorers():
        open_quality_scorer(scorer)  # a missing model ends here with one line, not in a worker
    refuse_other_output(config.out, scores_hash(config, config.all_scorers()))
    return shards


def _plan(config: ScorePoolConfig) -> dict[str, Any]:
    return {"reads": f"{len(_check(config))} shards of {config.pool}", "writes": config.out}


if __name__ == "__main__":
    main()
