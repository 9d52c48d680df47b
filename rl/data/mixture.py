"""Which rows of several domains and data sets a run trains on, and in which order it meets them.

Every choice is among rows in the order that the seed gives them, so that a smaller choice is part of a larger one.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

from rl.data.rows.names import describe, repaired

Row = Mapping[str, Any]
Curriculum = Literal["shuffled", "easy_first", "hard_first"]


def source_of(row: Row) -> str:
    """The data set of a row: its `source`, else its `data_source`."""
    return repaired(str(row.get("source") or row.get("data_source") or ""))


def domain_of(row: Row) -> str:
    """The domain of a row, by its own word or by its data set's name; "" where neither says.

    >>> domain_of({"data_source": "simulation__arcagi1"}), domain_of({"data_source": "web"})
    ('logic', '')
    """
    if row.get("domain"):
        return str(row["domain"])
    try:
        return describe(source_of(row)).domain
    except ValueError:
        return ""


def in_proportion(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """How many of `most` each part gives, in proportion to its size: whole shares, then the largest remainders.

    >>> in_proportion({"hitab": 4300, "multihier": 1500}, 3072)
    {'hitab': 2278, 'multihier': 794}
    """
    total = sum(sizes.values())
    if total <= most:
        return dict(sizes)
    exact = {name: Fraction(most * size, total) for name, size in sizes.items()}
    given = {name: int(share) for name, share in exact.items()}
    last = sorted(exact, key=lambda name: (given[name] - exact[name], name))
    for name in last[: most - sum(given.values())]:
        given[name] += 1
    return given


def sampled(rows: Sequence[Any], most: int | None) -> list[Any]:
    """At most so many rows, of each data set in proportion to its rows, in the order they had."""
    if most is None:
        return list(rows)
    return _first_of(rows, source_of, in_proportion(Counter(map(source_of, rows)), most))


def of_each_domain(rows: Sequence[Any], most: int | None) -> list[Any]:
    """At most so many rows of each domain, of each of its data sets in proportion, in the order they had."""
    if most is None:
        return list(rows)
    sizes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        sizes[domain_of(row)][source_of(row)] += 1
    given = {
        f"{domain}:{source}": count
        for domain, sources in sizes.items()
        for source, count in in_proportion(sources, most).items()
    }
    return _first_of(rows, lambda row: f"{domain_of(row)}:{source_of(row)}", given)


def _first_of(rows: Sequence[Any], key: Callable[[Row], str], given: Mapping[str, int]) -> list[Any]:
    left = dict(given)
    kept = []
    for row in rows:
        if left[key(row)] > 0:
            left[key(row)] -= 1
            kept.append(row)
    return kept


def pass_rate(row: Row, model: str) -> Fraction | None:
    """The share of a model's samples that were right, as the row's `pass_rates` say; None if they do not."""
    stored = row.get("pass_rates") or "{}"
    one = (json.loads(stored) if isinstance(stored, str) else stored).get(model)
    return Fraction(one["correct"], one["n"]) if one and one["n"] else None


def ordered(rows: Sequence[Any], curriculum: Curriculum, model: str) -> list[Any]:
    """Rows in a curriculum's order; rows of one pass rate stay in the order they had.

    Raises:
        ValueError: a row has no pass rate of that model.
    """
    if curriculum == "shuffled":
        return list(rows)
    rates = [pass_rate(row, model) for row in rows]
    for row, rate in zip(rows, rates, strict=True):
        if rate is None:
            raise ValueError(
                f"row {row['id']} has no pass rate of {model}, which curriculum={curriculum} goes by; measure it with "
                "python -m rl.difficulty, or name another curriculum_model"
            )
    sign = -1 if curriculum == "easy_first" else 1
    order = sorted(range(len(rows)), key=lambda number: sign * (rates[number] or 0))
    return [rows[number] for number in order]
