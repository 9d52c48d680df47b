"""The colour of each pool and run: the same in every chart of a page."""

from collections.abc import Iterable

from eval.report.style import PALETTE

USUAL = {"organic": 0, "recycled": 1, "mixed": 2, "rl": 3, "pool": 5}
"""What is nearly always there looks the same in every report."""

FOLDERS = ("models", "scores", "tokens", "logs", "runs", "records")
"""Parts of a name that say what is done with a pool or run and not which one it is."""


class Colours:
    """Hands out colours: names that mean the same pool or run share one.

    >>> colours = Colours(["models/organic", "a/rl", "scores/organic", "tokens_organic"])
    >>> [colours.of(name) for name in ("organic", "scores/organic", "a/rl", "b/rl")]
    [0, 0, 3, 1]
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._numbers: dict[str, int] = {}
        for name in sorted(names, key=lambda name: subject(name).rpartition("/")[2] not in USUAL):
            self.of(name)

    def of(self, name: str) -> int:
        """The number of a name's colour; from `len(PALETTE)` on colours come again and lines are dashed."""
        key = subject(name)
        if key not in self._numbers:
            taken = set(self._numbers.values())
            usual = USUAL.get(key.rpartition("/")[2])
            free = (number for number in range(len(taken) + 1) if number not in taken)
            self._numbers[key] = usual if usual is not None and usual not in taken else next(free)
        return self._numbers[key]


def subject(name: str) -> str:
    """Which pool or run a name is about: without the folders of what is done with it.

    >>> subject("first/models/organic"), subject("tokens_organic"), subject("models")
    ('first/organic', 'organic', 'models')
    """
    parts = name.split("/")
    kept = [part for part in parts[:-1] if part not in FOLDERS] + [parts[-1].removeprefix("tokens_")]
    return "/".join(kept)


def colour_class(number: int) -> str:
    """The class of the page's style that has a colour."""
    return f"c{number % len(PALETTE)}"
