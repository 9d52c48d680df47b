"""Logic as Reasoning360 scored it (June to August 2025), with its habits, and without evaluating anything.

Zebra, ordering and graph read the last `<answer>...</answer>` that stands on one line. A grid may stand on several,
but its brackets have to touch: the first `[[` to the first `]]`. A grid that cannot be read becomes `[[0]]`.
"""

import re
from collections.abc import Mapping
from typing import Any

from eval.verifiers.literals import literal
from eval.verifiers.result import Result, correct, of_score, skipped, wrong

Options = Mapping[str, Any]

_QUOTES = " \t\r\n\"'`\u2018\u2019\u201c\u201d"


def _last_tag(text: str) -> str | None:
    """What a search for `<answer>(.*?)</answer>` finds last, in linear time."""
    found, position = None, 0
    while (opening := text.find("<answer>", position)) >= 0:
        closing = text.find("</answer>", opening)
        if closing < 0:
            break
        found, position = text[opening + len("<answer>") : closing].strip(), closing + len("</answer>")
    return found


def _tag(answer: str) -> str | None:
    """The last tag that opens and closes on one line."""
    found = [tag for line in answer.split("\n") if (tag := _last_tag(line)) is not None]
    return found[-1] if found else None


def grid(answer: str, gold: Any, info: Mapping[str, Any], options: Options) -> Result:
    """All cells equal after both grids are filled with -1 to one shape; cells pass through `int`, so 2.9 is 2."""
    if not isinstance(gold, list) or not all(isinstance(row, list) for row in gold):
        return skipped("bad_gold")
    cells = _grid(answer)
    height = max(len(gold), len(cells))
    width = max((len(row) for row in (*gold, *cells)), default=0)
    same = _filled(gold, height, width) == _filled(cells, height, width)
    return correct(str(cells)[:2000]) if same else wrong("different", str(cells)[:2000])


def _grid(answer: str) -> list[list[int]]:
    content = _last_tag(answer)
    if content is None:
        return [[0]]
    text = content.replace("\n", "")
    opening = text.find("[[")
    closing = text.find("]]", opening)
    if opening < 0 or closing < 0:
        return [[0]]
    try:
        rows = literal(text[opening : closing + 2])
        return [[int(cell) for cell in row] for row in rows]
    except (ValueError, TypeError, OverflowError):
        return [[0]]


def _filled(rows: list[list[int]], height: int, width: int) -> list[list[int]]:
    padded = [[*row, *[-1] * (width - len(row))] for row in rows]
    return [*padded, *[[-1] * width for _ in range(height - len(rows))]]


def zebra(answer: str, gold: Any, info: Mapping[str, Any], options: Options) -> Result:
    """Share of equal cells, position by position, the column Position included; the header is not looked at."""
    if not isinstance(gold, Mapping) or not isinstance(gold.get("rows"), list) or not gold.get("header"):
        return skipped("bad_gold")
    content = _tag(answer)
    if content is None:
        return wrong("no_tag")
    try:
        rows = literal(content)["rows"]
        right = sum(
            rows[i][j] == gold["rows"][i][j] for i in range(len(gold["rows"])) for j in range(len(gold["header"]))
        )
    except (ValueError, TypeError, KeyError, IndexError):
        return wrong("shape", content[:2000])
    return of_score(right / (len(gold["rows"]) * len(gold["header"])), content[:2000])


def ordering(answer: str, gold: Any, info: Mapping[str, Any], options: Options) -> Result:
    """The first bracketed list of the tag, its names in lower case, against the reference as it is written."""
    if not isinstance(gold, list):
        return skipped("bad_gold")
    content = _tag(answer)
    if content is None:
        return wrong("no_tag")
    opening = content.find("[")
    closing = content.find("]", opening)
    if opening < 0 or closing < 0:
        return wrong("shape", content[:2000])
    names = [part.strip(_QUOTES).lower() for part in content[opening + 1 : closing].split(",")]
    return correct(str(names)[:2000]) if names == gold else wrong("different", str(names)[:2000])


def graph(answer: str, gold: Any, info: Mapping[str, Any], options: Options) -> Result:
    """The tag holds Latin letters only, and they are the word, whatever their case."""
    if not isinstance(gold, str):
        return skipped("bad_gold")
    content = _tag(answer)
    if content is None or not re.fullmatch("[A-Za-z]+", content):
        return wrong("no_tag" if content is None else "shape", (content or "")[:200])
    return correct(content.lower()) if content.lower() == gold.lower() else wrong("different", content[:200])
