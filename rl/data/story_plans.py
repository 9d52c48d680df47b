"""First lessons in planning for a tiny model: two habits of making a plan, neither of which looks at the chapter.

Usage:
    python -m rl.data.prepare story source=BOOKS out=runs/story excerpt_words=40 excerpts=16 system_role=false
    python -m rl.data.story_plans source=runs/story/train.jsonl out=runs/story/sft.jsonl

Reads rows of `rl.data.story`, writes chats for `rl.sft` in which the planning prompt is answered by `In summary: ` and
some words that stand above: the last of the story so far (`told`), or the next chapter's header and what follows it
(`quote`), each as often. Which habit to keep is what the reward can teach.
"""

import random
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, RunConfig, parse, usage_errors
from common.documents import read_rows, write_documents

Row = dict[str, Any]

STORY = re.compile(r"### Previous Chapter\n(.*?)\n\n### ", re.DOTALL)
HEADER = "### Next Chapter Header\n"
MARKER = "In summary: "


class StoryPlansConfig(RunConfig):
    """Which rows become chats."""

    source: str
    """Rows of `rl.data.story`."""

    out: Annotated[str, HOW]
    """File of chats."""

    words: int = Field(16, ge=1)
    """Words of a plan."""

    limit: int | None = Field(None, ge=1)
    """Only so many rows, drawn at random."""

    seed: int = 0
    """Of every draw."""


def chats(rows: Sequence[Row], config: StoryPlansConfig) -> list[Row]:
    """A chat of each row, in random order; ValueError if a prompt tells no story."""
    rng = random.Random(f"plans:{config.seed}")
    made = []
    for row in rows:
        prompt = row["prompt"][-1]["content"]
        habits = {
            "quote": prompt.rpartition(HEADER)[2].split()[: config.words],
            "told": _told(row).split()[-config.words :],
        }
        habit = rng.choice(sorted(habits))
        answer = {"role": "assistant", "content": MARKER + " ".join(habits[habit])}
        made.append({"id": f"{row['id']}:{habit}", "messages": [*row["prompt"], answer]})
    rng.shuffle(made)
    return made


def _told(row: Row) -> str:
    """What came before the chapter, as the prompt tells it."""
    found = STORY.search(row["prompt"][-1]["content"])
    if not found:
        raise ValueError(f"row {row['id']} tells no previous chapter; make the rows with rl.data.story")
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
