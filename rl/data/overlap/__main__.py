"""Leave out rows that copy each other or an evaluation question.

Usage:
    python -m rl.data.overlap math.parquet code.parquet out=clean.parquet
    python -m rl.data.overlap rows/*.parquet against=guru/offline_eval/*.parquet out=clean.parquet keep=earlier
    python -m rl.data.overlap math.parquet against=math_500.parquet out=flagged.parquet drop=false

A question goes if another one contains it (`keep=longer`) or if an earlier one contains it or is contained in it
(`keep=earlier`), in lower case. It also goes if it shares its words, 13 words in a row or, of code, 50 characters with
a question of `against`. Copies whose numbers alone differ stay, and are listed in the report: rules of likeness take
different questions for the same (arXiv:2506.14965).

Prints the report, which is written to `<out>.report.json`; `<out>.dropped.jsonl` says for each row that went why, and
which row it lost to.
"""

import json

from common.command import entry_point, parse, usage_errors
from rl.data.overlap.clean import OverlapConfig, clean


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, compare, print the report."""
    config = parse(
        OverlapConfig,
        __doc__,
        argv,
        positional=("files",),
        plan=lambda config: {"reads": ", ".join([*config.files, *config.against]), "writes": config.out},
    )
    with usage_errors():
        report = clean(config)
    report["near_copies"].pop("largest")
    print(json.dumps(report))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
