"""Which verifier judges a row, and the one place that removes thinking, keeps time and catches failures.

How a verifier is written. It is a plain function in `eval/verifiers/strict/<module>.py`, with a twin of the same name
in `eval/verifiers/guru/<module>.py`, and one line in `VERIFIERS` below:

    def zebra(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result

`answer` is the text that it may read. In strict mode that is the answer part: thinking removed, end tokens cut, at most
50,000 characters, never empty. In guru mode it is what `Verifier.habit` says. `gold` is the row's ground truth as a
Python value (text stays text where `Verifier.text_gold` is set), and may be of any type, because rows are data. `info`
is the row's `info` with its `id`, `reference`, `prompt`, `source` and `sample` added where the row has them. `options`
are the run's settings by name (`partial`, `sandbox`, `judge`); a missing one means the verifier's default.

It returns a `Result` made by `result.correct`, `wrong`, `unparseable`, `infra_error` or `skipped`, without `seconds`,
`verifier` and `mode`, which are filled in here. Where the row lacks what a verifier needs: `skipped("bad_gold")`.
It raises nothing for any text, prints nothing, writes no file, and evaluates nothing of a completion. Work that may
hang is given to `workers.call`, programs to the sandbox.

A row may have several verifiers: `info.verifiers` as `{"math": 1, "ifeval": 0.2}`, `["math", "ifeval:0.2"]` or
`"math+ifeval:0.2"`; `info.ground_truths` then holds the ground truth of each whose own differs from the row's.
"""

import importlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from eval.verifiers.result import Mode, Result, infra_error, of_score, skipped, unparseable
from eval.verifiers.segments import Habit, answer_part, by_habit

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Verifier:
    """One line of the registry."""

    name: str
    module: str
    """The module's name, the same in `strict` and `guru`; imported when first used."""

    sources: tuple[str, ...] = ()
    """Guru data sources it judges: a whole name, or with a star everything that begins with what is before it."""

    habit: Habit = "whole"
    """What its published scorer reads of a completion."""

    text_gold: bool = False
    """Its ground truth is text: a bare `[1, 2]` or `1.50` stays as written, only JSON strings and objects are read."""

    judges_empty: bool = False
    """An empty answer is judged too: it follows no instruction, which is `wrong` and not `unparseable`."""

    function: str = field(default="")
    """The function's name in both modules; that of the verifier if empty."""


_TABLE = (
    Verifier("math", "mathematics", ("math", "math__*", "arithmetic"), "after_last", text_gold=True),
    Verifier("code", "programs", ("codegen__*",), "after_first"),
    Verifier("codeio", "simulation", ("simulation__codeio*",)),
    Verifier("cruxeval", "simulation", ("simulation__cruxeval*",), "between"),
    Verifier(
        "grid",
        "logic",
        ("simulation__arcagi*", "simulation__barc*", "logic__arc*", "logic__barc*"),
    ),
    Verifier("zebra", "logic", ("logic__zebra_puzzle*",)),
    Verifier("ordering", "logic", ("logic__ordering_puzzle*",)),
    Verifier("graph", "logic", ("logic__graph*",), text_gold=True),
    Verifier("table", "tables", ("table__*",), "after_last", text_gold=True),
    Verifier("choice", "stem", ("stem__gpqa*", "stem__supergpqa*"), text_gold=True),
    Verifier("judge", "judged", ("stem_web*", "stem__web*"), text_gold=True),
    Verifier("ifeval", "ood", ("ood__ifeval",), "between", judges_empty=True),
    Verifier("ifbench", "ood", ("ood__ifbench",), "after_first", judges_empty=True),
    Verifier("livebench", "livebench", ("ood__livebench",), text_gold=True),
    Verifier("reasoning_gym", "gym", ("reasoning_gym*",)),
)

VERIFIERS: dict[str, Verifier] = {verifier.name: verifier for verifier in _TABLE}
"""All verifiers by name."""


def verifier_of(source: str) -> Verifier:
    """The verifier of a Guru data source.

    Raises:
        ValueError: no verifier knows the source; there is no default one.
    """
    for verifier in VERIFIERS.values():
        for pattern in verifier.sources:
            if source == pattern or (pattern.endswith("*") and source.startswith(pattern[:-1])):
                return verifier
    known = ", ".join(VERIFIERS)
    raise ValueError(f"no verifier judges the data source {source!r}; give the row a `verifier`: {known}")


def named(name: str) -> Verifier:
    """A verifier by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in VERIFIERS:
        raise ValueError(f"no verifier is called {name!r}; there are: {', '.join(VERIFIERS)}")
    return VERIFIERS[name]


def gold_of(verifier: Verifier, value: Any) -> Any:
    """A row's ground truth as a Python value; text that is no JSON, or must stay text, is left as it is."""
    if not isinstance(value, str):
        return value
    try:
        loaded = json.loads(value)
    except (ValueError, RecursionError):
        return value
    texts = isinstance(loaded, list) and all(isinstance(one, str) for one in loaded)
    return loaded if not verifier.text_gold or isinstance(loaded, str | dict) or texts else value


def info_of(row: Row) -> dict[str, Any]:
    """A row's `info` as a dict, with what else of the row a verifier may need."""
    info = row.get("info") or {}
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except ValueError:
            info = {}
    known = {name: row[name] for name in ("id", "reference", "prompt", "source", "sample") if row.get(name) is not None}
    return known | dict(info) if isinstance(info, Mapping) else known


def score(
    row: Row,
    completion: str | None,
    mode: Mode = "strict",
    finish_reason: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Judge one completion of one row.

    Args:
        row: with `verifier` or `source`, `ground_truth`, and optionally `info`, `id`, `think_open`.
        completion: what the model wrote; None counts as empty.
        mode: `strict`, or `guru` for the published scores.
        finish_reason: `length` if generation stopped at its limit: no answer is `truncated` then.
        options: the run's settings by name, see the module's docstring.

    Raises:
        ValueError: the row names no verifier that exists.
    """
    begin = time.perf_counter()
    several = weights_of(row)
    if several:
        found = _weighted(several, row, completion, mode, finish_reason, options)
        return found.with_(seconds=time.perf_counter() - begin, verifier="+".join(several), mode=mode)
    verifier = named(row["verifier"]) if row.get("verifier") else verifier_of(str(row.get("source", "")))
    found = _judged(verifier, row, completion or "", mode, options or {})
    if finish_reason == "length" and found.status == "unparseable" and mode == "strict":
        found = found.with_(status="truncated", reason="length_limit")
    return found.with_(seconds=time.perf_counter() - begin, verifier=verifier.name, mode=mode)


def score_many(
    rows: Sequence[Row],
    completions: Sequence[str | None],
    mode: Mode = "strict",
    finish_reasons: Sequence[str | None] = (),
    options: Mapping[str, Any] | None = None,
    threads: int = 8,
) -> list[Result]:
    """Judge one completion of each row; a slow one delays none of the others beyond its own limit.

    Args:
        rows: [B] see `score`.
        completions: [B] what the model wrote.
        mode: see `score`.
        finish_reasons: [B], or empty if not known.
        options: see `score`.
        threads: verdicts at once; what waits for a sandbox, a worker or a judge waits beside the others.

    Raises:
        ValueError: a row names no verifier that exists, or there are not as many completions as rows.
    """
    reasons = finish_reasons or [None] * len(rows)
    jobs = list(zip(rows, completions, reasons, strict=True))

    def judge(job: tuple[Row, str | None, str | None]) -> Result:
        return score(job[0], job[1], mode, job[2], options)

    if threads < 2 or len(jobs) < 2:
        return [judge(job) for job in jobs]
    with ThreadPoolExecutor(min(threads, len(jobs))) as pool:
        return list(pool.map(judge, jobs))


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    mode: Mode = "strict",
    retries: int = 2,
    **options: Any,
) -> dict[str, Any]:
    """verl's entry (`custom_reward_function.path` and `.name`): `{score, acc, status, reason, infra_error}`.

    verl needs a number, so what could not be judged is tried again and then scores 0 with `infra_error` 1; leave such
    samples out of the loss. Our own trainer does (`rl/rewards/verifiable.py`).

    Args:
        data_source: a Guru data source, or a verifier's name.
        solution_str: the completion.
        ground_truth: as in the row's column, or as in Guru's own files.
        extra_info: the row's `info`; a `payload` in it is read as JSON.
        mode: `strict`, or `guru` for the published scores.
        retries: how often an `infra_error` is tried again.
        options: the run's settings by name, see the module's docstring.
    """
    info = dict(extra_info or {})
    if isinstance(info.get("payload"), str):
        info |= json.loads(info.pop("payload"))
    row: dict[str, Any] = {"verifier": data_source if data_source in VERIFIERS else "", "source": data_source}
    row |= {"ground_truth": ground_truth, "info": info}
    for _ in range(retries + 1):
        found = score(row, solution_str, mode, options=options)
        if found.failure != "infra":
            break
    value = found.score or 0.0
    return {
        "score": value,
        "acc": float(value == 1.0),
        "status": found.status,
        "reason": found.reason,
        "infra_error": float(found.mask),
    }


def weights_of(row: Row) -> dict[str, float]:
    """The weights of a row's verifiers; empty if it has one.

    Raises:
        ValueError: a weight is not a number above 0, or a verifier is not known.
    """
    listed = info_of(row).get("verifiers")
    if isinstance(listed, str):
        listed = listed.split("+")
    if isinstance(listed, list | tuple):
        pairs = [str(one).partition(":") for one in listed]
        listed = {name.strip(): weight or 1 for name, _, weight in pairs}
    if not isinstance(listed, Mapping):
        return {}
    weights = {named(str(name)).name: float(weight) for name, weight in listed.items()}
    if any(not weight > 0 for weight in weights.values()):
        raise ValueError(f"the weights of a row's verifiers have to be above 0: {weights}")
    return weights


def _weighted(
    weights: Mapping[str, float],
    row: Row,
    completion: str | None,
    mode: Mode,
    finish_reason: str | None,
    options: Mapping[str, Any] | None,
) -> Result:
    """The weighted mean of several verdicts; what one verifier could not judge, all could not."""
    info = info_of(row)
    golds = info.pop("ground_truths", None) or {}
    info.pop("verifiers")
    parts = {
        name: score(
            {**row, "verifier": name, "info": info, "ground_truth": golds.get(name, row.get("ground_truth"))},
            completion,
            mode,
            finish_reason,
            options,
        )
        for name in weights
    }
    detail = {name: {"score": part.score, "status": part.status, "reason": part.reason} for name, part in parts.items()}
    first_failed = next((part for part in parts.values() if part.mask), None)
    if first_failed is not None:
        return first_failed.with_(detail={"parts": detail, **first_failed.detail})
    total = sum(weight * (parts[name].score or 0.0) for name, weight in weights.items()) / sum(weights.values())
    extracted = next((part.extracted for part in parts.values() if part.extracted), "")
    if not total:
        worst = next(iter(parts.values()))
        return worst.with_(detail={"parts": detail})
    full = all(part.status == "correct" for part in parts.values())
    return of_score(1.0 if full else min(total, 1 - 1e-9), extracted, "partial", parts=detail)


def _judged(verifier: Verifier, row: Row, completion: str, mode: Mode, options: Mapping[str, Any]) -> Result:
    gold, info = gold_of(verifier, row.get("ground_truth")), info_of(row)
    if mode == "guru":
        text = by_habit(completion, verifier.habit)
    else:
        part = answer_part(completion, bool(row.get("think_open") or info.get("think_open")))
        if part is None:
            return Result("truncated", 0.0, "not_closed")
        if not part.strip() and not verifier.judges_empty:
            return unparseable("empty")
        text = part
    return call(verifier, mode, text, gold, info, options)


def call(
    verifier: Verifier, mode: Mode, text: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]
) -> Result:
    """Run a verifier's function in this process; a failure of the verifier itself is an `infra_error`."""
    try:
        module = importlib.import_module(f"eval.verifiers.{mode}.{verifier.module}")
    except ImportError as missing:
        return skipped("missing_resource", message=str(missing))
    try:
        return getattr(module, verifier.function or verifier.name)(text, gold, info, options)
    except Exception as failure:  # a verdict must come for any text; what was caught is on record
        return infra_error("verifier_error", message=f"{type(failure).__name__}: {failure}"[:500])
