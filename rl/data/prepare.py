"""Prepare a published data set for training.

Usage:
    python -m rl.data.prepare story source=BOOKS out=rl_data          next chapters: see `rl.data.story.datapoints`
    python -m rl.data.prepare rlpr source=PARQUET_OR_HUB_ID out=FILE  questions with answers: see `rl.data.sources.rlpr`

`python -m rl.data.prepare NAME --help` says more.
"""

import sys
from collections.abc import Sequence

from common.command import entry_point, fail


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
    else:
        fail(f"no data set {name!r}; there are: story, rlpr")


if __name__ == "__main__":
    main()
