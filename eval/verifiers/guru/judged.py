"""Free answers as Reasoning360 scored them: the last box of the whole text, thinking included, and 0 for any failure.

The published request is the judge's, in our words; a server that fails still scores 0 there, which is why this mode
is for reproduction only.
"""

from collections.abc import Mapping
from typing import Any

from eval.judges.equivalence import Exchange
from eval.verifiers.result import Result, correct, skipped, wrong
from eval.verifiers.segments import last_box
from eval.verifiers.strict.judged import panel_of


def judge(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """1 if the judge says yes; without a box, and after any failure, 0."""
    if not isinstance(gold, str):
        return skipped("bad_gold")
    box = last_box(answer)
    if box is None:
        return wrong("no_box")
    try:
        panel = panel_of(options.get("judge"))
    except ValueError as unfit:
        return skipped("missing_resource", message=str(unfit))
    verdict = panel.decide(Exchange(str(info.get("question") or ""), gold, box))
    if verdict.equal:
        return correct(box[:2000], reply=verdict.reply)
    return wrong("judge_no" if verdict.equal is False else f"judge_{verdict.reason}", box[:2000], reply=verdict.reply)
