"""Estimate what rephrasing a pool takes: tokens, device hours, disk, wall time, cost, and how far off that may be.

Usage:
    python -m rephrase.plan POOL CONFIG.yaml gpus=8 usd_per_hour=2.5
    python -m rephrase.plan POOL CONFIG.yaml run=RECYCLED           # the rate that a run recorded
    python -m rephrase.plan POOL CONFIG.yaml benchmark=true         # measures the rate on 200 documents first
    python -m rephrase.plan POOL CONFIG.yaml tokens_per_s=9000

Tokens are counted in a sample of the pool, and every figure has its interval. Without a rate of your own it is the
published one of the 4B rephraser on H100s (arXiv:2510.10681), which other models and devices do not have.
"""

from common.command import entry_point, parse, usage_errors
from rephrase.planning.config import PlanConfig


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then estimate."""
    config = parse(PlanConfig, __doc__, argv, positional=("input",), plan=lambda config: {"reads": config.input})
    from common.pools.shards import list_shards
    from rephrase.planning.estimate import estimate, remarks, table
    from rephrase.planning.rates import find_rate
    from rephrase.planning.sample import PoolSample

    with usage_errors():
        shards = list_shards(config.input, config.start, config.end)
        rate = find_rate(config, shards)
        sample = PoolSample(shards, config)
    found = estimate(config, sample, rate)
    print("\n".join([table(found.figures), "", *remarks(config, sample, rate, found)]))  # noqa: T201 - the output


if __name__ == "__main__":
    main()
