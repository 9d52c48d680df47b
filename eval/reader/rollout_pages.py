"""The pages of an RL run: its steps, a step's prompts, and a prompt's rollouts side by side with what they earned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from eval.reader.frame import field, figure, framed, href, link, snippet, text
from eval.reader.pages import SEARCH_KEY, waiting
from eval.reader.run_index import SAMPLES, RunSearch, StepSamples, messages_of, number
from eval.reader.search import terms
from eval.reader.shelf import Book
from eval.report.drawing.figure import lines_figure
from eval.report.drawing.frame import Axes
from eval.report.drawing.series import Series
from eval.report.names import reward
from eval.report.pairs.links import group_path, run_path, step_path

GROUPS_SHOWN, ROLLOUTS_SHOWN, HITS_SHOWN = 50, 64, 30

MOST_CHARS = 100_000
"""Longest completion that is shown whole."""

SPLITS = {"train": "training", "eval": "held out"}

KEYS = (("/", "go to the search"), ("j, k", "next and previous row"), ("Enter", "open it"))

GROUP_KEYS = (
    ("j, k", "next and previous prompt"),
    ("n, p", "the same prompt at the next and previous step"),
    ("u", "back"),
)

# fmt: off
SAMPLE_FIELDS = frozenset((
    "step", "mode", "sample", "id", "completion", "prompt", "messages", "rewards", "parts", "total", "skipped",
    "advantage", "advantages", "finish_reason", "tokens", "versions", "completion_ids", "segments", "discarded",
))
# fmt: on
"""What a rollout's box shows in its own way."""


def run_page(book: Book, query: str, start: int) -> str:
    """A run's steps, or the rollouts in which some words occur."""
    search = _search(book)
    form = (
        f'<form class="filters" role="search" method="get" action="{href(run_path(book.name))}"><span class="wide">'
        f"{field('q', 'Words of a prompt or completion', query, 'search', SEARCH_KEY)}</span>"
        '<button type="submit">Search</button></form>'
    )
    body = _hits(book, search, query, start) if query.strip() else _steps(book, search.batches())
    return framed(book.name, f"{waiting(book)}{form}{body}", [("all", "/")], KEYS)


def _search(book: Book) -> RunSearch:
    return RunSearch(book.store.reader(), Path(book.path) / SAMPLES)


def _steps(book: Book, batches: Sequence[StepSamples]) -> str:
    if not batches:
        return '<p class="note">The run has written no samples yet.</p>'
    names = list(dict.fromkeys(name for batch in batches for name in batch.rewards))
    charts = ""
    for split in dict.fromkeys(batch.split for batch in batches):
        line = [(batch.step, batch.reward) for batch in batches if batch.split == split and batch.reward is not None]
        if len(line) > 1:
            name = f"mean reward, {SPLITS.get(split, split)}"
            links = {float(step): step_path(book.name, step, split) for step, _ in line}
            axes = Axes("step", "mean reward")
            charts += lines_figure(name, [Series(name, line, links=links)], axes, note="A dot opens its samples.")
    head = ["step", "samples", "prompts", "rollouts", "mean reward", *map(reward, names), "not scored", "discarded"]
    rows = "".join(_step_row(book, batch, names) for batch in reversed(batches))
    top = "".join(
        f'<th scope="col" class="{"number" if place > 1 else ""}">{text(name)}</th>' for place, name in enumerate(head)
    )
    return (
        '<p class="note">Steps whose samples the run has written, the newest first. A step opens the prompts that the '
        "policy saw and what it made of them.</p>"
        f'<div class="grid">{charts}</div>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Steps"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _step_row(book: Book, batch: StepSamples, names: Sequence[str]) -> str:
    address = href(step_path(book.name, batch.step, batch.split))
    cells = [
        f'<td><a href="{address}" data-hit>step {batch.step}</a></td>',
        f"<td>{text(SPLITS.get(batch.split, batch.split))}</td>",
        *(f'<td class="number">{value:,}</td>' for value in (batch.prompts, batch.samples)),
        f'<td class="number">{figure(batch.reward)}</td>',
        *(f'<td class="number">{figure(batch.rewards.get(name))}</td>' for name in names),
        *(f'<td class="number">{value:,}</td>' for value in (batch.skipped, batch.discarded)),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _hits(book: Book, search: RunSearch, query: str, start: int) -> str:
    wanted, _ = terms(query)
    found = search.search(wanted, start, HITS_SHOWN)
    items = "".join(
        f'<li><a data-hit href="{href(_group_of(book, line))}">step {text(line.get("step"))}, '
        f"{text(SPLITS.get(str(line.get('mode')), str(line.get('mode'))))}, prompt {text(line.get('id'))}</a> "
        f'<span class="chip">reward <b>{figure(number(line.get("total")))}</b></span>'
        f"<p>{snippet(str(line.get('completion') or ''), wanted)}</p></li>"
        for line in found
    )
    here = run_path(book.name)
    back = {"q": query, "start": str(max(0, start - HITS_SHOWN))} if start else None
    onward = {"q": query, "start": str(start + HITS_SHOWN)} if len(found) == HITS_SHOWN else None
    steps = "".join(
        link(None if params is None else _with(here, params), label, key)
        for params, label, key in ((back, "← previous page", "p"), (onward, "next page →", "n"))
    )
    told = (
        f"Rollouts {start + 1:,} to {start + len(found):,} with these words."
        if found
        else "No rollout has these words."
    )
    return (
        f'<p class="note" role="status">{told} <a href="{href(here)}">All steps</a></p><ol class="hits">{items}</ol>'
        f'<nav class="steps" aria-label="Pages">{steps}</nav>'
    )


def _with(path: str, params: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(params, errors='replace')}"


def _group_of(book: Book, line: Mapping[str, Any]) -> str:
    return group_path(book.name, int(line["step"]), str(line.get("mode") or ""), str(line.get("id", "")))


def step_page(book: Book, step: int, split: str, start: int) -> str | None:
    """The prompts of a step, each with what its rollouts earned; None where the run wrote no samples of it."""
    search = _search(book)
    groups = search.groups(step, split, start, GROUPS_SHOWN + 1)
    if not groups:
        return None
    items = []
    asked = []
    for group in groups[:GROUPS_SHOWN]:
        shown = messages_of(search.first_of(step, split, group.id) or {})
        asked.append(shown[-1][1] if shown else "")
    alike = _shared_start(asked) if len(asked) > 1 else 0
    for group, said in zip(groups, asked, strict=False):
        marks = ""
        if group.skipped:
            marks += f'<span class="chip bad">{group.skipped} not scored</span>'
        if group.discarded:
            marks += f'<span class="chip bad">{group.discarded} discarded</span>'
        mean = figure(group.mean)
        if group.least != group.most:
            mean += f" ({figure(group.least)} to {figure(group.most)})"
        items.append(
            f'<li><a data-hit href="{href(group_path(book.name, step, split, group.id))}">{text(group.id[:120])}</a> '
            f'<span class="chip">{group.samples} rollout{"" if group.samples == 1 else "s"}</span>'
            f'<span class="chip">mean reward <b>{mean}</b></span>{marks}'
            f"<p>{snippet(said[alike:] or said, [])}</p></li>"
        )
    onward = start + GROUPS_SHOWN if len(groups) > GROUPS_SHOWN else None
    steps = "".join(
        link(None if place is None else f"{step_path(book.name, step, split)}&start={place}", label, key)
        for place, label, key in (
            (max(0, start - GROUPS_SHOWN) if start else None, "← previous prompts", "p"),
            (onward, "next prompts →", "n"),
        )
    )
    body = f'<ol class="hits">{"".join(items)}</ol><nav class="steps" aria-label="Pages">{steps}</nav>'
    title = f"Step {step}, {SPLITS.get(split, split)}"
    return framed(title, body, [("all", "/"), (book.name, run_path(book.name))], KEYS)


def _shared_start(texts: Sequence[str]) -> int:
    """How many characters all texts begin with: the request that stands before each prompt's own part."""
    first, last = min(texts), max(texts)
    return next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))


def group_page(book: Book, step: int, split: str, identity: str) -> str | None:
    """A prompt's rollouts at a step, side by side; None where there are none."""
    search = _search(book)
    lines = search.samples(step, split, identity, ROLLOUTS_SHOWN)
    if not lines:
        return None
    here = step_path(book.name, step, split)
    places = [group.id for group in search.groups(step, split, 0, 100_000)]
    at = places.index(identity)
    beside = [places[one] if 0 <= one < len(places) else None for one in (at - 1, at + 1)]
    same = [one for one in search.steps_of(identity) if one[1] == split]
    then = same.index((step, split))
    times = [same[one] if 0 <= one < len(same) else None for one in (then - 1, then + 1)]
    steps = "".join(
        link(None if one is None else group_path(book.name, step, split, one), label, key)
        for one, label, key in zip(beside, ("← previous prompt", "next prompt →"), "kj", strict=True)
    ) + "".join(
        link(None if one is None else group_path(book.name, *one, identity), label, key)
        for one, label, key in zip(times, ("← at the step before", "at the next step →"), "pn", strict=True)
    )
    asked = "".join(f"<h3>{text(role)}</h3>{text(said[:MOST_CHARS])}\n" for role, said in messages_of(lines[0]))
    known = _known(lines[0])
    boxes = "".join(_rollout(line, place) for place, line in enumerate(lines, 1))
    by_token = ADVANTAGE_LEGEND if any(line.get("advantages") for line in lines) else ""
    body = (
        f'<nav class="steps" aria-label="Prompts">{steps}{link(here, "all prompts of the step", "u")}</nav>'
        f'<h2>What was asked</h2><div class="prompt" tabindex="0" role="region" aria-label="Prompt" dir="auto" lang="">'
        f"{asked}</div>{known}<h2>{len(lines)} rollout{'' if len(lines) == 1 else 's'}</h2>{by_token}"
        f'<div class="group" tabindex="0" role="region" aria-label="Rollouts">{boxes}</div>'
    )
    title = f"Prompt {identity[:120]} at step {step}, {SPLITS.get(split, split)}"
    crumbs = [("all", "/"), (book.name, run_path(book.name)), (f"step {step}", here)]
    return framed(title, body, crumbs, GROUP_KEYS)


def _known(line: Mapping[str, Any]) -> str:
    """What the row says beside its prompt: the reference, the source and so on."""
    others = [
        (name, value) for name, value in line.items() if name not in SAMPLE_FIELDS and value not in (None, "", [])
    ]
    if not others:
        return ""
    rows = "".join(
        f"<tr><th scope=row>{text(name)}</th><td>{text(str(value)[:4000])}</td></tr>" for name, value in others[:40]
    )
    return f"<details><summary>What else the row holds</summary><table>{rows}</table></details>"


def _rollout(line: Mapping[str, Any], place: int) -> str:
    told = []
    discarded = str(line.get("discarded") or "")
    if line.get("skipped"):
        told.append(f'<p class="chip bad">not scored: {text(line["skipped"])}</p>')
    if discarded:
        told.append(f'<p class="chip bad">discarded: {text(DISCARDED.get(discarded, discarded))}</p>')
    ended = {"stop": "ended by itself", "length": "cut off at the length limit"}
    reason = str(line.get("finish_reason") or "")
    about = [ended.get(reason, reason or "end unknown")]
    if isinstance(line.get("tokens"), int):
        about.append(f"{line['tokens']:,} tokens")
    advantage = number(line.get("advantage"))
    worth = f"reward {figure(number(line.get('total')))}"
    worth += f", advantage {figure(advantage, True)}" if advantage is not None else ""
    rows: list[tuple[str, Any]] = []
    for group in ("rewards", "parts"):
        found = line.get(group)
        for name, value in found.items() if isinstance(found, dict) else ():
            rows.append((reward(str(name)) if group == "rewards" else f"· {name}", value))
    cells = "".join(
        f"<tr><th scope=row>{text(name)}</th><td class=number>{_value(value)}</td></tr>" for name, value in rows
    )
    kind = "rollout discarded" if discarded else "rollout"
    return (
        f'<section class="{kind}"><h3>Rollout {place}: {worth}</h3>{"".join(told)}'
        f'<p class="note">{text(", ".join(about))}</p><div class="text" dir="auto" lang="">{_completion(line)}</div>'
        f"<table>{cells}</table></section>"
    )


ADVANTAGE_LEGEND = (
    '<p class="note">Where advantages differ within a rollout: <span class="up">above 0, made likelier</span>, '
    '<span class="down">below 0, made less likely</span>. Its heading has the mean over its tokens.</p>'
)

DISCARDED = {
    "alike": "the prompt's rewards hardly differ",
    "surplus": "more prompts passed than the batch holds; asked again later",
}
"""Why a rollout was not trained on, in words."""


def _value(value: Any) -> str:
    plain = number(value)
    return figure(plain) if plain is not None or value is None else text(str(value)[:300])


def _completion(line: Mapping[str, Any]) -> str:
    """The completion; where advantages differ by token, underlined by whether they pull up or down."""
    body = str(line.get("completion") or "")
    shown = body[:MOST_CHARS]
    spans = advantage_spans(line.get("advantages"), len(shown))
    if not spans:
        rest = "" if len(body) <= MOST_CHARS else f"\n… {len(body) - MOST_CHARS:,} further characters"
        return text(shown) + text(rest)
    out, place = [], 0
    for end, value in spans:
        kind = "up" if value > 0 else "down" if value < 0 else ""
        piece = text(shown[place:end])
        out.append(f'<span class="{kind}" title="advantage {figure(value, True)}">{piece}</span>' if kind else piece)
        place = end
    return "".join([*out, text(shown[place:])])


def advantage_spans(found: Any, length: int) -> list[tuple[int, float]]:
    """(end, advantage) of stretches of a text that follow each other; none where what is given is no such list.

    >>> advantage_spans([[3, 0.5], [9, -1]], 5)
    [(3, 0.5), (5, -1.0)]
    """
    spans: list[tuple[int, float]] = []
    for one in found if isinstance(found, list) else ():
        if not (isinstance(one, list) and len(one) == 2 and isinstance(one[0], int) and number(one[1]) is not None):
            return []
        end = min(one[0], length)
        if end <= (spans[-1][0] if spans else 0):
            continue
        spans.append((end, float(one[1])))
    return spans
