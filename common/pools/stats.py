"""Counts of a stage's work on one shard or many, and how they add up."""

from collections.abc import Iterable, Mapping
from typing import Any

Stats = dict[str, Any]
"""Name → number, text that all shards share, or a mapping of the same kind."""

NO_DOCUMENT = frozenset(
    (
        "not_json",
        "no_object",
        "no_text",
        "too_deep",
        "line_too_long",
        "bad_cell",
        "broken_row_group",
        "broken_compression",
    )
)
"""Reasons for which a line or row is no document at all."""

OWN = ("shard", "files")
"""What stats say of one shard alone."""


def add_stats(first: Mapping[str, Any], second: Mapping[str, Any]) -> Stats:
    """Add two shards' stats, number by number; order does not matter. What is one shard's own goes: name and files.

    Raises:
        ValueError: they were made with two configurations.
    """
    total: Stats = {}
    for key in [*first, *(key for key in second if key not in first)]:
        if key in OWN:
            continue
        if first.get(key) is None or second.get(key) is None:
            total[key] = second.get(key) if first.get(key) is None else first[key]
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
        if value.__class__ is not int and isinstance(value, Mapping):  # most are int, and that is seen sooner
            count_into(stats.setdefault(name, {}), value)
        else:
            stats[name] = stats.get(name, 0) + value


def tally(names: Iterable[str]) -> dict[str, int]:
    """How often each name comes, in the order in which they first come: a `Counter` for a few, and faster.

    >>> tally(["b", "a", "b"])
    {'b': 2, 'a': 1}
    """
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def sum_stats(stats: Iterable[Stats]) -> Stats:
    """All shards' stats as one; empty for none."""
    total: Stats = {}
    for one in stats:
        total = add_stats(total, one)
    return total


def documents_in(stats: Mapping[str, Any]) -> int:
    """How many of the lines or rows that were read were documents."""
    return int(stats["docs_in"]) - sum(count for reason, count in stats["drops"].items() if reason in NO_DOCUMENT)


def refuse_no_documents(stats: Mapping[str, Any], pool: object) -> None:
    """Say that a pool is none: it has lines or rows, and none of them is a document.

    Raises:
        ValueError: that is so.
    """
    if stats and stats["docs_in"] and not documents_in(stats):
        drops = ", ".join(f"{reason} {count:,}" for reason, count in sorted(stats["drops"].items()))
        raise ValueError(
            f"no documents in {pool}: {stats['docs_in']:,} lines or rows, none of them with a text in a field `text` "
            f"({drops})"
        )
