"""Programs: functions and standard input/output, judged by tests that run in the sandbox."""

import json
import re
from typing import Any

from pydantic import Field

from rl.data.raw.dataset import Built, DataSet, PrepareConfig, Question, Record, draws, text_of

LONGEST_STDIN = 1_000_000
"""Bytes of one test's input; rows with a longer one are left out (the paper's rule; its code had it off)."""

FENCE = "```python\n{}\n```"
DEEP_EQUAL = """
def _same(one, other):
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return abs(one - other) <= 1e-5 * max(1.0, abs(one), abs(other))
    return one == other

"""
"""Test code of rows whose tests are calls: lists and tuples alike, numbers to 1e-5."""


class ProgramsConfig(PrepareConfig):
    """Preparation of programming problems."""

    max_tests: int = Field(8, ge=1)
    """Tests of a row with standard input, drawn by row; all stay in `complete_inputs` and `complete_outputs`."""

    max_prompt_chars: int = Field(20_480, ge=1)
    """Longer prompts are cut there."""


def leetcode(record: Record, config: ProgramsConfig) -> Built:
    """LeetCodeDataset: the query without its last heading, `check` called on the entry point."""
    query = re.sub(r"\n*### Answer\b[^\n]*\n?(`+[^`]*`+)?\s*$", "", text_of(record, "query")).rstrip()
    test, entry = text_of(record, "test"), text_of(record, "entry_point")
    if not query:
        return "no_problem"
    if not test or not entry:
        return "no_tests"
    info = {
        "prefix": str(record.get("prompt") or ""),
        "entry_point": entry,
        "difficulty": text_of(record, "difficulty"),
    }
    info["question_title"] = text_of(record, "question_title", "task_id")
    gold = {"functional": f"{test}\n\ncheck({entry})"}
    return _row(query, gold, record.get("task_id") or query, text_of(record, "completion"), info, config)


def taco(record: Record, config: ProgramsConfig) -> Built:
    """TACO-verified: function calls or standard input, first solution."""
    statement, origin = text_of(record, "question", "problem"), text_of(record, "source").lower()
    if origin in ("geeksforgeeks", "leetcode"):
        return "excluded_source"
    if len(re.findall(r"[^\W_]", statement)) < 100:
        return "short_statement"
    if re.search(r"\bimages?\b|!\[[^\]]*\]\(", statement, re.IGNORECASE):
        return "image"
    tests = _json(record.get("input_output") or record.get("tests"))
    if (
        not isinstance(tests, dict)
        or not tests.get("inputs")
        or len(tests["inputs"]) != len(tests.get("outputs") or ())
    ):
        return "no_tests"
    solutions = _json(record.get("solutions"))
    reference = _code(next(iter(solutions), "")) if isinstance(solutions, list) else ""
    opening = "Solve the programming task below in a Python markdown code block.\n\n" + statement
    if name := tests.get("fn_name"):
        outputs = [
            out[0] if origin == "codewars" and isinstance(out, list) and out else out for out in tests["outputs"]
        ]
        gold: dict[str, Any] = {"functional": calls(str(name), tests["inputs"], outputs)}
        starter = text_of(record, "starter_code")
        asked = f"Write a function `{name}`." if not starter else f"Begin with this code:\n{FENCE.format(starter)}"
    else:
        gold = {
            "inputs": [_stdin(one) for one in tests["inputs"]],
            "outputs": [_stdin(one) for one in tests["outputs"]],
        }
        asked = "Read the inputs from standard input and write the results to standard output."
    info = {"difficulty": text_of(record, "difficulty"), "origin": origin, "entry_point": str(name or "")}
    return _row(f"{opening}\n\n{asked}", gold, statement, reference, info, config)


def primeintellect(record: Record, config: ProgramsConfig) -> Built:
    """DeepCoder's primeintellect: tests typed as calls or standard input; the statement verbatim."""
    statement = text_of(record, "problem")
    tests = _json(record.get("tests"))
    if not isinstance(tests, list) or not tests:
        return "no_tests"
    if re.search(r"<image>|\[image\]", statement, re.IGNORECASE):
        return "image"
    opening = "Solve the following coding problem using the programming language python:"
    body = statement.removeprefix(opening).lstrip().lower()
    if not body or body.startswith(("example", "input", "-----input-----")):
        return "no_statement"
    solutions = _json(record.get("solutions"))
    reference = _code(next(iter(solutions), "")) if isinstance(solutions, list) else ""
    names = {str(test.get("fn_name")) for test in tests if test.get("type") == "function_call"}
    if names:
        if len(names) != 1 or any(test.get("type") != "function_call" for test in tests):
            return "mixed_tests"
        outputs = [_value(test["output"]) for test in tests]
        gold: dict[str, Any] = {"functional": calls(next(iter(names)), [test["input"] for test in tests], outputs)}
    else:
        gold = {"inputs": [_stdin(one["input"]) for one in tests], "outputs": [_stdin(one["output"]) for one in tests]}
    return _row(statement, gold, statement, reference, {"entry_point": next(iter(names), "")}, config)


def livecodebench(record: Record, config: ProgramsConfig) -> Built:
    """DeepCoder's lcbv5: asserts on `Solution()`, or standard input; there is no reference solution."""
    statement, starter = text_of(record, "problem", "question_content"), text_of(record, "starter_code")
    tests = _json(record.get("tests"))
    if not statement:
        return "no_problem"
    if not isinstance(tests, list) or not tests:
        return "no_tests"
    metadata = _json(record.get("metadata"))
    name = text_of(metadata if isinstance(metadata, dict) else {}, "func_name")
    if any(test.get("testtype") == "functional" for test in tests):
        if not name:
            return "no_entry_point"
        try:
            inputs = [[json.loads(line) for line in test["input"].split("\n") if line.strip()] for test in tests]
            outputs = [json.loads(test["output"]) for test in tests]
        except ValueError:
            return "no_tests"
        gold: dict[str, Any] = {"functional": calls(f"Solution().{name}", inputs, outputs)}
        asked = f"Complete this code, and give all of it in one code block:\n\n{FENCE.format(starter)}"
    else:
        gold = {"inputs": [_stdin(one["input"]) for one in tests], "outputs": [_stdin(one["output"]) for one in tests]}
        asked = "Read from standard input, solve the problem, write to standard output. Give all code in one block:\n\n"
        asked += FENCE.format("# your code")
    opening = "You are an expert Python programmer. Write a program that solves the problem below and passes all tests."
    prompt = f"{opening}\n\n### Question\n{statement}\n\n### Format\n{asked}"
    return _row(prompt, gold, statement, "", {"entry_point": name, "starter_code": starter}, config)


def humaneval(record: Record, config: ProgramsConfig) -> Built:
    """HumanEval and its plus form: complete the fenced function."""
    prompt, entry = str(record.get("prompt") or ""), text_of(record, "entry_point")
    if not prompt.strip() or not text_of(record, "test"):
        return "no_problem"
    asked = (
        "Write a complete, self-contained Python solution, with the signature exactly as specified, in one code block."
    )
    gold = {"functional": f"{text_of(record, 'test')}\n\ncheck({entry})"}
    reference = prompt + str(record.get("canonical_solution") or "")
    return _row(
        f"{asked}\n\n{FENCE.format(prompt.rstrip())}",
        gold,
        record.get("task_id"),
        reference,
        {"entry_point": entry},
        config,
    )


def mbpp(record: Record, config: ProgramsConfig) -> Built:
    """MBPP: all shown asserts and the challenge tests; MBPP+: its own tests behind the shown asserts."""
    text = text_of(record, "text", "prompt")
    shown = [str(one) for one in record.get("test_list") or ()]
    if not text or not shown:
        return "no_tests"
    imports = record.get("test_imports") or []
    setup = "\n".join([str(record.get("test_setup_code") or ""), *map(str, imports)]).strip()
    tests = text_of(record, "test") or "\n".join([*shown, *map(str, record.get("challenge_test_list") or ())])
    prompt = (
        f"{text} Write a self-contained function in one code block. It has to satisfy these assertions; "
        "do not include the test cases:\n" + FENCE.format("\n".join(shown))
    )
    gold = {"functional": f"{setup}\n{tests}".strip()}
    reference = text_of(record, "code").replace("\r\n", "\n")
    return _row(prompt, gold, record.get("task_id"), reference, {"task_id": record.get("task_id")}, config)


def calls(name: str, inputs: list[Any], outputs: list[Any]) -> str:
    """Test code that calls a function once for each list of arguments and compares with what it should return.

    >>> calls("f", [[1, 2]], [3]).splitlines()[-1]
    'assert _same(f(1, 2), 3)'
    """
    lines = []
    for given, wanted in zip(inputs, outputs, strict=True):
        arguments = given if isinstance(given, list) else [given]
        lines.append(f"assert _same({name}({', '.join(map(repr, arguments))}), {wanted!r})")
    return DEEP_EQUAL.lstrip() + "\n".join(lines)


def _row(
    prompt: str, gold: dict[str, Any], key: Any, reference: str, info: dict[str, Any], config: ProgramsConfig
) -> Built:
    info = {name: value for name, value in info.items() if value not in ("", None)}
    if "inputs" in gold:
        if any(len(one.encode("utf-8", "surrogatepass")) > LONGEST_STDIN for one in gold["inputs"]):
            return "long_test"
        pairs = list(zip(gold["inputs"], gold["outputs"], strict=True))
        if len(pairs) > config.max_tests:
            info |= {"complete_inputs": gold["inputs"], "complete_outputs": gold["outputs"]}
            chosen = sorted(draws(config.seed, "tests", key).sample(range(len(pairs)), config.max_tests))
            gold = {"inputs": [pairs[at][0] for at in chosen], "outputs": [pairs[at][1] for at in chosen]}
    return [Question(prompt[: config.max_prompt_chars], gold, key, reference, info)]


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def _stdin(value: Any) -> str:
    text = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.replace("\r\n", "\n")


def _value(output: Any) -> Any:
    """One element means the value, more a tuple."""
    if not isinstance(output, list):
        return output
    return output[0] if len(output) == 1 else tuple(output)


def _code(text: Any) -> str:
    """A solution without its fence."""
    found = re.search(r"```(?:python)?\s*\n(.*?)```", str(text), re.DOTALL)
    return (found[1] if found else str(text)).strip()


TESTS = "records with a statement and its tests"
ANY = ("*.parquet", "*.jsonl", "*.json")
BOTH = {"train": ("*train*",), "offline_eval": ("*test*",)}
MEASURE = {"offline_eval": ANY, "online_eval": ANY}

DATA_SETS = (
    DataSet(
        "codegen__leetcode2k", leetcode, "newfacade/LeetCodeDataset", "Apache-2.0", TESTS, "34803eb6", BOTH,
        config=ProgramsConfig, published={"raw": 2_400, "kept": 2_400},
    ),
    DataSet(
        "codegen__taco", taco, "likaixin/TACO-verified", "Apache-2.0", "records {question, solutions, input_output}",
        files={"train": ANY}, config=ProgramsConfig, published={"raw": 12_900, "kept": 11_100},
    ),
    DataSet(
        "codegen__primeintellect", primeintellect, "agentica-org/DeepCoder-Preview-Dataset", "MIT",
        "records {problem, solutions, tests}", files={"train": ("primeintellect/train*", *ANY[1:])},
        config=ProgramsConfig, published={"raw": 16_300, "kept": 9_600},
    ),
    DataSet(
        "codegen__livecodebench", livecodebench, "agentica-org/DeepCoder-Preview-Dataset", "MIT",
        "records {problem, starter_code, tests, metadata}",
        files={"train": ("lcbv5/train*",), "offline_eval": ("lcbv5/test*",), "online_eval": ("lcbv5/test*",)},
        config=ProgramsConfig, published={"raw": 599, "offline_eval": 279, "online_eval": 279},
    ),
    DataSet(
        "codegen__humaneval", humaneval, "openai/openai_humaneval", "MIT", "HumanEval's records", files=MEASURE,
        config=ProgramsConfig, published={"offline_eval": 164},
    ),
    DataSet(
        "codegen__humanevalplus", humaneval, "autoprogrammer/humanevalplus_corrected", "Apache-2.0",
        "HumanEval's records", files=MEASURE, config=ProgramsConfig, published={"offline_eval": 164},
    ),
    DataSet(
        "codegen__mbpp", mbpp, "google-research-datasets/mbpp", "CC-BY-4.0", "MBPP's records",
        files={"offline_eval": ("full/test*", *ANY[1:]), "online_eval": ("full/test*", *ANY[1:])},
        sizes={"online_eval": 200}, config=ProgramsConfig, published={"offline_eval": 500, "online_eval": 200},
    ),
    DataSet(
        "codegen__mbppplus", mbpp, "evalplus/mbppplus", "Apache-2.0", "MBPP+'s records", files=MEASURE,
        config=ProgramsConfig,
    ),
)  # fmt: skip
