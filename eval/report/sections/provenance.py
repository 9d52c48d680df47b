"""Section: configuration, versions, commits."""

from collections.abc import Iterable

from eval.report.html import html_table
from eval.report.stages import Stage


def provenance(stages: Iterable[Stage]) -> str:
    """Commit, configuration hash, versions, seed and machine of every run."""
    rows = []
    for stage in stages:
        if stage.about:
            versions = ", ".join(f"{name} {version}" for name, version in stage.about.get("versions", {}).items())
            commit = (stage.about.get("commit") or "")[:10]
            rows.append([stage.name, stage.about.get("started"), commit, stage.about.get("config_hash"),
                         stage.about.get("seed"), versions])  # fmt: skip
    return html_table(["stage", "started", "commit", "config", "seed", "versions"], rows) if rows else ""
