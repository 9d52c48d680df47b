"""Rows from one layout into another, without loss.

Usage:
    python -m rl.data.convert guru/train/math__combined_54.4k.parquet rows.parquet
    python -m rl.data.convert guru/ rows.parquet                     a folder of files of any layouts, into one
    python -m rl.data.convert rows.parquet chats.jsonl               to `messages`
    python -m rl.data.convert rows.parquet verl.parquet to=verl      one schema for all domains, verl 0.9
    python -m rl.data.convert rows.parquet folder/ to=guru           as Guru's files: one for each Arrow schema
    python -m rl.data.convert mine.jsonl rows.parquet source=math__mine

FROM's layout is read from its columns: this toolkit's rows, Guru's files (plain, compressed, with pass rates), verl,
TRL, `messages` or taskset JSONL. Unless `to` says otherwise, a name ending in `.jsonl` asks for `messages`, and any
other for rows; rows become Guru's layout. Rows keep what only the foreign file can say, so that the way back gives an
equal file, Arrow schema included.
"""

import json
from typing import Annotated, Any, Literal

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out, RunConfig


class ConvertConfig(RunConfig):
    """What to read and what to write."""

    from_path: str
    """File, folder or glob to read."""

    to_path: Annotated[str, HOW, Out(folder=None)]
    """File to write; a folder where the layout is Guru's and there are several Arrow schemas."""

    to: Literal["", "rows", "guru", "guru-compressed", "verl", "trl", "messages", "taskset"] = ""
    """Layout to write."""

    source: str = ""
    """Name of the data set of rows that name none that is known, e.g. `math__mine`."""


def target_layout(config: ConvertConfig, found: set[str]) -> str:
    """The layout to write for the layouts that were found."""
    if config.to:
        return config.to
    if config.to_path.endswith(".parquet"):
        return "guru" if found == {"rows"} else "rows"
    return "messages" if ".jsonl" in config.to_path else "guru"


def convert(config: ConvertConfig) -> dict[str, Any]:
    """Write the file; returns how many rows there were, the layouts, and what was written.

    Raises:
        ValueError: something cannot be read or written without loss.
    """
    from rl.data.rows.files import files_of, layout_of, read_any, schemas_of, write_any
    from rl.data.rows.guru import RATE

    found = {layout_of(file) for file in files_of(config.from_path)}
    layout = target_layout(config, found)
    counts = {"rows": 0, "pass_rates_off_the_grid_of_16": 0}
    for row in read_any(config.from_path, config.source):
        counts["rows"] += 1
        counts["pass_rates_off_the_grid_of_16"] += any(name.endswith(RATE) for name in json.loads(row["info"]))
    if not counts["rows"]:
        raise ValueError(f"{config.from_path} holds no row")
    schemas = schemas_of(config.from_path)
    written = write_any(config.to_path, lambda: read_any(config.from_path, config.source), layout, schemas)
    return {**counts, "from": sorted(found), "to": layout, "written": written}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, convert, print what was done."""
    config = parse(
        ConvertConfig,
        __doc__,
        argv,
        positional=("from_path", "to_path"),
        plan=lambda config: {"reads": config.from_path, "writes": config.to_path},
    )
    with usage_errors():
        print(json.dumps(convert(config)))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
