"""What to do about something that is not there: the one command that brings or makes it."""

import re
from pathlib import Path

from common.downloads.catalogue import Catalogue, read_catalogue
from common.shipped import configs_folder

PATH = re.compile(r"(?<![\w:/.~-])[\w.-]+(?:/[\w.*{}-]+)+")
"""A path in a message: names with slashes between, not an address and not from the root."""


def advice(message: str) -> str:
    """The command for the first thing in a message that is not there and can be had; empty if there is none.

    >>> advice("no model at models/general-verifier")
    'get it with: bash scripts/download.sh general-verifier'
    """
    catalogue = None
    for match in PATH.finditer(message):
        place = match.group().rstrip(".")
        if Path(place).exists():
            continue
        catalogue = catalogue or read_catalogue()
        if command := _command(place, catalogue):
            return command
    return ""


def _command(place: str, catalogue: Catalogue) -> str:
    wanted = Path(place)

    def inside(folder: str) -> bool:
        return wanted == Path(folder) or Path(folder) in wanted.parents

    # the longest place says it best: a model of a run lies in the folder of its data
    for made in sorted(catalogue.made, key=lambda one: -len(one.place)):
        if inside(made.place):
            return f"make it with: {made.command}"
    for entry in catalogue.published:
        target = _target(entry.then)
        if inside(entry.to):
            return f"get it with: bash scripts/download.sh {entry.name}"
        if target and inside(target):
            return f"get it with: bash scripts/download.sh {entry.name} && {entry.then}"
    return _run_that_exports(place)


def _target(command: str) -> str:
    """What a command writes: behind `out=` or `-o`."""
    found = re.search(r"(?:out=|-o )(\S+)", command)
    return found.group(1) if found else ""


def _run_that_exports(place: str) -> str:
    """The training run whose recipe writes into this place."""
    if "/export" not in place:
        return ""
    run = place.partition("/export")[0]
    for recipe in sorted((configs_folder() / "rl").glob("*.yaml")):
        if re.search(rf"^out: {re.escape(run)}\s*$", recipe.read_text(encoding="utf-8"), re.MULTILINE):
            stage = "sft" if recipe.name.startswith("sft_") else "rl"
            return f"make it with: bash scripts/{stage}.sh configs/rl/{recipe.name}"
    return ""
