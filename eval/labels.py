"""Names for files that are shown beside each other: no two alike."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def distinct_labels(paths: Sequence[str | Path], given: Sequence[str | None] = ()) -> list[str]:
    """A name for each file: the one given, or its own; where two would be alike, as much of their paths as it takes.

    Args:
        paths: files or folders.
        given: a name for each that it would rather have, such as a record's own; None or "" is none.

    Raises:
        ValueError: one file is named twice.

    >>> distinct_labels(["base/chapters.jsonl", "rl/chapters.jsonl", "gold.jsonl"])
    ['base/chapters', 'rl/chapters', 'gold']
    >>> distinct_labels(["a/m.json", "a/n.json", "a/o.json"], ["heavy", "heavy", ""])
    ['heavy (m)', 'heavy (n)', 'o']
    """
    places = [Path(path).expanduser().resolve() for path in paths]
    twice = next((str(path) for path, place in zip(paths, places, strict=True) if places.count(place) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} is named twice; what would be compared is the same file")
    names = list(given) or [None] * len(places)
    depths = [0 if name else 1 for name in names]
    while True:
        labels = [_label(*one) for one in zip(places, names, depths, strict=True)]
        counts = Counter(labels)
        if max(counts.values(), default=1) == 1:
            return labels
        # The whole path is reached in the end, and no two files have the same one.
        depths = [depth + (counts[label] > 1) for label, depth in zip(labels, depths, strict=True)]


def _label(place: Path, name: str | None, depth: int) -> str:
    """A file's last parts, without the ending of a name that has one."""
    parts = [*place.parts[:-1], place.stem if place.suffix in (".json", ".jsonl", ".csv") else place.name]
    ending = "/".join(parts[-depth:]) if depth <= len(parts) else f"{place}"
    return ending if not name else f"{name} ({ending})" if depth else name
