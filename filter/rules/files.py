"""Word lists, domains and the language identifier that rules read."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=2)
def language_model(path: str) -> Any:
    """The fastText language identifier, opened once per process."""
    if not Path(path).is_file():
        raise ValueError(f"no language identifier at {path}; fetch fastText's lid.176.bin")
    import fasttext

    return fasttext.load_model(path)


@lru_cache(maxsize=2)
def read_domains(path: str) -> frozenset[str]:
    """The domains of a list file, one a line."""
    return frozenset(line.lower().removeprefix("www.") for line in _lines(path))


@lru_cache(maxsize=2)
def phrase_pattern(path: str) -> re.Pattern[str]:
    """One pattern that finds any phrase of a list where it stands as a whole word, whatever characters it begins and
    ends with; an empty list finds nothing.

    `\\b` would not do: beside a `+`, a full stop or an emoji it asks for a letter on the other side.
    """
    phrases = sorted(set(map(str.lower, _lines(path))))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, phrases))})(?!\w)" if phrases else r"(?!)")


def _lines(path: str) -> list[str]:
    if not Path(path).is_file():
        raise ValueError(f"no list at {path}")
    return [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
