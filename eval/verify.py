"""Judge recorded responses with a verifier: was the answer right?

Usage:
    python -m eval.verify VERIFIER ROWS.jsonl out=FILE.jsonl [mode=strict|guru] [options.NAME=VALUE ...]
    python -m eval.verify math answers.jsonl out=judged.jsonl
    python -m eval.verify auto answers.jsonl out=judged.jsonl options.partial=exact

VERIFIER is math, code, codeio, cruxeval, grid, zebra, ordering, graph, table, choice, judge, ifeval, ifbench, livebench
or reasoning_gym; `auto` takes each row's own `verifier` or `source`. ROWS holds `response` (or `completion`) and
`ground_truth`, and where it matters `info`, `finish_reason`, `think_open`. Every row comes out with `status, score,
extracted, reason, seconds`, and `detail, verifier, mode, version, mask, failure`. A score of null is not 0: nobody
judged. Where nobody judged any row, the exit code is 1.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Annotated, Any

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out, RunConfig
from common.model_server import require_some
from eval.verifiers.result import Mode

Row = dict[str, Any]


class VerifyConfig(RunConfig):
    """What to judge, with which verifier, by whose rules."""

    verifier: str
    """Name of the verifier for all rows, or `auto`."""

    rows: str
    """JSONL file (or another shard form) of responses and ground truths."""

    out: Annotated[str, HOW, Out()] = ""
    """JSONL file to write; only the counts are printed if empty."""

    mode: Mode = "strict"
    """`strict`, or `guru` for the scores that Reasoning360 published."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Settings of the verifier by name, such as `partial` or `unboxed`."""

    threads: Annotated[int, HOW] = Field(8, ge=1)
    """Verdicts at once."""


def judged(rows: Sequence[Row], config: VerifyConfig) -> Iterator[Row]:
    """The rows with their verdicts.

    Raises:
        ValueError: a row has no response, or names no verifier that exists.
    """
    from eval.verifiers.registry import score_many

    named = [dict(row) if config.verifier == "auto" else {**row, "verifier": config.verifier} for row in rows]
    texts = [_response(row, number) for number, row in enumerate(rows, 1)]
    reasons = [row.get("finish_reason") for row in rows]
    found = score_many(named, texts, config.mode, reasons, config.options, config.threads)
    for number, (row, result) in enumerate(zip(rows, found, strict=True), 1):
        yield {**row, "id": row.get("id", number), **result.record()}


def _response(row: Row, number: int) -> str | None:
    for name in ("response", "completion"):
        if name in row:
            return row[name] if row[name] is None else str(row[name])
    raise ValueError(f"row {row.get('id', number)!r} has neither 'response' nor 'completion'")


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Counts by status and reason, and the mean score of what was judged."""
    scores = [row["score"] for row in rows if row["score"] is not None]
    counts = Counter((row["status"], row["reason"]) for row in rows)
    lines = [f"{status:<12} {reason:<22} {count:>8}" for (status, reason), count in counts.most_common()]
    mean = f"{fmean(scores):.4f}" if scores else "-"
    return "\n".join([*lines, f"mean score of {len(scores)} judged: {mean}; not judged: {len(rows) - len(scores)}"])


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, judge, write the rows, print the counts."""
    config = parse(VerifyConfig, __doc__, argv, positional=("verifier", "rows"))
    with usage_errors():
        import orjson

        from common.pools.documents import write_documents
        from common.pools.lines import read_lines
        from eval.verifiers.registry import named

        if config.verifier != "auto":
            named(config.verifier)
        rows = [orjson.loads(line) for line in read_lines(config.rows) if line.strip()]
        found = list(judged(rows, config))
    if config.out:
        write_documents(config.out, found)
    print(summary(found))  # noqa: T201 - the command's output
    missing = Counter(row["reason"] or row["status"] for row in found if row["score"] is None)
    require_some(len(found) - missing.total(), missing, "verdicts")


if __name__ == "__main__":
    main()
