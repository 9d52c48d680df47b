"""Instruction following in strict mode: IFEval and IFBench, by prompt and by instruction, strictly and loosely."""

from collections.abc import Mapping, Sequence
from typing import Any

from eval.verifiers.instructions import Followed, UnknownInstruction, asked, version
from eval.verifiers.result import Result, correct, infra_error, skipped, wrong


def ifeval(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """IFEval: 1 if the answer follows every instruction as it is (strict, by prompt); the rest is in the detail.

    Blank lines before the answer belong to the end of the thinking, not to the answer.
    """
    return judge("ifeval", answer.lstrip(), gold, info)


def ifbench(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """IFBench: the same over its own instructions."""
    return judge("ifbench", answer.lstrip(), gold, info)


def judge(benchmark: str, answer: str, gold: Any, info: Mapping[str, Any]) -> Result:
    """The verdict of either benchmark in either mode.

    The reference is a list of keyword arguments with the ids in `info.instruction_id_list`, or an object with
    `instruction_id` (or `instruction_id_list`) and `kwargs`.
    """
    if isinstance(gold, list) and len(gold) == 1 and isinstance(gold[0], Mapping) and "instruction_id" in gold[0]:
        gold = gold[0]
    fields = gold if isinstance(gold, Mapping) else {"kwargs": gold}
    ids: Any = fields.get("instruction_id") or fields.get("instruction_id_list") or info.get("instruction_id_list")
    kwargs = fields.get("kwargs")
    if not _fits(ids, kwargs):
        return skipped("bad_gold", message="the row needs instruction ids and as many keyword arguments")
    try:
        found = asked(
            {"benchmark": benchmark, "ids": ids, "kwargs": kwargs, "prompt": _prompt(info), "response": answer}
        )
    except ImportError as missing:
        return skipped("missing_resource", message=f"{missing}; pip install -e .[instructions]")
    except UnknownInstruction as unknown:
        return skipped("unknown_instruction", message=str(unknown))
    except ValueError as unfit:
        return skipped("bad_gold", message=str(unfit)[:500])
    except LookupError as missing:
        return skipped("missing_resource", message=str(missing).strip()[:500])
    if found.failure in ("time_limit", "memory_limit"):
        return wrong(found.failure)
    if found.failure:
        return infra_error(found.failure, message=found.message)
    return _result(Followed(*found.value), ids).with_(version=version())


def _fits(ids: Any, kwargs: Any) -> bool:
    lists = isinstance(ids, list | tuple) and isinstance(kwargs, list | tuple) and len(ids) == len(kwargs) > 0
    return (
        lists
        and all(isinstance(name, str) for name in ids)
        and all(isinstance(given, Mapping | None) for given in kwargs)
    )


def _prompt(info: Mapping[str, Any]) -> str:
    prompt = info.get("prompt", "")
    if isinstance(prompt, Sequence) and not isinstance(prompt, str):
        return "\n".join(str(turn.get("content", "")) for turn in prompt if isinstance(turn, Mapping))
    return str(prompt)


def _result(found: Followed, ids: Sequence[str]) -> Result:
    detail: dict[str, Any] = {
        "strict": found.strict,
        "loose": found.loose,
        "prompt_strict": all(found.strict),
        "prompt_loose": all(found.loose),
        "instruction_strict": sum(found.strict) / len(found.strict),
        "instruction_loose": sum(found.loose) / len(found.loose),
        "failed": [name for name, held in zip(ids, found.strict, strict=True) if not held],
    }
    return correct("", **detail) if all(found.strict) else wrong("instructions_failed", **detail)
