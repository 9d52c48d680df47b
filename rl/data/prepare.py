"""Prepare a published data set for training.

Usage:
    python -m rl.data.prepare story source=BOOKS out=rl_data          next chapters: see `rl.data.story.datapoints`
    python -m rl.data.prepare rlpr source=PARQUET_OR_HUB_ID out=FILE  questions with answers: see `rl.data.sources.rlpr`
    python -m rl.data.prepare guru source=FOLDER out=rows.parquet     Guru's released files, all domains in one
    python -m rl.data.prepare NAME source=PATH_OR_HUB_ID out=FILE.parquet tokenizer=FOLDER [key=value ...]
    python -m rl.data.prepare list                                    the other names

NAME is a data set of `rl/data/README.md`. Its raw records are local files of any usual form, or a hub data set at a
pinned revision. Every row's own gold answer is judged first, and a row whose answer is wrong is left out. Rows left out
are counted by reason, and named in `FILE.parquet.rejects.jsonl`; published counts stand beside ours in the report.
A build that was killed goes on where it was. `python -m rl.data.prepare NAME --help` says more.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from common.command import Command, entry_point, fail, parse_command, usage_errors
from common.config import RunConfig
from rl.data.raw.dataset import DataSet, NothingKept
from rl.data.sources import released, rlpr
from rl.data.sources.registry import DATA_SETS, SHORT_NAMES
from rl.data.story import datapoints as story


class ListConfig(RunConfig):
    """Shows the data sets by name; it has no settings."""


def data_sets() -> dict[str, DataSet]:
    """Data sets by both of their names, the domain before it or not."""
    return {**{short: DATA_SETS[name] for short, name in SHORT_NAMES.items()}, **DATA_SETS}


def commands() -> dict[str, Command[Any]]:
    """What may stand behind the door's name."""

    found: dict[str, Command[Any]] = {
        "story": Command(story.StoryConfig, doc=story.__doc__, plan=_plan),
        "rlpr": Command(rlpr.RLPRConfig, doc=rlpr.__doc__, plan=_plan),
        "guru": Command(released.ReleasedConfig, doc=released.__doc__, plan=_plan),
        "list": Command(ListConfig),
    }
    for name, data_set in data_sets().items():
        about = f"{__doc__}\n{data_set.source}: {data_set.expects}. From {data_set.hub} ({data_set.licence})."
        found[name] = Command(data_set.config, doc=about, plan=partial(_plan, hub=data_set.hub))
    return found


def _plan(config: Any, hub: str = "") -> Mapping[str, Any]:
    return {"reads": config.source or hub, "writes": config.out}


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Read which data set is meant, build it, print what was kept."""
    name, config = parse_command(commands(), __doc__, argv)
    if name == "list":
        for source, data_set in DATA_SETS.items():
            print(f"{source:<28} {', '.join(data_set.files):<40} {data_set.hub}")  # noqa: T201 - the command's output
        return
    try:
        with usage_errors():
            report = prepare(name, config)
    except NothingKept as error:
        fail(str(error), code=1)
    print(json.dumps(report))  # noqa: T201 - the command's output


def prepare(name: str, config: Any) -> dict[str, Any]:
    """Build one data set; returns its report: `rows`, or rows by split, and `drops` by reason.

    Raises:
        ValueError: what is to be read cannot be.
        NothingKept: no row came of it.
    """
    if name == "guru":
        return released.convert(config)
    if name in ("story", "rlpr"):
        from common.tokens.counting import token_counter

        if name == "story":
            return story.build(config, token_counter(config.tokenizer))
        return rlpr.convert(config, token_counter(config.tokenizer) if config.tokenizer else None)
    from rl.data.sources.build import build

    return build(data_sets()[name], config)


if __name__ == "__main__":
    main()
