"""Chapters written by plans, two habits of planning: chats for a tiny model."""

import random
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, Out, RunConfig
from eval.story.plans import with_plan_block

Row = dict[str, Any]


STORY = "### Previous Chapter\n"


SYNOPSIS = "### Next Chapter Synopsis\n"


MARKER = "In summary: "


class StoryPlansConfig(RunConfig):
    """Which rows become chats."""

    source: str
    """Rows of `rl.data.story.datapoints`."""

    out: Annotated[str, HOW, Out()]
    """File of chats."""

    words: int = Field(8, ge=1)
    """Words of the story in a plan that tells it."""

    limit: int | None = Field(None, ge=1)
    """Only so many rows, drawn at random."""

    seed: int = 0
    """Seed of every draw."""


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


def _section(row: Row, heading: str) -> str:
    """What stands under a heading of the prompt."""
    found = section(row["prompt"][-1]["content"], heading)
    if found is None:
        raise ValueError(f"row {row['id']} lacks a section ({heading.strip()}); make it as the usage says")
    return found


def section(text: str, heading: str) -> str | None:
    """What stands between a heading and the next one; None where either is missing.

    >>> section("### A\\nOne.\\n\\n### B\\n", "### A\\n")
    'One.'
    """
    start = text.find(heading)
    end = text.find("\n\n### ", start + len(heading))
    return text[start + len(heading) : end] if start >= 0 and end >= 0 else None
