"""Section: configuration, versions, commits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.report.html import escape, heading, html_table
from eval.report.names import kind
from eval.report.sections.view import View
from eval.report.stages import Stage

LEAD = (
    "What is needed to make a run again: its commit, its settings, its seed and the versions of its libraries. "
    "Settings in which runs of one kind differ stand side by side."
)


def provenance(view: View) -> str:
    """Commit, seed and machine of every run, where runs of a kind differ, and every run's settings, folded away."""
    about = [stage for stage in view.stages if stage.about]
    if not about:
        return ""
    rows = [
        [
            stage.name,
            stage.about.get("started"),
            (stage.about.get("commit") or "")[:10],
            stage.about.get("config_hash"),
            str(seed) if (seed := stage.about.get("seed")) is not None else None,
            f"{stage.about.get('host', {}).get('cpus', '')} CPUs",
        ]
        for stage in about
    ]
    head = ["run", "started", "commit", "hash of its settings", "seed", "machine"]
    body = html_table(head, rows, "Runs, commits and seeds")
    for name in dict.fromkeys(stage.kind for stage in about):
        body += _differing([stage for stage in about if stage.kind == name])
    return body + _versions(about) + "".join(map(_settings, about))


def _differing(stages: Sequence[Stage]) -> str:
    """Settings that runs of one kind do not share."""
    if len(stages) < 2:
        return ""
    flat = {stage.name: dict(_flat(stage.config)) for stage in stages}
    keys = dict.fromkeys(key for settings in flat.values() for key in settings)
    rows = [
        [key, *(settings.get(key, "not set") for settings in flat.values())]
        for key in keys
        if len({settings.get(key) for settings in flat.values()}) > 1
    ]
    if not rows:
        return ""
    title = f"Where the runs differ: {kind(stages[0].kind)}"
    return heading(title) + html_table(["setting", *flat], rows, title)


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, str(values)


def _versions(stages: Sequence[Stage]) -> str:
    names = dict.fromkeys(name for stage in stages for name in stage.about.get("versions", {}))
    rows = []
    for name in names:
        found = dict.fromkeys(stage.about.get("versions", {}).get(name, "none") for stage in stages)
        rows.append([name, ", ".join(map(str, found))])
    if not rows:
        return ""
    table = html_table(["library", "version"], rows, "Versions of libraries")
    return f"<details><summary>Versions of libraries</summary>{table}</details>"


def _settings(stage: Stage) -> str:
    if not stage.config:
        return ""
    text = escape("\n".join(f"{key}: {value}" for key, value in _flat(stage.config)))
    command = " ".join(map(str, stage.about.get("command", [])))
    made = f'<p class="note">{escape(command)}</p>' if command else ""
    return f"<details><summary>Settings of {escape(stage.name)}</summary>{made}<pre>{text}</pre></details>"
