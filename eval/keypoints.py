"""Which claims of a page its rephrasing keeps, drops, contradicts or adds, and what was done to it, by an LLM judge.

Usage:
    python -m eval.keypoints ORGANIC RECYCLED judge.url=http://127.0.0.1:8002/v1 judge.model=NAME out=FILE.jsonl
    python -m eval.keypoints RECYCLED operations=true …         # rows that carry `organic_text`

Protocol (ours; that of arXiv:2510.10681 is unpublished):
    1. The judge lists at most 20 atomic claims of the organic text.
    2. It labels each against the rephrasing: supported, omitted or contradicted.
    3. It lists the claims of the rephrasing and labels each against the organic text: supported, added, contradicted.
    4. With `operations`, it tags what the rephrasing did: paraphrase, removal, clarification, reorganization,
       summarization (the paper's five).
Temperature 0, JSON schemas, one retry with another seed. A document still unreadable then, or without claims, is left
out and counted by its reason; without any usable answer the exit code is 1. Rates are means over documents (macro) with
a bootstrap interval, and over all claims (micro).
"""

import json
from typing import Annotated

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out, RunConfig
from eval.faithfulness.key_points import judge_pairs, summarize
from eval.faithfulness.pairs import read_pairs
from eval.judges.judge import Judge, JudgeConfig


class KeyPointsConfig(RunConfig):
    """Judge the claims of pairs."""

    organic: str
    """Shard file or pool of the organic documents; or of recycled ones with `organic_text`, if `recycled` is empty."""

    recycled: str = ""
    """Shard file or pool of the recycled documents."""

    judge: JudgeConfig = JudgeConfig(max_tokens=2048)
    """The judge's server; `bash scripts/serve.sh judge` starts one."""

    operations: bool = False
    """Also tag what each rephrasing did."""

    limit: int | None = Field(100, ge=1)
    """Stop after this many pairs (the paper tagged 100 rewrites)."""

    out: Annotated[str, HOW, Out()] = ""
    """JSONL file for claims and labels by document; nothing is written if empty."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, ask the judge, print the rates."""
    config = parse(KeyPointsConfig, __doc__, argv, positional=("organic", "recycled"))
    with usage_errors():
        pairs = list(read_pairs(config.organic, config.recycled, config.limit))
        judge = Judge(config.judge)
    with judge:
        found = judge_pairs(judge, [(pair["organic_text"], pair["text"]) for pair in pairs], config.operations)
    if config.out:
        from common.pools.documents import write_documents

        rows = [{"id": pair["id"], **row} for pair, row in zip(pairs, found, strict=True)]
        write_documents(config.out, rows)
    print(json.dumps(summarize(found), indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
