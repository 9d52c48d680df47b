"""LiveBench as Reasoning360 scored it: the whole text is searched, thinking included, with three habits of its own.

The rules are those of `eval.verifiers.strict.livebench`. What differs: rows of `tablereformat` always score 0, because
the published router calls the task `tableformat`; `web_of_lies_v3` compares parts without trimming their blanks.
"""

from collections.abc import Mapping
from typing import Any

from eval.verifiers.result import Result, of_score, skipped, wrong
from eval.verifiers.strict.livebench import RULES


def livebench(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """The published fraction; an answer that cannot be read scores 0."""
    task = str(info.get("task", ""))
    if task not in RULES or not isinstance(gold, str | dict | list):
        return skipped("bad_gold", task=task)
    if task == "tablereformat":
        return wrong("different", task=task)
    if task == "web_of_lies_v3":
        return of_score(_untrimmed(str(gold), answer), answer[-200:], task=task)
    score = RULES[task](gold if isinstance(gold, str) else repr(gold), answer, info)
    return of_score(score or 0.0, answer[-200:], task=task)


def _untrimmed(gold: str, answer: str) -> float:
    opening, closing = answer.rfind("<solution>"), answer.rfind("</solution>")
    if closing < opening or opening < 0:
        return RULES["web_of_lies_v3"](gold, answer, {}) or 0.0
    given = answer[opening + len("<solution>") : closing].lower().split(",")
    wanted = gold.lower().split(",")
    share = sum(one == other for one, other in zip(given, wanted, strict=False)) / len(wanted)
    return (float(given == wanted) + share) / 2
