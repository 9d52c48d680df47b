"""Mathematics: DAPO with Skywork-OR1, DeepScaleR, and the evaluation sets; boxed answers."""

import json
from typing import Any

from rl.data.raw.dataset import Built, DataSet, PrepareConfig, Question, Record, text_of

BOXED = " Please output the final answer within \\boxed{}."


def build(record: Record, config: PrepareConfig) -> Built:
    """A problem with its answer; several answers, each of which will do, are `{"any_of": [...]}`."""
    del config
    problem = text_of(record, "problem", "question", "original_question") or _asked(record.get("prompt"))
    answers = answers_of(record)
    if not problem:
        return "no_problem"
    if not answers:
        return "no_answer"
    gold: Any = answers[0] if len(answers) == 1 else {"any_of": answers}
    metric = str(_extra(record).get("reward_metric") or "default")
    info: dict[str, Any] = {"original_question": problem, "reward_metric": metric}
    if len(answers) > 1:
        info["multi_answer"] = True
    for name in ("subject", "level", "source", "url"):
        if record.get(name) not in (None, ""):
            info[name] = record[name]
    reference = text_of(record, "solution", "reference_solution") or answers[0]
    return [Question(problem + BOXED, gold, problem, reference, info)]


def answers_of(record: Record) -> list[str]:
    """The answers of a record, of which any will do: a text, a number, a list, or a JSON list in a text.

    >>> answers_of({"answer": '["a", "b"]'}), answers_of({"reward_model": {"ground_truth": "[1,2]"}})
    (['a', 'b'], ['[1,2]'])
    """
    rule = record.get("reward_model")
    found = rule.get("ground_truth") if isinstance(rule, dict) else None
    for name in ("answer", "final_answer", "expected_answer"):
        found = record.get(name) if found is None else found
    if isinstance(found, str) and found.startswith('["'):  # a list of texts; `[1,2]` is an interval or a vector
        try:
            found = json.loads(found)
        except ValueError:
            return [found]
    values = found if isinstance(found, list) else [found]
    return list(dict.fromkeys(text for value in values if (text := text_of({"value": value}, "value"))))


def _asked(prompt: Any) -> str:
    """The problem inside a prompt: DAPO puts a request before and after it, a blank line between."""
    text = prompt if isinstance(prompt, str) else ""
    if isinstance(prompt, list):
        text = next((str(turn.get("content") or "") for turn in prompt if turn.get("role") == "user"), "")
    parts = text.strip().split("\n\n")
    if len(parts) > 2 and "Answer: $Answer" in parts[0] and '"Answer:"' in parts[-1]:
        parts = parts[1:-1]
    return "\n\n".join(parts).strip()


def _extra(record: Record) -> Record:
    extra = record.get("extra_info")
    return extra if isinstance(extra, dict) else {}


PROBLEM = "records {problem, answer}"


def _evaluation(name: str, hub: str, licence: str, rows: int | None = None) -> DataSet:
    """A set to measure with; its published file may repeat each problem, and ours does not."""
    return DataSet(
        f"math__{name}",
        build,
        hub,
        licence,
        PROBLEM,
        files={"offline_eval": ("*.parquet", "*.jsonl", "*.json"), "online_eval": ("*.parquet", "*.jsonl", "*.json")},
        repeats=True,
        published={"offline_eval": rows} if rows else {},
    )


DATA_SETS = (
    DataSet(
        "math__dapo_or1",
        build,
        "SDSB/merged_deduped_dapo_or1_dataset",
        "MIT and Apache-2.0",
        PROBLEM + ", or DAPO's and Skywork-OR1's {prompt, reward_model: {ground_truth}}",
        repeats=True,
        published={"raw": 122_972, "kept": 117_192},
    ),
    DataSet(
        "math__deepscaler_preview",
        build,
        "agentica-org/DeepScaleR-Preview-Dataset",
        "MIT",
        PROBLEM,
        repeats=True,
        published={"raw": 40_300},
    ),
    _evaluation("aime24", "HuggingFaceH4/aime_2024", "Apache-2.0", 30),
    _evaluation("aime25", "math-ai/aime25", "Apache-2.0", 30),
    _evaluation("amc", "AI-MO/aimo-validation-amc", "Apache-2.0", 83),
    _evaluation("minerva", "math-ai/minervamath", "MIT"),
    _evaluation("olympiad_bench", "math-ai/olympiadbench", "Apache-2.0"),
    _evaluation("math_500", "HuggingFaceH4/MATH-500", "MIT", 500),
)
