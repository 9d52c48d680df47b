"""Select the data: score pools, keep the best of each, remove duplicates and test items, mix into one pool.

Usage:
    python -m filter.run CONFIG.yaml source_ref_paths=ORGANIC,RECYCLED output_dir=OUT
    python -m filter.run configs/filter/repro.yaml source_ref_paths=ORGANIC,RECYCLED output_dir=OUT workers=16
    python -m filter.run CONFIG.yaml source_ref_paths=POOL output_dir=OUT tokens_for=411m_1x tokenizer=FOLDER

Sources are matched with `source_ref_paths` in order: the first rule is for the first pool, and so on. A pool is a
folder, a glob, a file, an fsspec URL, or a DCLM dataset reference (`.json` with `dataset_url`). The output is one pool
of shards, each document with its scores, its `token_count` and the `source` it came from, and `dataset.json`, which
says what was kept of each source and why: thresholds, tokens, histograms, counts of every step by reason.

Every step leaves its pool under `work`; a rerun of the same command skips what is done, and another selection over the
same scores reuses them when it names the same `work`.

Exit codes: 0; 2 for a mistake in the command; 1 where a shard could not be read at all: it is counted and named, in
`dataset.json` too (`unreadable`), and the pool is made of the others.

What Parquet keeps: an output as Parquet has the types of the sources' first Parquet shards, a NaN becomes null.

Differs from the paper (arXiv:2510.10681):
    1. The recycled threshold is solved for the budget (the paper's number is not published), exact to one document;
       `exact: false` keeps all documents that tie at it.
    2. Duplicates and test items can be taken out (`dedup`, `decontaminate`); neither is on unless asked for.
"""

import json
from typing import Any

from common.command import entry_point, fail, parse, usage_errors
from filter.config import FilterConfig


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, run the recipe, print what was kept."""
    config = parse(FilterConfig, __doc__, argv, plan=_plan)
    from filter.recipe import Recipe
    from filter.summary import table

    with usage_errors():
        recipe = Recipe(config)
        recipe.check()
        # whether the pools can fill a budget is known only after scoring, and is a user's mistake too
        dataset = recipe.run()
    print(table(dataset))  # noqa: T201 - the command's output
    figures = {"output_dir": config.output_dir, **{name: dataset[name] for name in ("documents", "tokens")}}
    print(json.dumps(figures))  # noqa: T201 - the command's output
    if dataset.get("unreadable"):
        names = dataset["unreadable"]
        fail(f"{len(names)} shards could not be read: {', '.join(names)}; all others are in the pool", code=1)


def _plan(config: FilterConfig) -> dict[str, Any]:
    from filter.recipe import Recipe

    recipe = Recipe(config)
    recipe.check()
    return recipe.plan()


if __name__ == "__main__":
    main()
