"""What can be downloaded: one entry for each name of `configs/downloads.yaml`."""

import difflib
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from common.config import ConfigError, RunConfig, load
from common.shipped import configs_folder


class Offered(RunConfig):
    """Something that others publish, on a hub or at a plain address."""

    name: str
    """What it is asked for by."""

    what: str
    """What it is, in a line."""

    hub: str = ""
    """Repository on the hub: `owner/name`."""

    kind: Literal["model", "dataset"] = "model"
    """Which of the hub's two sorts of repository it is."""

    url: str = ""
    """Plain address in place of a repository; `{number}` in it stands for each of `numbers`."""

    numbers: str = ""
    """The numbers that there are: `0-599`."""

    files: list[str] = ["*"]
    """Patterns of the repository's files that are wanted; `*` also means folders."""

    members: str = ""
    """The address is a tar archive, and members that match are wanted."""

    strip: int = 0
    """Folders taken off the front of a member's name."""

    revision: str = ""
    """Commit, tag or branch; a repository's `main` if empty."""

    sha256: dict[str, str] = {}
    """Digests that are known beforehand, by the file's name in its place."""

    size: str
    """About how much there is, to be read by people."""

    licence: str
    """What its publishers say."""

    to: str
    """Where it goes: a file if it ends like one, else a folder."""

    wanted_by: str
    """The commands or configs that look for it there."""

    then: str = ""
    """The command that makes what those configs want of it, if it is not used as it comes."""

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if bool(self.hub) == bool(self.url):
            raise ValueError(f"{self.name}: give hub=OWNER/NAME or url=ADDRESS, one of them")
        if "{number" in self.url and not self.numbers:
            raise ValueError(f"{self.name}: its address holds {{number}}, so it needs numbers=FIRST-LAST")
        return self

    @property
    def source(self) -> str:
        """Where it comes from, as a person would name it."""
        return self.hub or self.url

    @property
    def pinned(self) -> str:
        """The revision that is asked for where no other is."""
        return self.revision or ("main" if self.hub else "as published")

    @property
    def is_file(self) -> bool:
        """Whether one file is written, not a folder."""
        return bool(Path(self.to).suffix) and not self.numbers and not self.members

    def wants(self, file: str) -> bool:
        """Whether a file of the repository is wanted."""
        return any(fnmatchcase(file, pattern) for pattern in self.files)


class MadeHere(RunConfig):
    """Something that a command of ours makes, and that recipes look for."""

    place: str
    """File or folder; what lies in it is meant too."""

    command: str
    """What makes it."""


class Catalogue(RunConfig):
    """All that the recipes look for."""

    published: list[Offered] = []
    """What others publish."""

    made: list[MadeHere] = []
    """What comes from commands of ours."""


def read_catalogue(file: str = "") -> Catalogue:
    """The catalogue of a file; the toolkit's own if none is named.

    Raises:
        ValueError: it is no catalogue, or names an entry twice.
    """
    path = Path(file) if file else configs_folder() / "downloads.yaml"
    catalogue = load(Catalogue, [path])
    names = [entry.name for entry in catalogue.published]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{path} names {', '.join(twice)} twice")
    return catalogue


def named(entries: Sequence[Offered], names: Sequence[str]) -> list[Offered]:
    """The entries of these names, in their order.

    Raises:
        ValueError: there is none of a name; the nearest are given.
    """
    known = {entry.name: entry for entry in entries}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            raise ConfigError(f"nothing is called {name!r}; there are: {', '.join(near or known)}")
    return [known[name] for name in names]


def read_numbers(text: str, within: str) -> list[int]:
    """The numbers that `3`, `0-7` or `0-3,9` mean; all of `within` if the text is empty.

    Raises:
        ValueError: it means no number, or one that is not in `within`.

    >>> read_numbers("0-2,9", "0-599")
    [0, 1, 2, 9]
    """
    found: list[int] = []
    for part in (text or within).split(","):
        if not re.fullmatch(r"\s*\d+\s*(-\s*\d+\s*)?", part):
            raise ConfigError(f"numbers={text}: write 3, 0-7 or 0-3,9")
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    there = range(int(within.partition("-")[0]), int(within.partition("-")[2] or within.partition("-")[0]) + 1)
    astray = [number for number in found if number not in there]
    if astray or not found:
        raise ConfigError(f"numbers={text}: there are {within}")
    return sorted(set(found))
