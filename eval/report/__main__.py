"""Write one self-contained HTML file about any number of runs: verdicts, curves, texts side by side, counts, scores.

Usage:
    python -m eval.report RUN [RUN ...] out=FILE.html
    python -m eval.report runs/quickstart out=runs/quickstart/report.html summary=runs/quickstart/summary.json

A RUN is a run folder, a pool, a tokenised set, an evaluation record, or a folder of these. What a folder holds is told
by its files, not by its name. Several runs of a kind share their charts. A run that has crashed or still goes on shows
what there is and says what is missing. The page needs no network and runs no script; every chart's data downloads as
CSV; page text is escaped.
"""

from typing import Annotated, Any

from pydantic import Field

from common.command import entry_point, fail, parse, usage_errors
from common.config import Out, RunConfig
from common.pools.storage import atomic_write
from common.runs.folder import write_json
from eval.report.stages import Stage, find_stages


class ReportConfig(RunConfig):
    """What the report is about and where it goes."""

    runs: list[str]
    """Run folders, pools, tokenised sets, evaluation records, or folders of these."""

    out: Annotated[str, Out()] = "report.html"
    """The HTML file."""

    summary: Annotated[str | None, Out()] = None
    """A JSON file {stage: figures}, for programs."""

    title: str = "RePro report"
    """Heading of the page."""

    pairs: int = Field(8, ge=0)
    """Pairs of organic and recycled text to show for each recycled pool."""

    pair_chars: int = Field(2500, ge=1)
    """Longest organic text among the pairs shown, in characters."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then write the report."""
    config = parse(ReportConfig, __doc__, argv, positional=("runs",))
    with usage_errors():
        stages = find_stages(config.runs)
    if not stages:
        fail(f"no runs in {', '.join(config.runs)}: looked for metrics.jsonl, *.stats.json, dataset.json and records")
    print(write_report(stages, config))  # noqa: T201
    print(f"\n{config.out}")  # noqa: T201


def write_report(stages: list[Stage], config: ReportConfig) -> str:
    """Write the page, and the summary if one is asked for; what a terminal shows: the stages, then what was learnt."""
    from eval.report.drawing.colours import Colours
    from eval.report.figures import figures, text_table
    from eval.report.findings.verdicts import Findings
    from eval.report.page import page
    from eval.report.sections.view import View
    from eval.report.students import sentence

    findings = Findings.of(stages)
    view = View(stages, findings, Colours(stage.name for stage in stages), config.pairs, config.pair_chars)
    with atomic_write(config.out) as target:
        target.write(page(view, config.title).encode(errors="replace"))
    if config.summary:
        more: dict[str, dict[str, Any]] = {name: {"faithfulness": found} for name, found in findings.faithful.items()}
        for name, gains in findings.gains.items():
            more.setdefault(name, {})["held_out"] = gains
        for name, told in findings.missing:
            more.setdefault(name, {})["missing"] = told
        summary = {stage.name: figures(stage) | more.get(stage.name, {}) for stage in stages}
        students = [sentence(*pair) for pair in findings.students]
        write_json(config.summary, summary | ({"students": {"told": students}} if students else {}))
    learnt = [f"  {verdict.learnt}" for verdict in findings.verdicts()]
    missing = [f"  {name}: {told}" for name, told in findings.missing]
    parts = [("What was learnt:", learnt), ("What is missing:", missing)]
    return "\n".join([text_table(stages), *(line for head, lines in parts if lines for line in ("", head, *lines))])


if __name__ == "__main__":
    main()
