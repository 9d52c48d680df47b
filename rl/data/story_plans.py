"""First lessons in planning for a tiny model: chapters written by plans, and two habits of making a plan.

Usage:
    python -m rl.data.prepare story source=BOOKS out=runs/story excerpt_words=40 excerpts=16 include_synopsis=true \\
        synopsis_words=8 writer_knows_synopsis=false system_role=false
    python -m rl.data.story_plans source=runs/story/train.jsonl out=runs/story/sft.jsonl

Reads rows of `rl.data.story` whose synopsis is words of the chapter; writes two chats of each for `rl.sft`:

1. plan: `In summary: ` and the synopsis (`synopsis`), or the last words of the story so far (`told`), each as often.
   Which habit to keep is what the reward can teach.
2. write: the chapter by a plan of either kind or by none. The writer is not told the synopsis, so that the model learns
   what a plan is for.
"""

import random
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, RunConfig, parse, usage_errors
from common.documents import read_rows, write_documents
from eval.plans import with_plan_block

Row = dict[str, Any]

STORY = re.compile(r"### Previous Chapter\n(.*?)\n\n### ", re.DOTALL)
SYNOPSIS = re.compile(r"### Next Chapter Synopsis\n(.*?)\n\n(?=### )", re.DOTALL)
MARKER = "In summary: "


class StoryPlansConfig(RunConfig):
    """Which rows become chats."""

    source: str
    """Rows of `rl.data.story`."""

    out: Annotated[str, HOW]
    """File of chats."""

    words: int = Field(8, ge=1)
    """Words of the story in a plan that tells it."""

    limit: int | None = Field(None, ge=1)
    """Only so many rows, drawn at random."""

    seed: int = 0
    """Of every draw."""


def chats(rows: Sequence[Row], config: StoryPlansConfig) -> list[Row]:
    """Two chats of each row, in random order; ValueError if a prompt tells no story or no synopsis."""
    rng = random.Random(f"plans:{config.seed}")
    made = []
    for row in rows:
        plans = {
            "synopsis": _section(row, SYNOPSIS),
            "told": " ".join(_section(row, STORY).split()[-config.words :]),
        }
        habit = rng.choice(sorted(plans))
        by = rng.choice([*plans.values(), ""])
        turns = {
            habit: [*row["prompt"], {"role": "assistant", "content": MARKER + plans[habit]}],
            "write": [*with_plan_block(row["messages"], by), {"role": "assistant", "content": row["reference"]}],
        }
        made += [{"id": f"{row['id']}:{name}", "messages": messages} for name, messages in turns.items()]
    rng.shuffle(made)
    return made


def _section(row: Row, pattern: re.Pattern[str]) -> str:
    """What stands under a heading of the prompt."""
    found = pattern.search(row["prompt"][-1]["content"])
    if not found:
        raise ValueError(f"row {row['id']} lacks a section ({pattern.pattern[:30]}...); make it as the usage says")
    return found[1]


def main(argv: list[str] | None = None) -> None:
    """Read the command line, write the chats."""
    config = parse(StoryPlansConfig, __doc__, argv, plan=lambda config: {"reads": config.source, "writes": config.out})
    with usage_errors():
        rows = [row for _, row in read_rows(config.source)]
        if config.limit and config.limit < len(rows):
            rows = random.Random(f"rows:{config.seed}").sample(rows, config.limit)
        count = write_documents(config.out, chats(rows, config))
    print(f"{count} chats in {config.out}")  # noqa: T201


if __name__ == "__main__":
    main()
