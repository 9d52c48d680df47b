"""Samples in the forms of others: conversations, NeMo Gym's rollouts, logs of Inspect."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from common.hashing import step_hash
from common.samples import Sample

Record = dict[str, Any]


def score_of(sample: Sample, mode: str) -> float | None:
    """A sample's score: that of its verdict, else the total of its rewards; None where nobody judged."""
    verdict = sample.verdicts.get(mode) or {}
    return verdict.get("score", sample.total)


def messages_line(sample: Sample, mode: str) -> Record:
    """A conversation that ends with the answer."""
    answer = {"role": "assistant", "content": sample.completion}
    return {
        "id": sample.id,
        "sample": sample.number,
        "messages": [*sample.messages, answer],
        "ground_truth": sample.row.get("ground_truth"),
        "verifier": sample.row.get("verifier", ""),
        "dataset": sample.task or sample.row.get("source", ""),
        "score": score_of(sample, mode),
        "finish_reason": sample.finish_reason,
    }


def gym_lines(samples: Iterable[Sample], mode: str) -> Iterator[Record]:
    """Rollouts of NeMo Gym: what was asked, the response in OpenAI's form, the reward.

    A sample that nobody judged has no reward there could be, so it is left out.
    """
    tasks: dict[tuple[str, str], int] = {}
    for sample in samples:
        reward = score_of(sample, mode)
        if reward is None:
            continue
        task = tasks.setdefault((sample.task, sample.id), len(tasks))
        text = {"type": "output_text", "text": sample.completion, "annotations": []}
        name = step_hash(sample.task, sample.id, sample.number)
        message = {"id": f"msg_{name}", "type": "message", "role": "assistant", "status": "completed"}
        response: Record = {"id": f"resp_{name}", "object": "response", "created_at": 0, "tools": []}
        response |= {"model": str(sample.versions.get("model", "")), "output": [message | {"content": [text]}]}
        response |= {"parallel_tool_calls": False, "tool_choice": "none"}
        if sample.finish_reason == "length":
            response["incomplete_details"] = {"reason": "max_output_tokens"}
        if sample.tokens_out is not None:
            used = sample.tokens_in or 0
            response["usage"] = {"input_tokens": used, "output_tokens": sample.tokens_out}
            response["usage"]["total_tokens"] = used + sample.tokens_out
        yield {
            "_ng_task_index": task,
            "_ng_rollout_index": sample.number,
            "id": sample.id,
            "responses_create_params": {"input": sample.messages},
            "response": response,
            "reward": reward,
            "ground_truth": sample.row.get("ground_truth"),
            "dataset": sample.task or sample.row.get("source", ""),
        }


STOPS = {"stop": "stop", "length": "max_tokens", "error": "unknown", "": "unknown"}
"""Our finish reasons in Inspect's words."""


def inspect_log(task: str, samples: list[Sample], mode: str, created: str) -> Record:
    """One task as a log of Inspect (version 2)."""
    ids = list(dict.fromkeys(sample.id for sample in samples))
    scores = [score for sample in samples if (score := score_of(sample, mode)) is not None]
    versions = samples[0].versions
    model = str(versions.get("model") or "model")
    name = step_hash(task, model, created)
    sampling = {key: versions[key] for key in ("temperature", "top_p", "max_tokens") if versions.get(key) is not None}
    spec = {
        "eval_id": name,
        "run_id": name,
        "task_id": name,
        "created": created,
        "task": task,
        "task_version": 0,
        "dataset": {"name": task, "samples": len(ids), "sample_ids": ids, "shuffled": False},
        "model": model,
        "model_generate_config": sampling,
        "config": {"epochs": max(sample.number for sample in samples) + 1},
    }
    mean = sum(scores) / len(scores) if scores else None
    metric = {"mean": {"name": "mean", "value": mean if mean is not None else float("nan")}} if scores else {}
    results = {
        "total_samples": len(samples),
        "completed_samples": sum(sample.finish_reason != "error" for sample in samples),
        "scores": [{"name": mode, "scorer": mode, "params": {}, "metrics": metric}],
    }
    shown = [_inspect_sample(sample, mode, model) for sample in samples]
    return {"version": 2, "status": "success", "eval": spec, "results": results, "samples": shown}


def _inspect_sample(sample: Sample, mode: str, model: str) -> Record:
    roles = ("system", "user", "assistant")
    asked = [turn for turn in sample.messages if turn.get("role") in roles]
    answer = {"role": "assistant", "content": sample.completion, "source": "generate", "model": model}
    choice = {"message": answer, "stop_reason": STOPS.get(sample.finish_reason, "unknown")}
    verdict = sample.verdicts.get(mode) or {}
    score = score_of(sample, mode)
    target = sample.row.get("ground_truth", "")
    found: Record = {
        "id": sample.id,
        "epoch": sample.number + 1,
        "input": asked,
        "target": target if isinstance(target, str) else json.dumps(target, ensure_ascii=False),
        "messages": [*asked, answer],
        "output": {"model": model, "choices": [choice]},
        "metadata": {"verifier": sample.row.get("verifier", ""), "rewards": sample.rewards},
    }
    if sample.tokens_out is not None:
        used = sample.tokens_in or 0
        usage = {"input_tokens": used, "output_tokens": sample.tokens_out, "total_tokens": used + sample.tokens_out}
        found["output"]["usage"] = usage
        found["model_usage"] = {model: usage}
    if score is not None:
        reason = f"{verdict.get('status', '')} {verdict.get('reason', '')}".strip()
        found["scores"] = {mode: {"value": score, "answer": verdict.get("extracted") or None, "explanation": reason}}
    if sample.error:
        found["error"] = {"message": sample.error, "traceback": "", "traceback_ansi": ""}
    return found
