"""Puzzles of reasoning-gym as Reasoning360 scored them; the published scorer also wrote each sample to a file.

Text after the last `</think>` is scored where there is no tag. An answer that the library would evaluate as Python,
and that is no literal or expression, scores 0 here.
"""

import re
from collections.abc import Mapping
from typing import Any

from eval.verifiers.gym_library import is_expression, refused
from eval.verifiers.result import Result, of_score, skipped, wrong
from eval.verifiers.strict.gym import entry_of, library_score, task_of


def reasoning_gym(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """The library's score with the two published patches: `puzzle24` without the 0.01, halting by equal text."""
    opening, closing = answer.rfind("<answer>"), answer.rfind("</answer>")
    content = answer[opening + 8 : closing] if 0 <= opening < closing else answer.rpartition("</think>")[2]
    content, entry = content.strip(), entry_of(gold)
    if entry is None:
        return skipped("bad_gold")
    task = task_of(entry, info)
    if task == "game_of_life_halting":
        return of_score(float(content == str(entry["answer"])), content[:2000], task=task)
    if refused(task, content, entry):
        return wrong("blocked_construct", content[:2000], task=task)
    score = library_score(task, content, entry)
    if isinstance(score, Result):
        return score
    arithmetic = is_expression(content) and re.search(r"[0-9]\s*[-+*/]", content)
    if task == "puzzle24" and score == 0.01 and not arithmetic:
        score = 0.0
    return of_score(score, content[:2000], task=task)
