"""Organic and recycled documents joined by id; percentiles of every measure, and the table."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PERCENTILES = (5, 25, 50, 75, 95)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Mean and the 5th, 25th, 50th, 75th and 95th percentile (linear between ranks); {} of nothing."""
    if not values:
        return {}
    import numpy as np

    cuts = np.percentile(values, PERCENTILES)
    return {"mean": float(np.mean(values)), **{f"p{p}": float(cut) for p, cut in zip(PERCENTILES, cuts, strict=True)}}


def summarize(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Percentiles of every number the rows carry, with `n`, the rows that have one."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, int | float))
    summary = {}
    for name in names:
        values = [float(row[name]) for row in rows if isinstance(row.get(name), int | float)]
        summary[name] = {"n": len(values), **percentiles(values)}
    return summary


def read_pairs(organic: str, recycled: str, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Recycled documents with `organic_text`, taken from the organic pool by `id` (`id#3` is the rollout 3 of `id`).

    Raises:
        ValueError: a recycled document has no organic text on either side.
    """
    from common.pools.shards import read_pool

    texts = {str(row["id"]): row["text"] for row in read_pool(organic)} if recycled else {}
    for count, row in enumerate(read_pool(recycled or organic)):
        if limit is not None and count >= limit:
            return
        key = str(row["id"])
        text = texts.get(key, texts.get(re.sub(r"#\d+$", "", key), row.get("organic_text")))
        if text is None:
            raise ValueError(f"document {key!r} has no organic text: neither in {organic} nor as 'organic_text'")
        yield {**row, "organic_text": text}


def chunk_records(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A recycled document's record of its chunks, if it says where each stands now; [] without one."""
    record = document.get("rephrase")
    chunks = record.get("chunks", []) if isinstance(record, dict) else []
    return chunks if any("out_start" in one for one in chunks) else []


def table(summary: Mapping[str, Mapping[str, float]]) -> str:
    """A summary as aligned text, one measure a line."""
    columns = ("n", "mean", *(f"p{p}" for p in PERCENTILES))
    lines = [f"{'':<20}" + "".join(f"{column:>9}" for column in columns)]
    for name, figures in summary.items():
        lines.append(f"{name:<20}{figures['n']:>9.0f}" + "".join(f"{figures[c]:>9.4f}" for c in columns[1:]))
    return "\n".join(lines)
