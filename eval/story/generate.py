"""Plans and chapters for stories: `python -m eval.story reason` and `continue`.

Rows are those of `rl.data.story.datapoints`: `prompt` asks for a plan, `messages` for the chapter, `reference` is
the chapter.
Each completion is one line of output: the row's `id`, the completion's `number`, its text and how it ended. A rerun
with the same output file writes only what is not in it yet; one with another model, other settings, other rows or other
plans is refused.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, Out, RunConfig
from common.engines.config import EngineConfig, TransformersEngineConfig
from common.engines.open import check_engine, open_engine, served_model
from common.engines.requests import Engine, Request
from common.model_server import require_some
from common.pools.documents import read_rows
from common.runs.progress.shown import progress
from common.runs.resumed import resumed_lines
from eval.story.plans import extract_plan, with_plan_block
from eval.story.prompts import END_OF_CHAPTER, LENGTH_TASK

Row = dict[str, Any]
Jobs = dict[tuple[str, int], tuple[list[Any], Row]]
"""By row and number: the conversation, and what bounds its answer."""


class ReasonConfig(RunConfig):
    """Reason about the next chapter, `completions` times a row, and end with a plan."""

    model: str
    """Folder or hub name; for a server, the name it serves the model under."""

    rows: str
    """Rows with `prompt`."""

    out: Annotated[str, HOW, Out(".jsonl")]
    """JSONL of completions."""

    completions: int = Field(1, ge=1)
    """Plans per row."""

    max_tokens: int = Field(2048, ge=1)
    """Longest completion (2048: arXiv:2503.22828)."""

    temperature: float = Field(0.7, ge=0)
    """Sampling temperature; arXiv:2503.22828 has 0.7, with top_p 0.8 and top_k 20."""

    top_p: float = Field(0.8, gt=0, le=1)
    """Nucleus of the sampling; see `temperature`."""

    top_k: int = Field(20, ge=0)
    """How many of the likeliest tokens are drawn from; see `temperature`. 0: all."""

    limit: int | None = Field(None, ge=1)
    """Only so many rows."""

    seed: int = 0
    """Seed of the sampling; each completion's own seed also depends on the row's id and the completion's number."""

    engine: EngineConfig = TransformersEngineConfig()
    """What generates."""


class ContinueConfig(ReasonConfig):
    """Write the next chapter, by the plans of a file of completions or, without one, without a plan."""

    plans: str = ""
    """Output of `reason`: a chapter for each of its completions; without it, a chapter a row and number."""

    min_length: float = Field(0.5, ge=0)
    """Fewest words asked for, as a share of the gold chapter's (0.5: arXiv:2503.22828)."""

    max_length: float = Field(1.5, gt=0)
    """Most tokens, as a share of the gold chapter's (1.5: arXiv:2503.22828); `max_tokens` is not used."""

    repetition_penalty: float = Field(1.05, gt=0)
    """Penalty on tokens that were used before (1.05: arXiv:2503.22828)."""


COMPLETION = ("id", "number", "completion")
"""What a row of `reason` or `continue` has."""


def read_limited(path: str, limit: int | None = None, needs: Sequence[str] = ("id",)) -> list[Row]:
    """The rows of a file.

    Raises:
        ValueError: there are none, or one lacks a field that is needed.
    """
    rows = [row for _, row in read_rows(path)][:limit]
    if not rows:
        raise ValueError(f"{path} holds no rows")
    for place, row in enumerate(rows, 1):
        missing = next((name for name in needs if row.get(name) is None), None)
        if missing:
            raise ValueError(f"{path}, row {place} has no {missing!r}; it has: {', '.join(row)}")
    return rows


def reason(config: ReasonConfig) -> dict[str, Any]:
    """Write plans; returns counts: written, there before, failed, and why.

    Raises:
        ValueError: the output holds completions of another making.
        ConnectionError: every request failed.
    """
    rows = read_limited(config.rows, config.limit)
    jobs = {
        (row["id"], number): (row["prompt"], {"max_tokens": config.max_tokens})
        for row in rows
        for number in range(config.completions)
    }
    return _generate(config, jobs)


def continue_story(config: ContinueConfig) -> dict[str, Any]:
    """Write chapters; returns counts, and raises, as `reason` does."""
    rows = read_limited(config.rows, config.limit)
    numbers = {row["id"]: [(number, "") for number in range(config.completions)] for row in rows}
    if config.plans:
        numbers = {row["id"]: [] for row in rows}
        for plan in read_limited(config.plans, needs=COMPLETION):
            if plan["id"] in numbers:
                numbers[plan["id"]].append((plan["number"], plan_of(plan["completion"])))
    with_length = [(row, _asked_length(row["messages"], row["reference"], config.min_length)) for row in rows]
    jobs = {
        (row["id"], number): (with_plan_block(asked, plan), {"gold": row["reference"]})
        for row, asked in with_length
        for number, plan in numbers[row["id"]]
    }
    return _generate(config, jobs)


def plan_of(completion: str) -> str:
    """The plan a completion ends in, or all of it where none is marked."""
    plan = extract_plan(completion)
    return completion.strip() if plan is None else plan


def _asked_length(messages: list[dict[str, str]], gold: str, share: float) -> list[dict[str, str]]:
    asked = [dict(message) for message in messages]
    words = round(share * len(gold.split()))
    asked[-1]["content"] += f" {LENGTH_TASK.format(words=words, end=END_OF_CHAPTER)}"
    return asked


HOW_MUCH = ("rows", "plans", "out", "limit", "completions")
"""Fields that say where things lie and how many are wanted; what is asked is compared line by line."""


def _generate(config: ReasonConfig, jobs: Jobs) -> dict[str, Any]:
    check_engine(config.engine, config.model)
    model = served_model(config.engine, config.model)
    counts = {"written": 0, "there": 0, "failed": 0}
    reasons: Counter[str] = Counter()
    with resumed_lines(
        config.out, config, model, lambda row: (row["id"], row["number"]), apart=HOW_MUCH, seed=config.seed
    ) as lines:
        left = {key: job for key, job in jobs.items() if not lines.has(key, job)}
        counts["there"] = len(jobs) - len(left)
        if not left:
            return counts
        with open_engine(config.engine, config.model) as engine:
            asked = engine.stream(_requests(config, left, engine))
            for completion in progress(asked, len(left), Path(config.out).stem, "completions"):
                identity, number = json.loads(completion.request_id)
                if completion.finish_reason == "error":
                    counts["failed"] += 1
                    reasons[completion.error or "error"] += 1
                    continue
                row = {
                    "id": identity,
                    "number": number,
                    "completion": completion.text.partition(END_OF_CHAPTER)[0].rstrip(),
                    "finish_reason": completion.finish_reason,
                    "tokens": completion.tokens_out,
                }
                lines.write(row, left[identity, number])
                counts["written"] += 1
    require_some(counts["written"], reasons, "completions")
    return counts | ({"reasons": dict(reasons.most_common())} if reasons else {})


def _requests(config: ReasonConfig, jobs: Jobs, engine: Engine) -> Iterator[Request]:
    chapters = isinstance(config, ContinueConfig)
    for (identity, number), (messages, job) in jobs.items():
        most = job.get("max_tokens") or max(1, round(config.max_length * _tokens(engine, job["gold"])))  # type: ignore[attr-defined]
        yield Request(
            id=json.dumps([identity, number]),
            messages=messages,
            max_tokens=most,
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=config.top_k,
            repetition_penalty=config.repetition_penalty if chapters else 1.0,  # type: ignore[attr-defined]
            seed=int.from_bytes(blake2b(f"{config.seed}:{identity}:{number}".encode(), digest_size=4).digest()),
            stop=(END_OF_CHAPTER,) if chapters else (),
        )


def _tokens(engine: Engine, text: str) -> int:
    # A server without a tokenizer of ours: English has about 4 characters a token.
    return engine.count_tokens(text) if engine.tokenizer else len(text) // 4
