"""Rollouts of a run's `samples.jsonl`: read whatever a kill left of it, and the few that a reader is shown."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import pstdev
from typing import Any

import orjson

Rollout = Mapping[str, Any]


def read_rollouts(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file one after the other; a line that was cut short, or is no rollout, is passed over."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict) and {"step", "mode", "id", "rewards"} <= row.keys():
                yield row


@dataclass
class ShownRollouts:
    """What a page shows of a run's rollouts."""

    held_out: dict[str, dict[int, Rollout]] = field(default_factory=dict)
    """Id of a held-out prompt → step → its first completion."""
    group: list[Rollout] = field(default_factory=list)
    """One group of training: of the last step that was kept, the prompt whose completions differ most in reward."""


def shown_rollouts(path: Path, prompts: int = 2) -> ShownRollouts:
    """Two held-out prompts at every evaluation, and one group; which prompts is drawn by the hashes of their ids."""
    shown = ShownRollouts()
    first: int | None = None
    step = -1
    groups: defaultdict[str, list[Rollout]] = defaultdict(list)
    for row in read_rollouts(path):
        key = str(row["id"])
        if row["mode"] == "eval":
            first = row["step"] if first is None else first
            if row["step"] == first:
                shown.held_out.setdefault(key, {}).setdefault(first, row)
                if len(shown.held_out) > prompts:
                    del shown.held_out[max(shown.held_out, key=_draw)]
            elif key in shown.held_out:
                shown.held_out[key].setdefault(row["step"], row)
        elif row["step"] >= step:
            if row["step"] > step:
                step = row["step"]
                groups.clear()
            groups[key].append(row)
    if groups:
        shown.group = sorted(max(groups.values(), key=_spread), key=_earned, reverse=True)
    return shown


def _draw(name: str) -> str:
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()


def _spread(group: Iterable[Rollout]) -> float:
    totals = [row["total"] for row in group if row.get("total") is not None]
    return pstdev(totals) if len(totals) > 1 else 0.0


def _earned(row: Rollout) -> float:
    total = row.get("total")
    return float("-inf") if total is None else float(total)
