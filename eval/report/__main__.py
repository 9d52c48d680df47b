"""Write one self-contained HTML file about any number of runs: curves, texts side by side, counts, scores.

Usage:
    python -m eval.report RUN [RUN ...] out=FILE.html
    python -m eval.report runs/quickstart out=runs/quickstart/report.html summary=runs/quickstart/summary.json

A RUN is a run folder, a pool, a tokenised set, an evaluation record, or a folder of these. What a folder holds is told
by its files, not by its name. The page needs no network and runs no script; page text is escaped.
"""

from typing import Annotated

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
    """Write the page, and the summary if one is asked for; returns the stages' table for a terminal."""
    from eval.report.figures import figures, text_table
    from eval.report.held_out import held_out_gains, told
    from eval.report.page import page
    from eval.report.recycled import faithfulness
    from eval.report.students import student_sentences

    with atomic_write(config.out) as target:
        target.write(page(stages, config.title, config.pairs, config.pair_chars).encode())
    faithful = {stage.name: found for stage in stages if (found := faithfulness(stage))}
    gains = {stage.name: found for stage in stages if (found := held_out_gains(stage))}
    students = student_sentences(stages)
    if config.summary:
        more = {name: {"faithfulness": found} for name, found in faithful.items()}
        more |= {name: {"held_out": found} for name, found in gains.items()}
        summary = {stage.name: figures(stage) | more.get(stage.name, {}) for stage in stages}
        write_json(config.summary, summary | ({"students": {"told": students}} if students else {}))
    verdicts = [f"{name}: {found['verdict']}" for name, found in faithful.items()]
    return "\n".join(
        [text_table(stages), *(f"{name}: {told(one)}" for name, one in gains.items()), *verdicts, *students]
    )


if __name__ == "__main__":
    main()
