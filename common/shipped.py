"""Configs that come with the toolkit, found from any folder.

In a checkout they lie at its top, in an installed toolkit inside the package `common`. A path means what it says first:
only where nothing is there is the toolkit's own file meant.
"""

import importlib.util
import sys
from functools import cache
from importlib import resources
from pathlib import Path

VERSION = "0.2.0"
"""Of the toolkit; `setup.py` reads it here."""

PACKAGES = ("common", "eval", "filter", "pretrain", "rephrase", "rl")
"""The toolkit's top-level packages."""


@cache
def configs_folder() -> Path:
    """The folder of configs: inside `common` where the toolkit was installed from a wheel, else beside the packages."""
    package = Path(str(resources.files("common")))
    return package / "configs" if (package / "configs").is_dir() else package.parent / "configs"


def found(path: str) -> str:
    """The path itself, or where our config of that name lies, if nothing is there.

    >>> Path(found("configs/filter/quickstart.yaml")).name, found("configs/filter/nothing.yaml")
    ('quickstart.yaml', 'configs/filter/nothing.yaml')
    """
    head, slash, rest = path.partition("/")
    if head != "configs" or not slash or Path(path).exists():
        return path
    place = configs_folder() / rest
    return str(place) if place.exists() else path


def scripts_folder() -> Path:
    """The folder of scripts: inside `common` where the toolkit was installed from a wheel, else beside the packages."""
    package = Path(str(resources.files("common")))
    return package / "scripts" if (package / "scripts").is_dir() else package.parent / "scripts"


def version() -> str:
    """The toolkit's version, where it lies, and the Python that runs it: what a report of a fault should begin with."""
    home = Path(str(resources.files("common"))).parent
    return f"repro-toolkit {VERSION} in {home}, Python {sys.version.split()[0]}"


def foreign_package() -> str:
    """The place of a package that has one of our names and is not ours; empty if there is none.

    Import names are flat, so that a folder `eval` where a command is given hides ours.
    """
    home = Path(str(resources.files("common"))).parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if not Path(place).resolve().is_relative_to(home.resolve()):
                return str(place)
    return ""
