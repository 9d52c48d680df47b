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
It raises nothing for any text, prints nothing, writes no file, and evaluates nothing of a completion. `place` says
where it runs: `here` for bounded work and for what has its own process or server (a sandbox, a judge), `worker` for
work that may hang, which is then killed after `limit_s` of processor time.
"""

import importlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from eval.verifiers.result import Mode, Result, infra_error, skipped, unparseable
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

    place: Literal["here", "worker"] = "here"
    """Where it runs."""

    limit_s: float = 5.0
    """Processor seconds in a worker."""

    judges_empty: bool = False
    """An empty answer is judged too: it follows no instruction, which is `wrong` and not `unparseable`."""

    function: str = field(default="")
    """The function's name in both modules; that of the verifier if empty."""


_TABLE = (
    Verifier("math", "mathematics", ("math", "math__*"), "after_last", text_gold=True, place="worker", limit_s=10),
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
    Verifier("ifeval", "ood", ("ood__ifeval",), "between", place="worker", limit_s=2, judges_empty=True),
    Verifier("ifbench", "ood", ("ood__ifbench",), "after_first", place="worker", limit_s=2, judges_empty=True),
    Verifier("livebench", "livebench", ("ood__livebench",), text_gold=True),
    Verifier("reasoning_gym", "gym", ("reasoning_gym*",), place="worker"),
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
    verifier = named(row["verifier"]) if row.get("verifier") else verifier_of(str(row.get("source", "")))
    begin = time.perf_counter()
    found = _judged(verifier, row, completion or "", mode, options or {})
    if finish_reason == "length" and found.status == "unparseable" and mode == "strict":
        found = found.with_(status="truncated", reason="length_limit")
    return found.with_(seconds=time.perf_counter() - begin, verifier=verifier.name, mode=mode)


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
