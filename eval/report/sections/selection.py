"""Section: score histograms with thresholds; documents and tokens, drops by reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.charts import bar_chart, histogram
from eval.report.html import escape, html_table
from eval.report.stages import Stage


def quality_histograms(stages: Sequence[Stage]) -> str:
    """Scores of every source as it came and as it was kept, on one scale per scorer."""
    charts: list[str] = []
    for stage in stages:
        scored = [source for source in stage.dataset.get("sources", []) if source.get("histogram")]
        for scorer in dict.fromkeys(source["scorer"] for source in scored):
            of_scorer = [source for source in scored if source["scorer"] == scorer]
            low = min(source["histogram"]["edges"][0] for source in of_scorer)
            high = max(source["histogram"]["edges"][-1] for source in of_scorer)
            shown = {
                f"{source['name']}{suffix}": _rebinned(source["histogram"], kind, low, high)
                for source in of_scorer
                for kind, suffix in (("documents", ""), ("kept", ", kept"))
            }
            drawn = histogram(shown, low, high, x_label=scorer)
            charts.append(f"<figure><h3>{escape(stage.name)}: {escape(scorer)}</h3>{drawn}</figure>")
    return f'<div class="grid">{"".join(charts)}</div>' if charts else ""


def counts(stages: Sequence[Stage]) -> str:
    """Documents, tokens and drop reasons, stage by stage."""
    documents: dict[str, float] = {}
    tokens: dict[str, float] = {}
    rows = []
    for stage in stages:
        for name, step in _steps(stage):
            documents[f"{name} in"] = step["docs_in"]
            documents[f"{name} out"] = step["docs_out"]
            for reason, number in sorted(step["drops"].items(), key=lambda item: -item[1]):
                rows.append([name, reason, number, f"{100 * number / max(step['docs_in'], 1):.1f} %"])
        for source in stage.dataset.get("sources", []):
            for key in ("tokens_in", "tokens"):
                if source.get(key):
                    tokens[f"{stage.name}: {source['name']} {'in' if key == 'tokens_in' else 'out'}"] = source[key]
        for key, value in {**stage.stats, **stage.dataset}.items():
            if key.startswith(("tokens_", "num_tokens")) and isinstance(value, int):
                tokens[f"{stage.name}: {key.removeprefix('tokens_').removeprefix('num_')}"] = value
    body = []
    if documents:
        body.append(f"<h3>Documents</h3>{bar_chart(documents)}")
    if tokens:
        body.append(f"<h3>Tokens</h3>{bar_chart(tokens)}")
    if rows:
        body.append(f"<h3>Why documents were dropped</h3>{html_table(['stage', 'reason', 'documents', 'share'], rows)}")
    return "".join(body)


def _steps(stage: Stage) -> list[tuple[str, Mapping[str, Any]]]:
    """What counts documents in and out: the steps of a filter recipe, else the pool's own stats."""
    if stage.dataset.get("steps"):
        return [(f"{stage.name}: {step['step']} {step['source']}", step) for step in stage.dataset["steps"]]
    return [(stage.name, stage.stats)] if "docs_in" in stage.stats else []


def _rebinned(source: Mapping[str, Any], kind: str, low: float, high: float, bins: int = 25) -> list[int]:
    """Counts of a source's own fine bins in coarse bins that all sources share."""
    coarse = [0] * bins
    edges = source["edges"]
    for left, right, count in zip(edges, edges[1:], source[kind], strict=False):
        place = ((left + right) / 2 - low) / (high - low) if high > low else 0.0
        coarse[min(int(place * bins), bins - 1)] += count
    return coarse
