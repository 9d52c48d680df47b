"""Call anyone's verifier with one answer: a Python function, a verl or TRL reward, an HTTP endpoint, or one of ours.

`judge` runs in a worker, so that a crash or a hang of the target ends that process and nothing else.
"""

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NAMES: dict[str, str] = {
    "math-verify": "eval.verifiers.audit.public:math_verify",
    "trl": "trl.rewards:accuracy_reward",
    "lm-eval-hendrycks": "eval.verifiers.audit.public:lm_eval_hendrycks",
    "lm-eval-minerva": "eval.verifiers.audit.public:lm_eval_minerva",
}
"""Public verifiers of mathematics by a short name."""

_LIBRARIES = {
    "math-verify": "math_verify",
    "trl": "trl.rewards.accuracy_rewards",
    "lm-eval-hendrycks": "lm_eval.tasks.hendrycks_math.utils",
    "lm-eval-minerva": "lm_eval.tasks.minerva_math.utils",
}

_GOLD = ("ground_truth", "gold", "reference", "solution", "target", "answer_key", "expected", "label", "correct_answer")
_ANSWER = ("completion", "solution_str", "response", "answer", "prediction", "pred", "candidate", "output", "text")


def judge(target: str, row: Mapping[str, Any], completion: str, place: str, home: str) -> dict[str, Any]:
    """One verdict of a target: its score, or what it raised; called in a worker.

    Args:
        target: `ours:NAME`, `guru:NAME`, a short name, `module:function` or an http address.
        row: with `verifier`, `ground_truth`, `info`, `source`.
        completion: the answer.
        place: an empty folder that the target works in; what it leaves there is its doing.
        home: the folder that the audit was started in, where the target's module may lie.
    """
    if home not in sys.path:
        sys.path.insert(0, home)
    os.chdir(home)
    call = opened(target)
    os.chdir(place)
    try:
        return {"score": number(call(row, completion))}
    finally:
        os.chdir(home)


def module_of(target: str) -> str:
    """The module that a target's process imports once, before any verdict's time runs."""
    if target in _LIBRARIES:
        return _LIBRARIES[target]
    ours = target.split(":")[0] in ("ours", "guru", "http", "https") or ":" not in target
    return "eval.verifiers.registry" if ours else target.partition(":")[0]


@functools.lru_cache(maxsize=16)
def opened(target: str) -> Callable[[Mapping[str, Any], str], Any]:
    """A target as a function of a row and a completion.

    Raises:
        ValueError: the target is of none of the forms.
        ImportError, AttributeError: there is no such module or function.
    """
    target = NAMES.get(target, target)
    if target.startswith(("http://", "https://")):
        return functools.partial(_over_http, target)
    if target.split(":")[0] in ("ours", "guru"):
        return functools.partial(_ours, "guru" if target.startswith("guru") else "strict")
    module, _, name = target.partition(":")
    if not module or not name:
        raise ValueError(f"{target!r} is no target: ours[:NAME], {', '.join(NAMES)}, MODULE:FUNCTION or http://…")
    function = getattr(importlib.import_module(module), name)
    return _adapted(function)


def form_of(function: Callable[..., Any]) -> str:
    """How a function is called, by the names of its arguments: `verl`, `trl` or `plain`."""
    names = list(inspect.signature(function).parameters)
    if "solution_str" in names and "ground_truth" in names:
        return "verl"
    return "trl" if "completions" in names else "plain"


def _adapted(function: Callable[..., Any]) -> Callable[[Mapping[str, Any], str], Any]:
    form = form_of(function)
    if form == "verl":
        return functools.partial(_as_verl, function)
    if form == "trl":
        return functools.partial(_as_trl, function)
    parameters = list(inspect.signature(function).parameters)
    gold = next((name for name in _GOLD if name in parameters), None)
    answer = next((name for name in _ANSWER if name in parameters and name != gold), None)
    if gold is None or answer is None:
        if len(parameters) != 2:
            raise ValueError(
                f"cannot tell which argument of {function.__name__} is the answer: name two of them "
                f"'completion' and 'ground_truth'"
            )
        answer, gold = (name for name in parameters)  # as in verl: first what the model wrote
    return functools.partial(_as_plain, function, answer, gold)


def _as_plain(function: Callable[..., Any], answer: str, gold: str, row: Mapping[str, Any], completion: str) -> Any:
    return function(**{answer: completion, gold: row["ground_truth"]})


def _as_verl(function: Callable[..., Any], row: Mapping[str, Any], completion: str) -> Any:
    given = {
        "data_source": row["source"],
        "solution_str": completion,
        "ground_truth": row["ground_truth"],
        "extra_info": dict(row["info"]),
    }
    takes = inspect.signature(function).parameters
    return function(**{name: value for name, value in given.items() if name in takes})


def _as_trl(function: Callable[..., Any], row: Mapping[str, Any], completion: str) -> Any:
    chat = [[{"role": "assistant", "content": completion}]]
    gold = [row["ground_truth"]]
    prompts = [[{"role": "user", "content": str(row["info"].get("question", ""))}]]
    takes = inspect.signature(function).parameters
    given = {"prompts": prompts, "completions": chat, "solution": gold, "ground_truth": gold, "answer": gold}
    everything = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values())
    return function(**{name: value for name, value in given.items() if everything or name in takes})[0]


def _ours(mode: str, row: Mapping[str, Any], completion: str) -> Any:
    from eval.verifiers.registry import score

    return score(row, completion, mode).score  # type: ignore[arg-type]


def _over_http(url: str, row: Mapping[str, Any], completion: str) -> Any:
    from common.model_server import Failure, ModelServer

    base, _, path = url.rpartition("/")
    body = {
        "completion": completion,
        "solution_str": completion,
        "ground_truth": row["ground_truth"],
        "data_source": row["source"],
        "extra_info": dict(row["info"]),
    }
    with ModelServer(base, retries=0, timeout_s=15) as server:
        found = server.post(path, body, lambda answer: answer)
    if isinstance(found, Failure):
        raise RuntimeError(f"{found.reason}: {found.detail}")
    return found.value


def number(value: Any) -> float | None:
    """A verdict as a number: true is 1; of an object its `score`, `reward` or `correct`; None stays None.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(value, Mapping):
        value = next((value[name] for name in ("score", "reward", "correct", "acc") if name in value), value)
    if isinstance(value, list | tuple) and value:
        value = value[0]
    if value is None or isinstance(value, bool | int | float):
        return None if value is None else float(value)
    if type(value).__module__.split(".")[0] in ("numpy", "torch"):
        return float(value)
    raise TypeError(f"a verdict of type {type(value).__name__}")


def left_behind(place: Path) -> list[str]:
    """What lies in a folder that was empty."""
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


def load(target: str, home: str) -> bool:
    """Import a target, so that the first verdict's time is a verdict's; called in a worker."""
    if home not in sys.path:
        sys.path.insert(0, home)
    opened(target)
    return True
