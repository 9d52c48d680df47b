"""First lessons in planning for a tiny model: chapters written by plans, and two habits of making a plan.

Usage:
    python -m rl.data.prepare story source=BOOKS out=runs/story excerpt_words=40 excerpts=16 include_synopsis=true \\
        synopsis_words=8 writer_knows_synopsis=false system_role=false
    python -m rl.data.story_plans source=runs/story/train.jsonl out=runs/story/sft.jsonl

Reads rows of `rl.data.story.datapoints` whose synopsis is words of the chapter; writes two chats of each for `rl.sft`:

1. plan: `In summary: ` and the synopsis (`synopsis`), or the last words of the story so far (`told`), each as often.
   Which habit to keep is what the reward can teach.
2. write: the chapter by a plan of either kind or by none. The writer is not told the synopsis, so that the model learns
   what a plan is for.
"""

import random

from common.command import entry_point, parse, usage_errors
from common.pools.documents import read_rows, write_documents
from rl.data.story.lessons import StoryPlansConfig, chats


@entry_point
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
