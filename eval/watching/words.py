"""A look at a run in words: a few lines for a terminal, one line for a log."""

import re
import time
from collections.abc import Iterator
from typing import TypeGuard

from common.runs.progress.pace import duration, number
from common.runs.terminal import visible
from eval.watching.seen import Seen

NAMES = {
    "reward": "reward",
    "eval_reward": "held-out reward",
    "loss": "loss",
    "eval/loss": "held-out loss",
    "kl": "KL",
    "entropy": "entropy",
    "completions/mean_length": "tokens per completion",
    "skipped_frac": "share of completions without a reward",
    "tok_s": "tokens/s",
    "mfu": "MFU",
    "grad_norm": "gradient norm",
    "docs": "documents",
    "organic_tok_s_device": "tokens read/s and device",
    "completion_tok_s_device": "tokens written/s and device",
    "docs_in": "documents in",
    "docs_out": "documents out",
}
"""Metric → what a person calls it, in the order that they are shown in."""

OTHERS = (
    (re.compile(r"rewards/(.+)/mean"), "reward {}"),
    (re.compile(r"val/(.+)/loss"), "loss on {}"),
    (re.compile(r"val/(.+)/bpb"), "bits per byte on {}"),
    (re.compile(r"status_frac/(.+)"), "share {}"),
)
"""Metrics with a name inside."""

MOVED_S = 60.0
"""A run that does nothing for so long is said to wait, whatever it says itself."""


def block(seen: Seen) -> list[str]:
    """All that is to be seen, a line each."""
    lines = [headline(seen), *paces(seen)]
    lines += [f"  {line}" for line in metrics(seen)]
    if not seen.ended:
        lines += [f"  {line}" for line in waits(seen)]
    if seen.warnings:
        lines.append("  " + (f"last of {seen.warned} warnings:" if seen.warned > len(seen.warnings) else "warnings:"))
        lines += [f"    {at} {_short(text)}" for at, text in seen.warnings]
    return [visible(line) for line in lines]


def line(seen: Seen) -> str:
    """The same in one line, but for the warnings."""
    parts = [headline(seen), *(each.strip() for each in paces(seen))]
    parts += [] if seen.ended else [*list(metrics(seen))[:2], *waits(seen)]
    return visible(" ".join("; ".join(parts).split()))


def headline(seen: Seen) -> str:
    """Which run, what it does, since when, or how it ended."""
    since = (seen.now.updated if seen.ended else time.time()) - seen.now.began
    took = duration(since) if seen.now.began and since > 0 else ""
    if seen.ended:
        return f"{seen.folder}: {seen.kind} {seen.ended}" + (f", after {took}" if took and not seen.failed else "")
    return f"{seen.folder}: {seen.kind}, running" + (f" for {took}" if took else "")


def paces(seen: Seen) -> Iterator[str]:
    """How far each piece of work is."""
    for label, pace, note in seen.now.paces():
        if not seen.ended:  # the file is written only when something moves
            pace.seconds += max(time.time() - seen.now.updated, 0) if pace.seconds else 0
        yield "  " + "; ".join(filter(None, [f"{label}: {pace.words()}" if label else pace.words(), note]))
    for other in seen.others:
        for label, pace, note in other.paces()[-1:]:
            waits = f"waits for {other.waits}" if other.waits else ""
            yield "    " + "; ".join(filter(None, [f"process {other.pid}, {label}: {pace.words()}", note, waits]))


def metrics(seen: Seen) -> Iterator[str]:
    """What the run measures, with where it began."""
    for key, name in [*NAMES.items(), *_named(seen)]:
        value = seen.last.get(key)
        if not _is_number(value):
            continue
        text = f"{name} {_value(value)}"
        first, step = seen.first.get(key), seen.steps.get(key)
        if _is_number(first) and step is not None and first != value:
            text += f", at first {_value(first)}"
        if step is not None and step != max(seen.steps.values()):
            text += f" (at step {step})"
        yield text
    if isinstance(seen.last.get("task"), str) and _is_number(seen.last.get("score")):
        yield f"{seen.last['task']}: {_value(seen.last['score'])}"


def waits(seen: Seen) -> Iterator[str]:
    """What the run waits for, and how long nothing has moved."""
    quiet = time.time() - seen.now.updated if seen.now.updated else 0.0
    if seen.now.waits:
        since = time.time() - seen.now.waits_since if seen.now.waits_since else quiet
        yield f"waits for {seen.now.waits} ({duration(max(since, 0))})"
    elif quiet > MOVED_S:
        yield f"nothing has moved for {duration(quiet)}"


def _named(seen: Seen) -> Iterator[tuple[str, str]]:
    for key in seen.last:
        for pattern, words in OTHERS:
            if found := pattern.fullmatch(key):
                yield key, words.format(found[1])


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: float) -> str:
    return number(value) if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"


def _short(text: str, longest: int = 160) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
