"""Counts of a stage's work on one shard or many, and how they add up."""

from collections.abc import Iterable, Mapping
from typing import Any

Stats = dict[str, Any]
"""Name → number, text that all shards share, or a mapping of the same kind."""


def add_stats(first: Mapping[str, Any], second: Mapping[str, Any]) -> Stats:
    """Add two shards' stats, number by number; order does not matter. The shard's name goes.

    Raises:
        ValueError: they were made with two configurations.
    """
    total: Stats = {}
    for key in [*first, *(key for key in second if key not in first)]:
        if key == "shard":
            continue
        if key not in first or key not in second:
            total[key] = first.get(key, second.get(key))
            continue
        one, other = first[key], second[key]
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            total[key] = add_stats(one, other)
        elif isinstance(one, str) or isinstance(other, str):
            if one != other:
                raise ValueError(f"stats of two configurations do not add: {key} is {one!r} and {other!r}")
            total[key] = one
        else:
            total[key] = one + other
    return total


def count_into(stats: Stats, counts: Mapping[str, Any]) -> None:
    """Add one result's counts to a shard's stats, in place: `add_stats` for what happens once a document.

    >>> stats = {"tokens": 3}
    >>> count_into(stats, {"tokens": 4, "flags": {"short": 1}})
    >>> stats
    {'tokens': 7, 'flags': {'short': 1}}
    """
    for name, value in counts.items():
        if isinstance(value, Mapping):
            count_into(stats.setdefault(name, {}), value)
        else:
            stats[name] = stats.get(name, 0) + value


def sum_stats(stats: Iterable[Stats]) -> Stats:
    """All shards' stats as one; empty for none."""
    total: Stats = {}
    for one in stats:
        total = add_stats(total, one) if total else dict(one)
    return total
