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
import sys
from collections.abc import Sequence

from common.command import entry_point, fail, parse, usage_errors


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Hand the command line to the data set's own module."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments.pop(0) if arguments else ""
    if name in ("-h", "--help"):
        print(__doc__)  # noqa: T201 - the command's output
    elif name == "story":
        from rl.data.story import datapoints as story

        story.main(arguments)
    elif name == "rlpr":
        from rl.data.sources import rlpr

        rlpr.main(arguments)
    elif name == "guru":
        from rl.data.sources import released

        released.main(arguments)
    elif name == "list":
        from rl.data.sources.registry import DATA_SETS

        for source, data_set in DATA_SETS.items():
            print(f"{source:<28} {', '.join(data_set.files):<40} {data_set.hub}")  # noqa: T201 - the command's output
    else:
        prepare(name, arguments)


def prepare(name: str, arguments: Sequence[str]) -> None:
    """Build one data set of the registry, and print its report."""
    from rl.data.sources.registry import named

    try:
        data_set = named(name)
    except ValueError as error:
        fail(str(error))
    usage = f"{__doc__}\n{data_set.source}: {data_set.expects}. From {data_set.hub} ({data_set.licence})."
    config = parse(
        data_set.config,
        usage,
        arguments,
        plan=lambda config: {"reads": config.source or data_set.hub, "writes": config.out},
    )
    from rl.data.sources.build import NothingKept, build

    try:
        with usage_errors():
            report = build(data_set, config)
    except NothingKept as error:
        fail(str(error), code=1)
    print(json.dumps(report))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
