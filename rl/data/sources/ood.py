"""Out of domain: instructions that a program checks, and LiveBench."""

import ast
import json
from typing import Any

from rl.data.raw.dataset import Built, DataSet, PrepareConfig, Question, Record, text_of

FIRST_RELEASE, LAST_RELEASE = "2024-06-01", "2024-07-31"
"""LiveBench's questions that the 17-task suite takes, by the day they were released."""


def ifeval(record: Record, config: PrepareConfig) -> Built:
    """IFEval: the prompt as it is; what the instructions need without the null keys that Arrow adds."""
    del config
    prompt, names, kwargs = record.get("prompt"), record.get("instruction_id_list"), record.get("kwargs")
    if not isinstance(prompt, str) or not prompt.strip():
        return "no_problem"
    if not isinstance(names, list) or not isinstance(kwargs, list) or len(names) != len(kwargs) or not names:
        return "no_instructions"
    info = {"instruction_id_list": names, "prompt": prompt, "key": record.get("key")}
    return [Question(prompt, [_given(one) for one in kwargs], record.get("key") or prompt, "", info)]


def ifbench(record: Record, config: PrepareConfig) -> Built:
    """IF_multi_constraints: the first message; the ground truth is a list of one object, written as Python or JSON."""
    del config
    turns = record.get("messages")
    prompt = turns[0].get("content") if isinstance(turns, list) and turns and isinstance(turns[0], dict) else None
    found = _listed(record.get("ground_truth"))
    if not isinstance(prompt, str) or not prompt.strip():
        return "no_problem"
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        return "no_instructions"
    names, kwargs = found[0].get("instruction_id"), found[0].get("kwargs")
    if not isinstance(names, list) or not isinstance(kwargs, list) or len(names) != len(kwargs) or not names:
        return "no_instructions"
    gold = {"instruction_id": names, "kwargs": [_given(one) for one in kwargs]}
    return [Question(prompt, gold, record.get("key") or prompt, "", {"prompt": prompt})]


def livebench(record: Record, config: PrepareConfig) -> Built:
    """LiveBench: the single turn of a question of the chosen releases."""
    del config
    turns, gold, task = record.get("turns"), record.get("ground_truth"), text_of(record, "task")
    if not isinstance(turns, list) or len(turns) != 1:
        return "turns"
    released = str(record.get("livebench_release_date") or "")[:10]
    if not FIRST_RELEASE <= released <= LAST_RELEASE:
        return "other_release"
    if not isinstance(gold, str) or not gold or not task:
        return "no_answer"
    info = {"task": task, "category": text_of(record, "category"), "prompt": turns[0], "released": released}
    return [Question(turns[0], gold, record.get("question_id") or turns[0], gold, info)]


def _given(kwargs: Any) -> dict[str, Any]:
    return {name: value for name, value in (kwargs or {}).items() if value is not None}


def _listed(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)  # reads literals, runs nothing
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


FILES = ("*.jsonl", "*.parquet")

DATA_SETS = (
    DataSet(
        "ood__ifeval",
        ifeval,
        "google/IFEval",
        "Apache-2.0",
        "records {key, prompt, instruction_id_list, kwargs}",
        files={"offline_eval": FILES},
        published={"offline_eval": 541},
    ),
    DataSet(
        "ood__ifbench",
        ifbench,
        "allenai/IF_multi_constraints_upto5",
        "ODC-BY",
        "records {key, messages, ground_truth}",
        files={"train": FILES, "offline_eval": FILES},
    ),
    DataSet(
        "ood__livebench",
        livebench,
        "livebench/reasoning, livebench/data_analysis and livebench/language, in one folder",
        "Apache-2.0",
        "records {question_id, category, task, turns, ground_truth, livebench_release_date}",
        files={"offline_eval": FILES},
        published={"offline_eval": 440},
    ),
)
