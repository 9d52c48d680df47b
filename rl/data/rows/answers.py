"""A row's own gold answer as a completion, and whether its ground truth has the form that its verifier reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from eval.verifiers.registry import score_many
from rl.data.rows.kinds import is_grid, is_objects, is_texts, is_zebra


def gold_completion(row: Mapping[str, Any]) -> str | None:
    """What a model would have to write to be right; None where the row holds no answer (instructions, opaque tests).

    >>> gold_completion({"verifier": "table", "ground_truth": "3.5", "reference": "", "info": "{}"})
    '\\\\boxed{3.5}'
    """
    verifier, gold = row["verifier"], json.loads(row["ground_truth"])
    if not well_formed(verifier, gold):
        return None
    if verifier == "math" and isinstance(gold, dict):
        gold = gold["any_of"][0]
    if verifier in ("math", "table", "choice", "judge"):
        return f"\\boxed{{{gold if isinstance(gold, str) else json.dumps(gold)}}}"
    if verifier in ("grid", "zebra", "ordering", "graph"):
        return f"<answer>{gold if isinstance(gold, str) else json.dumps(gold, ensure_ascii=False)}</answer>"
    if verifier == "code":
        return f"```python\n{row['reference']}\n```" if row["reference"].strip() else None
    if verifier == "codeio":
        return f"```json\n{json.dumps({gold['predict']: gold['value']}, ensure_ascii=False)}\n```"
    if verifier == "cruxeval" and {"input", "output"} <= set(gold):
        return f"```python\nassert f({gold['input']}) == {gold['output']}\n```"
    info = json.loads(row["info"])
    if verifier == "reasoning_gym" and isinstance(answer := info.get("answer", _answer(gold)), str):
        return f"<answer>{answer}</answer>"
    return None


def well_formed(verifier: str, gold: Any) -> bool:
    """Whether a ground truth is a value that its verifier can load (section 6.3 of Reasoning360's specification).

    >>> well_formed("grid", [[1, 2], [3, 4]]), well_formed("grid", "x"), well_formed("math", {"any_of": ["1"]})
    (True, False, True)
    """
    match verifier:
        case "math":
            several = isinstance(gold, dict) and is_texts(gold.get("any_of")) and bool(gold["any_of"])
            return several or _is_text(gold)
        case "code":
            pairs = isinstance(gold, dict) and is_texts(gold.get("inputs")) and is_texts(gold.get("outputs"))
            opaque = isinstance(gold, dict) and any(_is_text(gold.get(name)) for name in ("functional", "pytest"))
            return opaque or (pairs and len(gold["inputs"]) == len(gold["outputs"]) > 0)
        case "codeio":
            return isinstance(gold, dict) and gold.get("predict") in ("input", "output") and "value" in gold
        case "cruxeval":
            return isinstance(gold, dict) and ("functional" in gold or {"predict", "code"} <= set(gold))
        case "grid":
            return is_grid(gold) and bool(gold) and len({len(line) for line in gold}) == 1 and bool(gold[0])
        case "zebra":
            return is_zebra(gold) and bool(gold["rows"])
        case "ordering":
            return is_texts(gold) and bool(gold)
        case "table":
            return _is_text(gold) or (isinstance(gold, int | float) and not isinstance(gold, bool))
        case "ifeval":
            return is_objects(gold)
        case "ifbench":
            return isinstance(gold, dict) and is_texts(gold.get("instruction_id")) and is_objects(gold.get("kwargs"))
        case "reasoning_gym":
            return gold is not None
        case _:
            return _is_text(gold)


def judge_golds(rows: Sequence[Mapping[str, Any]], threads: int = 8) -> list[str]:
    """What comes of each row's gold answer, and of an empty one.

    Args:
        rows: [B] rows.
        threads: verdicts at once.

    Returns:
        [B] `gold_correct`; `no_gold_answer` where the row holds none; `not_judged/REASON` where a package or the
        sandbox was missing; `gold_STATUS/REASON` where the row's own answer is not right; `empty_answer_scores`.
    """
    texts = [gold_completion(row) for row in rows]
    results = score_many(rows, [text or "" for text in texts], threads=threads)
    empties = score_many(rows, [""] * len(rows), threads=threads)
    found = []
    for text, result, empty in zip(texts, results, empties, strict=True):
        if empty.score:
            found.append("empty_answer_scores")
        elif text is None:
            found.append("no_gold_answer")
        elif result.status == "correct":
            found.append("gold_correct")
        elif result.failure == "infra" or result.reason == "missing_resource":
            found.append(f"not_judged/{result.reason}")
        else:
            found.append(f"gold_{result.status}/{result.reason}")
    return found


def _answer(gold: Any) -> Any:
    return gold.get("answer") if isinstance(gold, dict) else gold


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
