"""Rows without copies of each other and of evaluation questions, and a report of what was left out and why."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from common.config import HOW, CommaList, Out, RunConfig
from rl.data.overlap.held_out import HeldOut, Hit, by_set
from rl.data.overlap.questions import folded, question_of, without_numbers

SHORT = 20
"""Characters of a question that is likely to stand in others by chance; the report counts those that made a row go."""

EXAMPLES = 100
"""Groups of near copies that the report lists, the largest."""


class OverlapConfig(RunConfig):
    """Which rows are compared with what, and which of them stay."""

    files: CommaList = Field(min_length=1)
    """Files, folders or globs of rows, in any layout that `rl.data.convert` reads; earlier ones come first."""

    out: Annotated[str, HOW, Out(".parquet", ".jsonl")]
    """File of the rows that stay; `<out>.dropped.jsonl` and `<out>.report.json` beside it."""

    against: CommaList = []
    """Files, folders or globs of evaluation rows; no row that shares text with one of them stays."""

    keep: Literal["longer", "earlier", "both"] = "longer"
    """Where one question contains another, which of them stays: the `longer` (the paper's text), the `earlier` (its
    released code), or `both`."""

    min_chars: int = Field(0, ge=0)
    """Questions with fewer characters are copies only of equal ones."""

    drop: bool = True
    """Leave such rows out. With false, all rows stay, and `info.overlap` says why a row would have gone."""


class Fate(NamedTuple):
    """Why a row goes."""

    reason: str
    """`evaluation` or `copy`."""
    detail: dict[str, Any]


def clean(config: OverlapConfig) -> dict[str, Any]:
    """Write the rows that stay, what became of the others, and the report, which is returned.

    Raises:
        ValueError: a file cannot be read, or no row stays.
    """
    from common.pools.documents import write_documents
    from common.runs.folder import write_json
    from rl.data.rows.files import read_any, schemas_of, write_any

    def rows() -> Iterator[Any]:
        for path in config.files:
            yield from read_any(path)

    held_out = HeldOut(row for path in config.against for row in read_any(path))
    ids, sources, questions, hits = [], [], [], []
    for row in rows():
        ids.append(row["id"])
        sources.append(row["source"])
        questions.append(folded(question_of(row)))
        hits.append(held_out.hits(row))
    fates = decide(ids, questions, hits, config)
    if len(fates) == len(ids) and config.drop:
        raise ValueError(f"{', '.join(config.files)}: none of the {len(ids)} rows stays; nothing was written")

    def kept() -> Iterator[Any]:
        for number, row in enumerate(rows()):
            if number not in fates:
                yield row
            elif not config.drop:
                yield flagged(row, fates[number])

    schemas = {name: text for path in config.files for name, text in schemas_of(path).items()}
    write_any(config.out, kept, "rows", schemas)
    dropped = [
        {"id": ids[number], "source": sources[number], "reason": fate.reason, **fate.detail}
        for number, fate in sorted(fates.items())
    ]
    write_documents(f"{config.out}.dropped.jsonl", dropped)
    report = {
        "read": len(ids),
        "kept": len(ids) - len(fates),
        "removed": len(fates) if config.drop else 0,
        "by_reason": dict(Counter(fate.reason for fate in fates.values())),
        "by_source": by_source(sources, fates),
        "short_questions_that_made_a_row_go": short_ones(questions, ids, fates),
        "against": by_set(hits, held_out.sizes),
        "pieces_of_many_questions_passed_over": held_out.passed_over,
        "near_copies": near(ids, questions, fates),
    }
    write_json(f"{config.out}.report.json", report)
    return report


def decide(
    ids: Sequence[str], questions: Sequence[str], hits: Sequence[Sequence[Hit]], config: OverlapConfig
) -> dict[int, Fate]:
    """Which rows go and why, by number; rows that evaluation questions make go are compared with no other row."""
    fates = {
        number: Fate("evaluation", {"met": [{"source": hit.source, "how": hit.how} for hit in found]})
        for number, found in enumerate(hits)
        if found
    }
    if config.keep == "both":
        return fates
    left = [number for number in range(len(ids)) if number not in fates]
    # A short question stands for itself alone: what surrounds it then is in no other question.
    texts = [
        questions[number] if len(questions[number]) >= config.min_chars else f"\x00{questions[number]}\x00"
        for number in left
    ]
    from rl.data.overlap.substrings import lost_to

    for number, other in zip(left, lost_to(texts, config.keep), strict=True):
        if other is not None:
            fates[number] = Fate("copy", {"lost_to": ids[left[other]]})
    return fates


def flagged(row: dict[str, Any], fate: Fate) -> dict[str, Any]:
    """A row that says in `info.overlap` why it should go."""
    from rl.data.rows.schema import canonical

    info = {**json.loads(row["info"]), "overlap": {"is_unique": False, "reason": fate.reason, **fate.detail}}
    return {**row, "info": canonical(info)}


def by_source(sources: Sequence[str], fates: dict[int, Fate]) -> dict[str, dict[str, Any]]:
    """Rows read and left out of each data set, with the share that copies are, beside which publications put theirs."""
    read = Counter(sources)
    gone = Counter((sources[number], fate.reason) for number, fate in fates.items())
    return {
        source: {
            "read": count,
            "evaluation": gone[source, "evaluation"],
            "copy": gone[source, "copy"],
            "copy_share": round(gone[source, "copy"] / count, 4),
        }
        for source, count in sorted(read.items())
    }


def short_ones(questions: Sequence[str], ids: Sequence[str], fates: dict[int, Fate]) -> int:
    """How many rows went because of, or as, a question of fewer than `SHORT` characters."""
    text = dict(zip(ids, questions, strict=True))
    return sum(
        min(len(questions[number]), len(text[fate.detail["lost_to"]])) < SHORT
        for number, fate in fates.items()
        if fate.reason == "copy"
    )


def near(ids: Sequence[str], questions: Sequence[str], fates: dict[int, Fate]) -> dict[str, Any]:
    """Groups of rows that stay and whose numbers alone differ: how many, of how many rows, and the largest."""
    left = [number for number in range(len(ids)) if number not in fates]
    from rl.data.overlap.substrings import near_copies

    groups = near_copies([questions[number] for number in left], without_numbers)
    largest = sorted(groups, key=len, reverse=True)[:EXAMPLES]
    return {
        "groups": len(groups),
        "rows": sum(map(len, groups)),
        "largest": [[ids[left[place]] for place in group] for group in largest],
    }
