"""The sections of the report: each takes the stages and gives HTML, or nothing where no stage has what it shows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.charts import bar_chart, histogram, line_chart, short_number
from eval.report import Stage, escape, sample_pairs
from eval.textdiff import marked_pair

STYLE = """
:root { color-scheme: light dark; --ink: #1d232b; --soft: #5d6875; --paper: #ffffff; --panel: #f5f7f9; --rule: #dde3e9;
  --gone: #ffdfd9; --came: #d5f2dc; --accent: #2a6fbb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #9aa5b1; --paper: #14181d; --panel: #1c2229;
  --rule: #323b45; --gone: #5b2720; --came: #1f4a2c; --accent: #7fb2e8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 1080px; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 10px; padding-bottom: 4px;
  border-bottom: 1px solid var(--rule); } h3 { font-size: 14px; margin: 0 0 6px; }
p.lead, .note, .legend, .empty { color: var(--soft); } .note { font-size: 13px; margin: 4px 0 12px; }
nav a { margin-right: 14px; color: var(--accent); text-decoration: none; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; } th, td { text-align: left; padding: 5px 10px 5px 0;
  border-bottom: 1px solid var(--rule); vertical-align: top; } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; } .scroll { overflow-x: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 18px; }
figure { margin: 0; background: var(--panel); border-radius: 8px; padding: 12px; } svg { width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); } svg .grid { stroke: var(--rule); }
svg.bars { max-width: 760px; } svg.bars text { fill: var(--ink); }
.legend { font-size: 12.5px; margin: 4px 0 0; } .legend span { margin-right: 14px; white-space: nowrap; } .legend i {
  display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; margin: 0 0 18px; } .pair > div { background:
  var(--panel); border-radius: 8px; padding: 12px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13.5px; }
.pair h3 { white-space: normal; color: var(--soft); font-weight: 600; } del { background: var(--gone); } ins {
  background: var(--came); text-decoration: none; } @media (max-width: 700px) { .pair { grid-template-columns: 1fr; } }
"""

REWARD_TOTAL = "reward"


def page(stages: Sequence[Stage], title: str, pairs: int, pair_chars: int) -> str:
    """The whole document."""
    sections: list[tuple[str, str]] = [
        (name, body)
        for name, body in [
            ("Stages", stage_table(stages)),
            ("Rewards", reward_curves(stages)),
            ("Pages before and after", text_pairs(stages, pairs, pair_chars)),
            ("Quality", quality_histograms(stages)),
            ("Documents and tokens", counts(stages)),
            ("Pretraining", loss_curves(stages)),
            ("Scores", scores(stages)),
            ("How it was made", provenance(stages)),
        ]
        if body
    ]
    links = "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name, _ in sections)
    body = "".join(f'<h2 id="{_anchor(name)}">{escape(name)}</h2>{content}' for name, content in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><nav>{links}</nav>{body}</body></html>\n"
    )


def figures(stage: Stage) -> dict[str, Any]:
    """A stage's figures for tables and programs: counts, first and last metrics, scores."""
    found: dict[str, Any] = {}
    for key in ("docs_in", "docs_out", "drops", "seconds"):
        if key in stage.stats:
            found[key] = stage.stats[key]
    found |= {key: value for key, value in stage.stats.items() if key.startswith("tokens") or key == "chunks"}
    for key in ("num_tokens", "num_sequences", "documents", "tokens"):
        if isinstance(stage.dataset.get(key), int | float):
            found[key] = stage.dataset[key]
    for key in _shown_metrics(stage):
        values = [value for _, value in stage.series(key) if value == value]
        if values:
            found[f"{key}_first"], found[f"{key}_last"] = round(values[0], 6), round(values[-1], 6)
    found |= record_scores(stage)
    return found


def stage_table(stages: Sequence[Stage]) -> str:
    """One row per stage with what went in, what came out, and its headline figures."""
    return _table(["stage", "documents in", "out", "seconds", "figures"], _stage_rows(stages))


def text_table(stages: Sequence[Stage]) -> str:
    """The same for a terminal."""
    rows = [["stage", "in", "out", "seconds", "figures"], *_stage_rows(stages)]
    shown = [
        ["" if cell is None else cell if isinstance(cell, str) else short_number(cell) for cell in row] for row in rows
    ]
    widths = [max(len(row[column]) for row in shown) for column in range(4)]
    lines = []
    for name, *numbers, rest in shown:
        columns = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *columns, rest]).rstrip())
    return "\n".join(lines)


def _stage_rows(stages: Sequence[Stage]) -> list[list[Any]]:
    rows = []
    for stage in stages:
        known = figures(stage)
        documents = [known.pop(key, None) for key in ("docs_in", "docs_out")]
        seconds = known.pop("seconds", None)
        rest = ", ".join(
            f"{key} {short_number(value)}" for key, value in known.items() if isinstance(value, int | float)
        )
        rows.append([stage.name, *documents, seconds, rest])
    return rows


def reward_curves(stages: Sequence[Stage]) -> str:
    """Total reward, each reward's mean, and what else tells whether a policy learns or games its rewards."""
    body = []
    for stage in stages:
        keys = stage.metric_keys()
        if not any(_is_reward(key) for key in keys):
            continue
        totals = {key: stage.series(key) for key in keys if key in (REWARD_TOTAL, f"eval_{REWARD_TOTAL}")}
        parts = {
            key.removeprefix("rewards/").removesuffix("/mean"): stage.series(key)
            for key in keys
            if key.startswith("rewards/") and key.endswith("/mean")
        }
        health = [key for key in ("kl", "entropy", "completions/mean_length", "completion_length") if key in keys]
        charts = [("total reward", totals), ("each reward's mean", parts)]
        charts += [(key, {key: stage.series(key)}) for key in health]
        body.append(f"<h3>{escape(stage.name)}</h3>{_figures(charts)}")
    return "".join(body)


def text_pairs(stages: Sequence[Stage], wanted: int, longest_chars: int) -> str:
    """Organic pages beside their rephrasings, differences marked."""
    body = []
    for stage in stages:
        for document in sample_pairs(stage, wanted, longest_chars):
            old, new = marked_pair(document["organic_text"], document["text"])
            where = escape(document.get("url") or document["id"])
            body.append(
                f'<div class="pair"><div><h3>organic: {where}</h3>{old}</div>'
                f"<div><h3>recycled ({len(document['organic_text']):,} → {len(document['text']):,} characters)</h3>"
                f"{new}</div></div>"
            )
    note = '<p class="note">Drawn by the hash of their ids, not picked. Red left out, green put in.</p>'
    return note + "".join(body) if body else ""


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
        body.append(f"<h3>Why documents were dropped</h3>{_table(['stage', 'reason', 'documents', 'share'], rows)}")
    return "".join(body)


def loss_curves(stages: Sequence[Stage]) -> str:
    """Training loss, held-out bits per byte, learning rate and speed; runs of a kind share a chart."""
    runs = [
        stage for stage in stages if "loss" in stage.metric_keys() and not any(map(_is_reward, stage.metric_keys()))
    ]
    if not runs:
        return ""
    keys = list(dict.fromkeys(key for stage in runs for key in stage.metric_keys()))
    wanted = [
        key for key in keys if key in ("loss", "lr", "grad_norm", "tok_s") or "bpb" in key or "bits_per_byte" in key
    ]
    charts = [(key, {stage.name: stage.series(key) for stage in runs if stage.series(key)}) for key in wanted]
    return _figures(charts)


def scores(stages: Sequence[Stage]) -> str:
    """A table with a column per evaluated model."""
    records = {stage.name: record_scores(stage) for stage in stages if stage.record}
    if not records:
        return ""
    names = list(dict.fromkeys(name for record in records.values() for name in record))
    rows = [[name, *(record.get(name) for record in records.values())] for name in names]
    return _table(["score", *records], rows)


def record_scores(stage: Stage) -> dict[str, float]:
    """The numbers of an evaluation record: tasks, aggregates, bits per byte."""
    found: dict[str, float] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, int | float):
            found[prefix] = value
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{prefix}/{key}" if prefix else str(key), inner)

    for key in ("Core_v1", "Core_v2", "core_partial", "bpb"):
        walk(key, stage.record.get(key))
    for name, metrics in stage.record.get("eval_metrics", {}).items():
        walk("" if name == "icl" else name, metrics)
    return found


def provenance(stages: Iterable[Stage]) -> str:
    """Commit, configuration hash, versions, seed and machine of every run."""
    rows = []
    for stage in stages:
        if stage.about:
            versions = ", ".join(f"{name} {version}" for name, version in stage.about.get("versions", {}).items())
            commit = (stage.about.get("commit") or "")[:10]
            rows.append([stage.name, stage.about.get("started"), commit, stage.about.get("config_hash"),
                         stage.about.get("seed"), versions])  # fmt: skip
    return _table(["stage", "started", "commit", "config", "seed", "versions"], rows) if rows else ""


def _is_reward(key: str) -> bool:
    return key == REWARD_TOTAL or key.startswith("rewards/")


def _shown_metrics(stage: Stage) -> list[str]:
    keys = stage.metric_keys()
    return [key for key in keys if key in (REWARD_TOTAL, f"eval_{REWARD_TOTAL}", "loss") or "bpb" in key]


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


def _figures(charts: Sequence[tuple[str, Mapping[str, Sequence[tuple[float, float]]]]]) -> str:
    drawn = "".join(
        f"<figure><h3>{escape(title)}</h3>{line_chart(series)}</figure>" for title, series in charts if series
    )
    return f'<div class="grid">{drawn}</div>'


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        if value is None:
            return "<td></td>"
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f'<td class="number">{short_number(value)}</td>'
        return f"<td>{escape(value)}</td>"

    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(cell(value) for value in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")
