"""Simulation: predict the input or the output of a program, from CodeI/O and CRUXEval."""

import json
from typing import Any, Literal

from pydantic import Field

from rl.data.raw.dataset import Built, DataSet, PrepareConfig, Question, Record, draws, text_of


class CodeIOConfig(PrepareConfig):
    """Preparation of CodeI/O."""

    max_length: int | None = Field(2048, ge=101)
    """Context in tokens: a prompt, in the chat template, may have 100 fewer. Null keeps every length."""


def codeio(record: Record, config: CodeIOConfig) -> Built:
    """CodeI/O: the first input and output of a program; a draw by record says which one is asked for."""
    problem, form = text_of(record, "problem_description"), text_of(record, "io_requirements")
    code = text_of(record, "refcode")
    pairs = record.get("ios")
    if not problem or not code:
        return "no_problem"
    if not isinstance(pairs, list) or not pairs or not {"input", "output"} <= set(pairs[0]):
        return "no_pairs"
    key = [problem, code]
    asked: Literal["input", "output"] = draws(config.seed, "codeio", key).choice(("input", "output"))
    given: Literal["input", "output"] = "output" if asked == "input" else "input"
    try:
        shown = json.dumps(pairs[0][given], ensure_ascii=False, allow_nan=False)
        wanted = json.dumps(pairs[0][asked], ensure_ascii=False, allow_nan=False)
    except ValueError:
        return "not_finite"
    task = (
        "Predict the output for the input below."
        if asked == "output"
        else "Find an input for which the program gives the output below."
    )
    prompt = (
        f"Here is a problem, what its inputs and outputs are, and a reference program.\n\n### Problem\n{problem}"
        f"\n\n### Inputs and outputs\n{form}\n\n### Task\n{task} Do not run the program.\n\n### The {given}\n{shown}"
        f"\n\n### Reference program\n```python\n{code}\n```\n\nPlease output the final answer within \\boxed{{}} and "
        f'as a JSON object in a fence:\n```json\n{{"{asked}": <the {asked}>}}\n```'
    )
    gold = {"predict": asked, "value": pairs[0][asked], "given": pairs[0][given]}
    return [Question(prompt, gold, key, f'"{asked}": {wanted}', {"refcode": code, "problem": problem})]


def cruxeval(record: Record, asked: Literal["input", "output"]) -> Built:
    """CRUXEval: complete an assertion about a function, with an input or with the output."""
    code, given, result = (text_of(record, name) for name in ("code", "input", "output"))
    if not code or not isinstance(record.get("input"), str) or not result:
        return "no_problem"
    if asked == "input":
        task = f"Find any input for which this assertion holds:\n```python\nassert f(??) == {result}\n```"
    else:
        task = f"Complete this assertion with a literal:\n```python\nassert f({given}) == ??\n```"
    prompt = f"Here is a function:\n```python\n{code}\n```\n\n{task}\n\nGive the whole assertion in a ```python fence."
    gold = {"predict": asked, "code": code, "input": given, "output": result}
    reference = f"assert f({given}) == {result}"
    return [Question(prompt, gold, record.get("id") or [code, given], reference, {"entry_point": "f"})]


def cruxeval_input(record: Record, config: PrepareConfig) -> Built:
    """CRUXEval-I."""
    del config
    return cruxeval(record, "input")


def cruxeval_output(record: Record, config: PrepareConfig) -> Built:
    """CRUXEval-O."""
    del config
    return cruxeval(record, "output")


def _crux(letter: str, build: Any) -> DataSet:
    return DataSet(
        f"simulation__cruxeval-{letter}",
        build,
        "cruxeval-org/cruxeval",
        "MIT",
        "records {code, input, output, id}",
        files={"offline_eval": ("*.jsonl", "*.parquet")},
        published={"offline_eval": 800},
    )


DATA_SETS = (
    DataSet(
        "simulation__codeio",
        codeio,
        "hkust-nlp/CodeIO-PyEdu-Reasoning-Raw",
        "the data set's card names it",
        "one JSONL file of {problem_description, io_requirements, refcode, ios}",
        files=dict.fromkeys(("train", "offline_eval", "online_eval"), ("*.jsonl",)),
        shares={"train": (0.0, 0.1), "offline_eval": (0.1, 1.0), "online_eval": (0.1, 1.0)},
        sizes={"offline_eval": 200, "online_eval": 200},
        first=200_000,
        config=CodeIOConfig,
        published={"raw": 227_000, "kept": 12_100, "offline_eval": 200, "online_eval": 200},
    ),
    _crux("i", cruxeval_input),
    _crux("o", cruxeval_output),
)
