"""What each threshold of the gate would reject on recorded pairs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.faithfulness.pairs import chunk_records
from rephrase.gate.checks import failed, score
from rephrase.gate.config import CEILINGS, CHECKS

WITHOUT_ENCODER = tuple(name for name in CHECKS if name != "semantic")

FLOORS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Thresholds shown for what must be kept."""

CEILING_STEPS = (0.0, 0.002, 0.01, 0.03, 0.1, 0.3)
"""Thresholds shown for what must not be added."""


def chunk_pairs(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Organic and rephrased text of each chunk that went through a model; of the whole page where none is recorded."""
    organic = document["organic_text"].replace("\r\n", "\n")
    records = chunk_records(document)
    if not records:
        yield organic, document["text"]
    for one in records:
        if one["status"] == "ok" and one.get("out_start") is not None:
            yield organic[one["start"] : one["end"]], document["text"][one["out_start"] : one["out_end"]]


def rejections(pairs: Sequence[tuple[str, str]]) -> dict[str, dict[float, float]]:
    """For each check and threshold the share of the pairs that it alone would reject."""
    scores = [score(organic, text, WITHOUT_ENCODER) for organic, text in pairs]
    return {
        name: {
            threshold: sum(failed(one, {name: threshold}) is not None for one in scores) / len(scores)
            for threshold in (CEILING_STEPS if name in CEILINGS else FLOORS)
        }
        for name in WITHOUT_ENCODER
    }


def table(found: Mapping[str, Mapping[float, float]], pairs: int) -> str:
    """One line per check: threshold and the percentage it rejects."""
    lines = [f"rejected of {pairs} pairs, by check and threshold"]
    for name, shares in found.items():
        sign = "above" if name in CEILINGS else "below"
        cells = "  ".join(f"{threshold:g}: {100 * share:.1f} %" for threshold, share in shares.items())
        lines.append(f"{name:<16}{sign} {cells}")
    return "\n".join(lines)
