"""Fetch what others publish, to where the configs look for it.

Usage:
    python -m common.download --list                         names, repositories, sizes, licences, places
    python -m common.download fasttext neox-tokenizer core
    python -m common.download dclm-refinedweb numbers=0-7    files of a numbered set
    python -m common.download guru to=elsewhere/guru
    python -m common.download guru --dry-run

A download that was stopped goes on when the command is given again, and one that is done is not repeated. What comes
from a hub is pinned to the commit that the first download saw, which is written into `.download.json` beside the files,
and every file is checked by the digest that the hub gives. Files at plain addresses are checked by their length, and by
a digest where the entry has one. `verify=true` reads all files again. The hub's own variables are respected: HF_HOME,
HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE.
"""

from typing import Annotated

from pydantic import model_validator

from common.command import entry_point, fail, parse, usage_errors
from common.config import HOW, RunConfig
from common.downloads.catalogue import Offered, named, read_catalogue, read_numbers


class DownloadConfig(RunConfig):
    """What is wanted, and where it goes."""

    names: list[str] = []
    """Names of the list."""

    listing: Annotated[bool, HOW] = False
    """Show what there is."""

    numbers: str = ""
    """Which files of a numbered set: `3`, `0-7` or `0-3,9`; all if empty."""

    to: str = ""
    """Another place than the entry's own; for one name only."""

    revision: str = ""
    """Another commit, tag or branch than the entry's; for one name only."""

    catalogue: Annotated[str, HOW] = ""
    """Another file of entries than the toolkit's `configs/downloads.yaml`."""

    verify: Annotated[bool, HOW] = False
    """Read all files that are there, and fetch those again that do not have the digest of before."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> "DownloadConfig":
        if not self.names and not self.listing:
            raise ValueError("name something to fetch; --list shows what there is")
        if len(self.names) > 1 and (self.to or self.revision):
            raise ValueError("to= and revision= are for one name at a time")
        return self


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the names, then list them or bring them one after another."""
    config = parse(
        DownloadConfig,
        __doc__,
        argv,
        positional=("names",),
        rename={"list": "listing"},
        plan=lambda config: {entry.name: f"{entry.source} to {config.to or entry.to}" for entry in chosen(config)},
    )
    with usage_errors():
        entries = chosen(config)
    if config.listing:
        show(entries)
        return
    from common.downloads.bring import bring

    for entry in entries:
        to = config.to or entry.to
        record = bring(entry, to, config.numbers, config.revision, config.verify)
        size = sum(about["bytes"] for about in record.files.values())
        about = f"{to}: {len(record.files)} files, {size / 1e6:,.1f} MB of {entry.source} at {record.commit}"
        print(about + (f"\nnext: {entry.then}" if entry.then else ""))  # noqa: T201 - the command's output


def chosen(config: DownloadConfig) -> list[Offered]:
    """The entries that are asked for; all of them for a list without names.

    Raises:
        ValueError: there is none of a name, or of a number.
    """
    entries = read_catalogue(config.catalogue).published
    found = named(entries, config.names) if config.names else entries
    for entry in found:
        if entry.numbers and config.names:
            read_numbers(config.numbers, entry.numbers)
        elif config.numbers and config.names:
            fail(f"{entry.name} is not a numbered set; leave out numbers=")
    return found


def show(entries: list[Offered]) -> None:
    """Print a paragraph for each entry."""
    for entry in entries:
        rows = {
            "from": f"{entry.source} ({entry.pinned})",
            "size": entry.size,
            "licence": entry.licence,
            "to": entry.to,
            "wanted by": entry.wanted_by,
        }
        lines = [f"  {name:<10} {text}" for name, text in rows.items()]
        print("\n".join([f"{entry.name}: {entry.what}", *lines, ""]))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
