"""First lessons in planning for a tiny model: chapters that follow plans, and two habits of making plans.

Usage:
    python -m rl.data.prepare story source=BOOKS out=runs/story excerpt_words=40 excerpts=8 system_role=false
    python -m rl.data.story_plans source=runs/story/train.jsonl out=runs/story/sft.jsonl

Reads rows of `rl.data.story`, writes chats for `rl.sft`. A plan is a few words, `In summary: Alice, table, key`. From
each row come two chats:

1. plan the chapter: the words are taken from what came before (`told`), or from another row (`other`), as often the
   one as the other. Neither looks at the chapter; which habit to keep is what the reward can teach.
2. write the chapter: by a plan of either habit, by words of the chapter itself (`gold`: so that the model learns what
   a plan is for), or by none.
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

WORD = re.compile(r"[^\W\d_]{4,}")
STORY = re.compile(r"### Previous Chapter\n(.*?)\n\n### ", re.DOTALL)
MARKER = "In summary: "


class StoryPlansConfig(RunConfig):
    """Which rows become chats."""

    source: str
    """Rows of `rl.data.story`."""

    out: Annotated[str, HOW]
    """File of chats."""

    words: int = Field(4, ge=1)
    """Words of a plan."""

    limit: int | None = Field(None, ge=2)
    """Only so many rows, drawn at random."""

    seed: int = 0
    """Of every draw."""


def key_words(text: str, count: int, rng: random.Random) -> list[str]:
    """Words of a text in its order: names (capitals inside a sentence) before others, others at random.

    >>> key_words("He met Alice there, and Alice laughed.", 2, random.Random(0))
    ['Alice', 'laughed']
    """
    found = list(dict.fromkeys(match[0] for match in WORD.finditer(text)))
    names = {match[1] for match in re.finditer(r"[a-z,;] ([A-Z][a-z]{2,})", text)}
    chosen = sorted(found, key=lambda word: (word not in names, rng.random()))[:count]
    return [word for word in found if word in chosen]


def chats(rows: Sequence[Row], config: StoryPlansConfig) -> list[Row]:
    """Two chats of each row, in random order."""
    rng = random.Random(f"plans:{config.seed}")
    made = []
    for place, row in enumerate(rows):
        another = rows[(place + rng.randrange(1, len(rows))) % len(rows)]
        habits = {
            "told": _told(row),
            "other": _chapter(another),
            "gold": _chapter(row),
        }
        plans = {name: ", ".join(key_words(text, config.words, rng)) for name, text in habits.items()}
        plan = plans[rng.choice(["told", "other"])]
        by = rng.choice([*plans.values(), ""])
        turns = {
            "plan": (row["prompt"], MARKER + plan),
            "write": (with_plan_block(row["messages"], by), row["reference"]),
        }
        for name, (messages, answer) in turns.items():
            chat = [*messages, {"role": "assistant", "content": answer}]
            made.append({"id": f"{row['id']}:{name}", "messages": chat})
    rng.shuffle(made)
    return made


def _chapter(row: Row) -> str:
    """The gold text without its header."""
    return row["reference"].partition("\n\n")[2]


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
        if len(rows) < 2:
            raise ValueError(f"{config.source} has {len(rows)} rows; plans of another row need two")
        if config.limit and config.limit < len(rows):
            rows = random.Random(f"rows:{config.seed}").sample(rows, config.limit)
        count = write_documents(config.out, chats(rows, config))
    print(f"{count} chats in {config.out}")  # noqa: T201


if __name__ == "__main__":
    main()
