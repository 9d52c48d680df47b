"""Configs that come with the toolkit, found from any folder.

In a checkout they lie at its top, in an installed toolkit inside the package `common`. A path means what it says first:
only where nothing is there is the toolkit's own file meant.
"""

from functools import cache
from importlib import resources
from pathlib import Path


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
