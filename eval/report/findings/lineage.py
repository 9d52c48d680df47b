"""What was made from what: pools, models and scores as nodes, and how many documents and tokens went along each arrow.

A stage's resolved config names what it read. A path there is another stage's if it is that stage's folder or lies in
it; where the runs were moved since, the ending of the path decides.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from eval.report.stages import Stage


class Node(NamedTuple):
    """A pool, a model or scores."""

    name: str
    kind: str
    documents: int | None
    """That it holds or was made of."""
    tokens: int | None
    drops: dict[str, int]
    """Reason → documents that did not come through."""


class Arrow(NamedTuple):
    """That one was made from another, and what went along."""

    source: str
    target: str
    documents: int | None = None
    tokens: int | None = None


class Lineage(NamedTuple):
    """All of a report's nodes and arrows."""

    nodes: list[Node]
    arrows: list[Arrow]


def lineage(stages: Sequence[Stage]) -> Lineage:
    """The nodes and arrows of some stages; what they read from elsewhere is a node too, by its path's end."""
    nodes = {stage.name: _node(stage) for stage in stages}
    arrows: dict[tuple[str, str], Arrow] = {}
    for stage in stages:
        for path, is_model, count in _inputs(stage):
            found = _stage_at(path, stages, stage)
            name = found.name if found else _short(path)
            if not found:
                nodes.setdefault(name, Node(name, "model" if is_model else "pool", None, None, {}))
            arrows.setdefault((name, stage.name), Arrow(name, stage.name, *count))
    used = {name for arrow in arrows.values() for name in arrow[:2]}
    return Lineage([node for node in nodes.values() if node.name in used], list(arrows.values()))


def counted(stage: Stage) -> tuple[int | None, int | None]:
    """Documents and tokens that a stage holds, or that a model was trained or scored on."""
    stats, dataset = stage.stats, stage.dataset
    if stage.kind == "evaluation":
        scored = stage.record.get("bpb_details", {})
        return scored.get("documents"), scored.get("tokens")
    if stage.kind == "pretraining":
        trained = [row["tokens"] for row in stage.metrics if isinstance(row.get("tokens"), int)]
        return None, max(trained, default=None)
    if stage.kind in ("rl", "sft"):
        return stage.done.get("data", {}).get("train_rows") or stage.done.get("rows"), None
    documents = _first(dataset.get("documents"), stats.get("docs_out"))
    tokens = _first(dataset.get("num_tokens"), dataset.get("tokens"), stats.get("tokens_kept"), stats.get("tokens_out"))
    return documents, tokens


def drops(stage: Stage) -> dict[str, int]:
    """Reason → documents that a stage dropped: of all its steps, or of its shards."""
    found: dict[str, int] = {}
    for one in stage.dataset.get("steps") or [stage.stats]:
        for reason, number in one.get("drops", {}).items():
            found[reason] = found.get(reason, 0) + number
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _node(stage: Stage) -> Node:
    return Node(stage.name, stage.kind, *counted(stage), drops(stage))


def _inputs(stage: Stage) -> Iterator[tuple[str, bool, tuple[int | None, int | None]]]:
    """(path, whether it is a model, documents and tokens that came from there) of all that a stage read."""
    config, stats = stage.config, stage.stats
    read = stats.get("docs_in"), _first(stats.get("tokens_organic"), stats.get("tokens"))
    if stage.kind == "selected":
        sources = stage.dataset.get("sources") or []
        if sources:
            for one in sources:
                yield str(one["path"]), False, (one.get("documents_in"), one.get("tokens_in"))
            return
        for path in config.get("source_ref_paths") or []:
            yield str(path), False, (None, None)
    trained = (None, counted(stage)[1]) if stage.kind == "pretraining" else read
    yield from ((path, False, trained) for key in ("input", "data_config") for path in _data(config.get(key)))
    yield from ((path, False, counted(stage)) for key in ("data", "held_out") for path in _data(config.get(key)))
    for key in ("model", "pretrained"):
        if stage.kind != "pretraining" and isinstance(config.get(key), str) and config[key]:
            yield config[key], True, (None, None)


def _data(value: Any) -> Iterator[str]:
    """The paths of a config's `data`: one, a list, or those in a mapping of settings."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _data(one.get("path") if isinstance(one, Mapping) else one)
    elif isinstance(value, Mapping):
        for key in ("pool", "train", "path", "data"):
            yield from _data(value.get(key))


def _stage_at(path: str, stages: Sequence[Stage], own: Stage) -> Stage | None:
    """The stage that a path is or lies in; where folders were moved, the one whose path ends alike longest."""
    others = [stage for stage in stages if stage is not own]
    place = Path(path).resolve()
    inside = [stage for stage in others if place == stage.path.resolve() or stage.path.resolve() in place.parents]
    if inside:
        return max(inside, key=lambda stage: len(stage.path.resolve().parts))
    if place.exists():
        return None
    parts = PurePath(path).parts
    ends = {stage.name: _alike(parts, stage.path.resolve().parts) for stage in others}
    best = max(others, key=lambda stage: ends[stage.name], default=None)
    return best if best is not None and ends[best.name] >= 2 else None


def _alike(parts: Sequence[str], other: Sequence[str]) -> int:
    """How many last parts of `other` stand together at the end of `parts` or before `export`."""
    kept = [part for part in parts if part != "export"]
    count = 0
    for one, two in zip(reversed(kept), reversed(other), strict=False):
        if one != two:
            break
        count += 1
    return count


def _short(path: str) -> str:
    """The end of a path that is nobody's here."""
    return "/".join(PurePath(path).parts[-2:]) or path


def _first(*values: Any) -> int | None:
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), None)
