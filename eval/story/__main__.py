"""Measure next-chapter reasoning and writing (VR-CLI, arXiv:2503.22828).

Usage:
    python -m eval.story reason MODEL rows=rl_data/test.jsonl out=plans.jsonl completions=4
    python -m eval.story continue MODEL rows=rl_data/test.jsonl plans=plans.jsonl out=chapters.jsonl
    python -m eval.story improvement MODEL rows=rl_data/test.jsonl completions=plans.jsonl out=gains.jsonl
    python -m eval.story metrics rows=rl_data/test.jsonl completions=chapters.jsonl out=metrics.json
    python -m eval.story judge rows=rl_data/test.jsonl first=base.jsonl second=rl.jsonl out=pairs.csv judge.url=URL
    python -m eval.story winrate FILE.csv

`reason` writes plans, `continue` chapters by them or without; `improvement` says by how many percent each plan lowers
the perplexity of the gold chapter; `metrics` compares texts with what their prompts told and with the gold; `winrate`
turns pairwise annotations (people's, or those of `judge`) into win percent and Bradley-Terry percent, ties out.
`python -m eval.story COMMAND --help` says more. `rl.data.prepare story` writes the rows.
"""

import json
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Annotated, Any, Literal

from common.command import Command, entry_point, parse_command, usage_errors
from common.config import HOW, Out, RunConfig
from common.runs.folder import write_json
from eval.story.generate import COMPLETION, ContinueConfig, ReasonConfig, continue_story, plan_of, read_limited, reason
from eval.story.improvement import ImprovementConfig, improvement
from eval.story.judge import PairwiseConfig, judge_pairs
from eval.story.lexical import rouge_l, unseen_trigrams
from eval.story.pairwise import count, read_annotations, strengths, table
from eval.story.prompts import told_of


class MetricsConfig(RunConfig):
    """Lexical measures of generated texts."""

    rows: str
    """Rows with `messages`, which hold the story's information, and `reference`."""

    completions: str
    """Output of `reason` or `continue`."""

    of: Literal["completion", "plan"] = "completion"
    """Measure whole completions, or the plans they end in."""

    out: Annotated[str, HOW, Out()] = ""
    """JSON file of the means and of every completion's measures; only printed if empty."""


class WinrateConfig(RunConfig):
    """Win rates of an annotation file."""

    file: str
    """CSV with `options`, the winner by aspect, and genre flags."""

    genre: Literal["", "scifi", "fantasy", "romance", "historical"] = ""
    """Only stories of one genre."""

    out: Annotated[str, HOW, Out()] = ""
    """JSON file of the table; only printed if empty."""


def lexical_metrics(output: str, story: str, gold: str) -> dict[str, float | None]:
    """Words, percent of trigrams unseen in the story's information, Rouge-L against it and against the gold."""
    told, aimed = rouge_l(output, story), rouge_l(output, gold)
    unseen = unseen_trigrams(output, story)
    return {
        "words": len(output.split()),
        "unseen_trigrams_pct": None if unseen is None else 100 * unseen,
        "rouge_l_f1": told.f1,
        "rouge_l_precision": told.precision,
        "gold_rouge_l_f1": aimed.f1,
        "gold_rouge_l_precision": aimed.precision,
    }


def metrics(config: MetricsConfig) -> dict[str, Any]:
    """Means over the completions; each one's own measures go to the file."""
    rows = {row["id"]: row for row in read_limited(config.rows)}
    found = []
    for completion in read_limited(config.completions, needs=COMPLETION):
        if completion["id"] not in rows:
            raise ValueError(f"{config.completions} has {completion['id']!r}, which is not in {config.rows}")
        row = rows[completion["id"]]
        output = plan_of(completion["completion"]) if config.of == "plan" else completion["completion"]
        story = told_of(row["messages"])
        measures = lexical_metrics(output, story, row["reference"])
        found.append({"id": completion["id"], "number": completion["number"], **measures})
    names = [name for name in found[0] if name not in ("id", "number")]
    means = {
        name: fmean(values) if (values := [row[name] for row in found if row[name] is not None]) else None
        for name in names
    }
    if config.out:
        write_json(config.out, {"completions": len(found), "means": means, "each": found})
    return {"completions": len(found), **means}


def winrate(config: WinrateConfig) -> dict[str, Any]:
    """The table by pair and aspect, and strengths of all options together by their overall quality."""
    rows = read_annotations(config.file)
    if config.genre:
        rows = [row for row in rows if str(row.get(config.genre)).lower() == "true"]
    found = {"table": table(rows), "overall_strengths": strengths(count(rows))}
    if config.out:
        write_json(config.out, found)
    return found


def _print_winrate(found: dict[str, Any]) -> None:
    for row in found["table"]:
        share, win = (f"{row[name]:.1f}" for name in ("bradley_terry_pct", "win_pct"))
        counts = f"{row['second_wins']}-{row['first_wins']}, {row['ties']} same"
        print(f"{row['aspect']}: {row['second']} over {row['first']}: BT {share} %, wins {win} % ({counts})")  # noqa: T201


COMMANDS: dict[str, tuple[Command[Any], Callable[[Any], Any]]] = {
    "reason": (Command(ReasonConfig, positional=("model",)), reason),
    "continue": (Command(ContinueConfig, positional=("model",)), continue_story),
    "improvement": (Command(ImprovementConfig, positional=("model",)), improvement),
    "metrics": (Command(MetricsConfig), metrics),
    "judge": (Command(PairwiseConfig), judge_pairs),
    "winrate": (Command(WinrateConfig, positional=("file",)), winrate),
}


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Hand the command line to a command."""
    name, config = parse_command({name: command for name, (command, _) in COMMANDS.items()}, __doc__, argv)
    _, work = COMMANDS[name]
    with usage_errors():
        found = work(config)
    if name == "winrate":
        _print_winrate(found)
    else:
        print(json.dumps(found))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
