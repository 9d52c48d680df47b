"""Choices as Reasoning360 scored them: two scorers, one for boxes and one for answer lines, with their bugs.

The box scorer takes the first letter from A to J, in alphabetical order, that the last box contains anywhere, so that
`D) Benzene` is a B; where there is none it guessed, which is worth about 10 % on ten options. The answer-line scorer
takes the first line `Answer: X` and whatever letter begins it, so that `Answer: Definitely` is a D.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from eval.verifiers.result import Result, of_score, skipped
from eval.verifiers.segments import last_box

LETTERS = "ABCDEFGHIJ"

_SENTENCE = re.compile(r"(?:Final Answer|The answer is):\s*\n+([^\n]+)", re.IGNORECASE)
_LINE = re.compile(r"Answer[ \t]*:[ \t]*\$?([A-J])\$?", re.IGNORECASE)


def choice(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """1 if the letter that the published scorer would read is the reference's.

    Args:
        answer: the whole completion.
        gold: a letter.
        info: `source` beginning with `stem__gpqa` has the answer-line scorer, everything else the box scorer; `id` and
            `sample` seed the guess.
        options: `choice_format`, `boxed` or `line`, where the run knows better than the source.
    """
    wanted = str(gold).strip().strip("()").upper()
    if len(wanted) != 1 or not isinstance(gold, str):
        return skipped("bad_gold")
    default = "line" if str(info.get("source", "")).startswith("stem__gpqa") else "boxed"
    if options.get("choice_format", default) == "line":
        found = _LINE.search(answer)
        letter, guessed = found[1].upper() if found else "", False
    else:
        letter, guessed = _in_box(answer, info)
    return of_score(float(letter == wanted), letter, guessed=guessed)


def _in_box(answer: str, info: Mapping[str, Any]) -> tuple[str, bool]:
    text = last_box(answer)
    if text is None:
        sentence = _SENTENCE.search(answer)
        text = sentence[1] if sentence else ""
    for letter in LETTERS:
        if letter in text:
            return letter, False
    # The original drew without a seed; the same row and sample always guess the same here.
    seed = hashlib.sha256(f"{info.get('id', '')}:{info.get('sample', 0)}".encode()).digest()
    return LETTERS[seed[0] % len(LETTERS)], True
