"""DecontaminateConfig: which evaluation items to look for, and what to do with pages that hold them."""

from typing import Literal

from pydantic import Field

from common.config import CommaList, RunConfig


class DecontaminateConfig(RunConfig):
    """Which evaluation items to look for, and what to do with pages that hold them."""

    data: CommaList = Field(min_length=1)
    """JSONL files of items, or folders of them; a file is a task, named after it."""

    action: Literal["report", "drop", "excise"] = "report"
    """`report` keeps all pages and says which items they hold; `drop` takes pages out, `excise` the paragraphs."""

    ngram: int = Field(13, ge=2)
    """Words in a row that count as the same text (GPT-3: 13)."""

    min_words: int = Field(8, ge=1)
    """Items with fewer words are not looked for."""

    max_pages: int = Field(10, ge=1)
    """An n-gram in more pages than this is a common phrase."""
