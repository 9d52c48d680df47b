"""Check files of rows: columns, prompts, ids, verifiers, and whether the gold answers earn full marks.

Usage:
    python -m rl.data.validate rows.parquet
    python -m rl.data.validate rows.parquet --gold
    python -m rl.data.validate guru/ --gold rows=200      at most 200 rows of each data set

Any layout that `rl.data.convert` reads will do. Prints one JSON object with counts by reason, and the ids of the first
rows of each. Exit code 1 if a row is wrong. With `--gold`, each row's own answer (the reference solution of programs,
the boxed or tagged gold answer elsewhere) has to be `correct` by the row's verifier, and an empty answer has to earn
nothing. Rows that hold no answer, such as instructions, and rows that could not be judged here are counted apart.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from common.command import entry_point, fail, parse, usage_errors
from common.config import HOW, RunConfig

BATCH = 256
EXAMPLES = 3


class ValidateConfig(RunConfig):
    """What to check."""

    file: str
    """File, folder or glob of rows."""

    gold: bool = False
    """Run every gold answer through its verifier."""

    rows: int | None = Field(None, ge=1)
    """Gold answers to run of each data set, the first ones; all if null."""

    source: str = ""
    """Name of the data set of rows that name none that is known."""

    threads: Annotated[int, HOW] = Field(8, ge=1)
    """Verdicts at once."""


def check(config: ValidateConfig) -> dict[str, Any]:
    """Counts of what is right and wrong with the rows; `wrong` is the number of rows that have to be mended."""
    from rl.data.rows.answers import judge_golds
    from rl.data.rows.files import read_any

    seen: set[str] = set()
    sources: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    pending: list[Mapping[str, Any]] = []

    def note(reason: str, row: Mapping[str, Any]) -> None:
        reasons[reason] += 1
        if len(examples[reason]) < EXAMPLES:
            examples[reason].append(str(row["id"]))

    def judge() -> None:
        for row, reason in zip(pending, judge_golds(pending, config.threads), strict=True):
            note(reason, row)
        pending.clear()

    for row in read_any(config.file, config.source):
        sources[row["source"]] += 1
        reason = "repeated_id" if row["id"] in seen else row_reason(row)
        seen.add(row["id"])
        if reason:
            note(reason, row)
        elif config.gold and (config.rows is None or sources[row["source"]] <= config.rows):
            pending.append(row)
            if len(pending) == BATCH:
                judge()
    judge()
    fine = ("gold_correct", "no_gold_answer", "not_judged")
    wrong = sum(number for reason, number in reasons.items() if not reason.startswith(fine))
    shown = {reason: ids for reason, ids in examples.items() if reason != "gold_correct"}
    return {"rows": sum(sources.values()), "wrong": wrong, "sources": sources, "reasons": reasons, "ids": shown}


def row_reason(row: Mapping[str, Any]) -> str:
    """What is wrong with a row before any answer is judged, "" if nothing is."""
    from eval.verifiers.registry import VERIFIERS
    from rl.data.rows.answers import well_formed
    from rl.data.rows.schema import problem

    if reason := problem(row):
        return reason
    if row["verifier"] not in VERIFIERS:
        return "unknown_verifier"
    return "" if well_formed(row["verifier"], json.loads(row["ground_truth"])) else "bad_ground_truth"


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, check, print the counts."""
    config = parse(
        ValidateConfig,
        __doc__,
        argv,
        positional=("file",),
        plan=lambda config: {"reads": config.file, "writes": "nothing"},
    )
    with usage_errors():
        found = check(config)
    print(json.dumps(found))  # noqa: T201 - the command's output
    if found["wrong"] or not found["rows"]:
        fail(f"{found['wrong']} of {found['rows']} rows are wrong: see `reasons`", code=1)


if __name__ == "__main__":
    main()
