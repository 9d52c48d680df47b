"""Puzzles of reasoning-gym, scored by the library itself, with what it would evaluate of an answer looked at before.

Some families of the library hand an answer to `eval` or to SymPy's parser, which runs Python. Such an answer is passed
on only if it is a literal, or an arithmetic expression of known functions; anything else scores 0.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from eval.verifiers.gym_library import refused
from eval.verifiers.result import Result, infra_error, of_score, skipped, unparseable, wrong
from eval.verifiers.segments import last_answer_tag
from eval.verifiers.workers import Outcome, call

CPU_S = 3.0
"""Processor seconds of one answer."""

DEADLINE_S = 30.0
"""Wall seconds of one answer."""


def reasoning_gym(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """The library's score with three mends, each named in `detail.mended` where it changed the score.

    `puzzle24` gives 0.01 for any text: 0 unless it is an arithmetic expression. It does not look at which numbers are
    used: they must be the puzzle's. `game_of_life_halting` takes any text for True: the texts have to be equal.
    """
    content = last_answer_tag(answer)
    content = (answer if content is None else content).strip()
    if not content:
        return unparseable("empty")
    entry = entry_of(gold)
    if entry is None:
        return skipped("bad_gold")
    task = task_of(entry, info)
    if refused(task, content, entry):
        return wrong("blocked_construct", content[:2000], task=task)
    given = library_score(task, content, entry)
    if isinstance(given, Result):
        return given
    score, mended = _mended(task, content, entry, given)
    reason = "partial" if score else "different"
    return of_score(score, content[:2000], reason, task=task, library=given, mended=mended)


def entry_of(gold: Any) -> dict[str, Any] | None:
    """The library's entry: a dict with `answer`, and `metadata` that names the family."""
    if not isinstance(gold, Mapping) or "answer" not in gold:
        return None
    metadata = gold.get("metadata")
    return {**gold, "metadata": dict(metadata) if isinstance(metadata, Mapping) else {}}


def task_of(entry: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """The family: from the entry, the row's `info.task`, or its source `reasoning_gym__<task>`."""
    source = str(info.get("source", ""))
    return str(entry["metadata"].get("source_dataset") or info.get("task") or source.partition("__")[2])


def library_score(task: str, content: str, entry: Mapping[str, Any]) -> float | Result:
    """What the library says, from 0 to 1; a Result where it cannot say.

    Its scorers raise for texts that they did not think of, and for entries that lack something: the entry's own answer
    tells which.
    """
    found = _ask(task, content, entry)
    if found.failure == "error" and "ImportError" in found.message.replace("ModuleNotFound", "Import"):
        return skipped("missing_resource", message=f"{found.message}; pip install -e .[gym]")
    if found.failure == "error":
        own = _ask(task, str(entry["answer"]), entry)
        fault = skipped("bad_gold", task=task, message=own.message)
        return fault if own.failure == "error" else wrong("type", content[:2000], task=task, message=found.message)
    if found.failure in ("time_limit", "memory_limit"):
        return wrong(found.failure, content[:2000], task=task)
    if found.failure:
        return infra_error(found.failure, message=found.message)
    return min(1.0, max(0.0, found.value))


def _ask(task: str, content: str, entry: Mapping[str, Any]) -> Outcome:
    arguments = {"task": task, "content": content, "entry": entry}
    return call("eval.verifiers.gym_library:score_answer", arguments, DEADLINE_S, CPU_S)


def _mended(task: str, content: str, entry: Mapping[str, Any], given: float) -> tuple[float, list[str]]:
    if task == "game_of_life_halting":
        exact = float(content.casefold() == str(entry["answer"]).strip().casefold())
        return exact, ["equal_text"] if exact != given else []
    if task == "puzzle24":
        if not re.search(r"[0-9]\s*[-+*/]", content):
            return 0.0, ["no_expression"] if given else []
        numbers = entry["metadata"].get("numbers")
        used = Counter(int(number) for number in re.findall(r"[0-9]{1,9}", content))
        if isinstance(numbers, list) and used != Counter(numbers) and given == 1:
            return 0.01, ["other_numbers"]
    return given, []
