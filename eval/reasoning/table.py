"""The cells of reasoning tasks for a terminal: the paper's layout, with errors and what did not come through."""

from collections.abc import Mapping
from typing import Any

HEAD = (
    "task",
    "score",
    "± questions",
    "95 % interval",
    "± repeats",
    "pass@k",
    "tokens",
    "cut",
    "unparsed",
    "not judged",
)

KINDS = ("never_drawn", "failed", "stuck", "no_room", "no_verdict")
"""Why a sample has no score."""


def reasoning_table(record: Mapping[str, Any]) -> str:
    """Tasks in percent, grouped as they were asked for, then the averages."""
    found = record["reasoning"]
    rows: list[tuple[str, ...]] = [HEAD]
    for cell in found["cells"].values():
        rows.append(_row(cell))
    for label, average in found["averages"].items():
        if average["score"] is not None:
            partial = f" (partial: {average['tasks']} of {average['tasks'] + len(average['missing'])})"
            name = f"Average {label}" + (partial if average["missing"] else "")
            rows.append((name, percent(average["score"]), percent(average["error_questions"]), *[""] * 7))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        f"{row[0]:<{widths[0]}}  "
        + "  ".join(f"{one:>{width}}" for one, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in [*lines, *cautions(found)])


def _row(cell: Mapping[str, Any]) -> tuple[str, ...]:
    best = max(map(int, cell["pass_at"]), default=0)
    low_high = cell.get("interval_95")
    status = cell["status"]
    ended = sum(status.values())
    return (
        f"{cell['title']} (avg@{cell['settings']['samples']})",
        percent(cell["score"]),
        percent(cell.get("error_questions")),
        f"{percent(low_high[0])} to {percent(low_high[1])}" if low_high else "",
        percent(cell.get("error_repeats")),
        f"{percent(cell['pass_at'][str(best)])} @{best}" if best > 1 else "",
        f"{cell['tokens']['mean']:,.0f}" if cell["tokens"] else "",
        percent(cell["truncated"]),
        percent(status.get("unparseable", 0) / ended) if ended else "",
        f"{cell['unjudged']['count']:,}{' !' if cell['unjudged']['flag'] else ''}",
    )


def cautions(found: Mapping[str, Any]) -> list[str]:
    """What to know before reading the table: samples without a verdict, stuck ones by name, skipped tasks."""
    lines = []
    for name, cell in found["cells"].items():
        missing = cell["unjudged"]
        if missing["flag"]:
            kinds = ", ".join(f"{kind} {missing[kind]}" for kind in KINDS if missing.get(kind))
            lines.append(f"caution: {name}: {missing['count']} of {cell['samples']} samples have no verdict ({kinds})")
        if "stuck_samples" in missing:
            lines.append(f"{name}: given up at the deadline: {', '.join(missing['stuck_samples'])}")
        if "judge" in cell:
            judge = cell["judge"]
            lines.append(
                f"{name}: judge {judge['model']} asked {judge['asked']}, raised {judge['raised']}, unparsed "
                f"{judge['unparsed']}, failed {judge['failed']}, agrees with rules in {percent(judge['agreement'])} %"
            )
        for mode, score in cell.get("other_modes", {}).items():
            lines.append(f"{name}: {percent(score)} in mode {mode}")
        if "note" in cell:
            lines.append(f"{name}: {cell['note']}")
    lines += [f"skipped: {line}" for line in found["skipped"].values()]
    return ["", *lines] if lines else []


def percent(share: float | None) -> str:
    """A fraction in percent with two decimals; empty for None.

    >>> percent(0.432941), percent(None)
    ('43.29', '')
    """
    return "" if share is None else f"{100 * share:.2f}"
