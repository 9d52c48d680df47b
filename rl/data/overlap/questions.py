"""The question of a row as text to compare, without the wording that its data set puts around every question."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

QUESTION_FIELDS = ("original_question", "original_prompt", "question")
"""Fields of `info` that hold a question as it was published, the first that is there."""

_WORD = re.compile(r"\w+")
_BLANK = re.compile(r"\s+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def question_of(row: Mapping[str, Any]) -> str:
    """The published question if the row keeps it, else all that its user turns ask."""
    info = row["info"]
    known = json.loads(info) if isinstance(info, str) else info
    for name in QUESTION_FIELDS:
        if isinstance(known.get(name), str) and known[name].strip():
            return known[name]
    return "\n".join(turn["content"] for turn in row["prompt"] if turn["role"] == "user")


def folded(text: str) -> str:
    """Lower case without blanks at the ends: how the substring rule compares (arXiv:2506.14965)."""
    return text.lower().strip()


def words(text: str) -> list[str]:
    """The words of a text whatever their case, punctuation and width.

    >>> words("Find x: 2x + １ = 5!")
    ['find', 'x', '2x', '1', '5']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def one_line(text: str) -> str:
    """A text with every run of blanks as one, for windows of characters."""
    return _BLANK.sub(" ", text).strip()


def without_numbers(text: str) -> str:
    """Words with every number masked: copies whose numbers alone differ become equal.

    >>> without_numbers("Add 3 and 1,200.5") == without_numbers("add 17 and 4")
    True
    """
    return " ".join(words(_NUMBER.sub("0", unicodedata.normalize("NFKC", text))))
