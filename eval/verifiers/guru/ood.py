"""Instruction following as Reasoning360 scored it: strict and by prompt. Only what it reads of a text differs.

IFEval's scorer reads what stands between the first `</think>` and the second, IFBench's what follows the first.
"""

from collections.abc import Mapping
from typing import Any

from eval.verifiers.result import Result
from eval.verifiers.strict.ood import judge


def ifeval(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """1 if the text follows every instruction."""
    return judge("ifeval", answer, gold, info)


def ifbench(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """1 if the text follows every instruction."""
    return judge("ifbench", answer, gold, info)
