"""Read eval/published/*.json: the papers' cells, each with source and setting."""

import difflib
import functools
import json
from importlib import resources
from typing import Any, NamedTuple

SETTINGS = ("samples", "temperature", "top_p", "top_k", "max_tokens", "mode", "judge")
"""What a published cell says of how it was made."""


class Published(NamedTuple):
    """A CORE score from a paper or a public record; None where only one version is known."""

    v1: float | None
    v2: float | None
    source: str


class PublishedCell(NamedTuple):
    """One figure of a paper, as a fraction, with how it was made."""

    score: float
    settings: dict[str, Any]
    source: str
    note: str


class PublishedModel(NamedTuple):
    """A model's cells in a paper's table."""

    name: str
    title: str
    source: str
    cells: dict[str, PublishedCell]
    """By the name of our task."""

    averages: dict[str, float]
    """As the paper prints them, fractions."""

    average_of: dict[str, list[str]]
    """Which tasks an average is over."""


@functools.cache
def _table(name: str) -> dict[str, Any]:
    return json.loads((resources.files("eval") / "published" / f"{name}.json").read_text(encoding="utf-8"))


TABLES = ("guru", "rlpr", "process")
"""Tables of reasoning suites."""

PUBLISHED: dict[str, Published] = {
    name: Published(one["v1"], one["v2"], one["source"]) for name, one in _table("core")["models"].items()
}
"""Scores of CORE by the model's name here."""


def model_names() -> list[str]:
    """Names of models with cells of reasoning tasks."""
    return [name for table in TABLES for name in _table(table)["models"]]


def published_model(name: str) -> PublishedModel | None:
    """A model's cells; None for one without cells of reasoning tasks."""
    for table_name in TABLES:
        table = _table(table_name)
        if name not in table["models"]:
            continue
        model, prefix = table["models"][name], table["prefix"]
        cells = {}
        for task, percent in model["cells"].items():
            settings = {**table["settings"], **table["task_settings"].get(task, {})}
            settings |= table.get("model_settings", {}).get(name, {})
            note = table.get("notes", {}).get(task, "")
            cells[prefix + task] = PublishedCell(percent / 100, settings, table["source"], note)
        average_of = {label: [prefix + task for task in tasks] for label, tasks in table["averages"].items()}
        averages = {label: value / 100 for label, value in model.get("averages", {}).items()}
        return PublishedModel(name, model["title"], table["source"], cells, averages, average_of)
    return None


def check_names(names: list[str]) -> None:
    """Raises:
    ValueError: a name stands in no table; the nearest ones are given.
    """
    known = [*PUBLISHED, *model_names()]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(known)}"
            raise ValueError(f"no published score {name!r}; {hint}")
