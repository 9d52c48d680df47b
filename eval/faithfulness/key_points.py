"""Claims kept, dropped, contradicted: asking, rates, intervals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.model_server import require_some
from eval.judges.claims import (
    FORWARD,
    OPERATIONS,
    REVERSE,
    label_claims_chat,
    list_claims_chat,
    operations_chat,
    read_list,
    schema,
)
from eval.judges.judge import Judge, Message

RESAMPLES = 1000


def rates(labels: Sequence[str], names: Sequence[str] = FORWARD) -> dict[str, float]:
    """Share of each label; they sum to 1.

    >>> rates(["supported", "supported", "omitted", "contradicted"])
    {'supported': 0.5, 'omitted': 0.25, 'contradicted': 0.25}
    """
    counts = Counter(labels)
    return {name: counts[name] / len(labels) for name in names}


def aggregate(documents: Sequence[Sequence[str]], names: Sequence[str] = FORWARD) -> dict[str, dict[str, float]]:
    """Macro mean, micro mean and a bootstrap interval (95 %, seeded, documents redrawn) of each label's share."""
    import numpy as np

    shares = np.array([[rates(labels, names)[name] for name in names] for labels in documents])  # [documents, labels]
    pooled = rates([label for labels in documents for label in labels], names)
    draws = np.random.default_rng(0).integers(len(shares), size=(RESAMPLES, len(shares)))
    low, high = np.percentile(shares[draws].mean(1), [2.5, 97.5], axis=0)
    return {
        name: {
            "macro": float(shares[:, column].mean()),
            "micro": pooled[name],
            "low": float(low[column]),
            "high": float(high[column]),
        }
        for column, name in enumerate(names)
    }


Question = tuple[list[Message], str, Sequence[str], int | None]
"""Chat, key of the list in the answer, allowed values, length."""


@dataclass(frozen=True)
class Listed:
    """A list that a judge gave, or why there is none."""

    values: list[str] | None
    reason: str = ""
    """The failed request's reason, or `unreadable`; empty with a list, and where nothing was asked."""
    detail: str = ""


def ask_lists(judge: Judge, questions: Sequence[Question | None]) -> list[Listed]:
    """A list for each question, asked at most twice; none where there is no question or no usable answer."""
    answers = [Listed(None)] * len(questions)
    for attempt in range(2):
        waiting = [
            (index, question)
            for index, question in enumerate(questions)
            if question is not None and answers[index].values is None
        ]
        schemas = [schema(*question[1:]) for _, question in waiting]
        replies = judge.ask([question[0] for _, question in waiting], schemas=schemas, seed=attempt)
        for (index, question), reply in zip(waiting, replies, strict=True):
            values = read_list(reply.text, *question[1:])
            reason = "" if values is not None else reply.reason or "unreadable"
            answers[index] = Listed(values, reason, reply.detail)
    return answers


def judge_pairs(judge: Judge, pairs: Sequence[tuple[str, str]], operations: bool = False) -> list[dict[str, Any]]:
    """Claims, labels and operations of each (organic, rephrased); a None says that the judge gave no usable answer.

    Raises:
        ConnectionError: it gave none to any question.
    """
    found: list[dict[str, Any]] = [{} for _ in pairs]
    every: list[Listed] = []
    for side, names in (("forward", FORWARD), ("reverse", REVERSE)):
        texts = pairs if side == "forward" else [(rephrased, organic) for organic, rephrased in pairs]
        claims = ask_lists(judge, [(list_claims_chat(text), "claims", (), None) for text, _ in texts])
        asked = [
            (label_claims_chat(listed.values, other, names), "labels", names, len(listed.values))
            if listed.values
            else None
            for listed, (_, other) in zip(claims, texts, strict=True)
        ]
        labels = ask_lists(judge, asked)
        for row, listed, given in zip(found, claims, labels, strict=True):
            row[side] = {"claims": listed.values, "labels": given.values}
            if listed.reason or given.reason:
                row[side]["reason"] = listed.reason or given.reason
        every += claims + labels
    if operations:
        chats = [(operations_chat(*pair), "operations", OPERATIONS, None) for pair in pairs]
        tags = ask_lists(judge, chats)
        for row, one in zip(found, tags, strict=True):
            row["operations"] = one.values
        every += tags
    usable = sum(one.values is not None for one in every)
    failed = [one for one in every if one.reason]
    detail = next((one.detail for one in failed if one.detail), "")
    require_some(usable, Counter(one.reason for one in failed), "judge's answers", detail)
    return found


def summarize(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rates in both directions, what was left out and why, share of the rewrites with each operation."""
    summary: dict[str, Any] = {"documents": len(rows)}
    for side, names in (("forward", FORWARD), ("reverse", REVERSE)):
        labels = [row[side]["labels"] for row in rows if row[side]["labels"]]
        empty = sum(row[side]["claims"] == [] for row in rows)
        summary[side] = {"judged": len(labels), "no_claims": empty, "unreadable": len(rows) - len(labels) - empty}
        reasons = Counter(row[side]["reason"] for row in rows if "reason" in row[side])
        if reasons:
            summary[side]["reasons"] = dict(sorted(reasons.items()))
        if labels:
            summary[side]["rates"] = aggregate(labels, names)
    tagged = [row["operations"] for row in rows if row.get("operations") is not None]
    if tagged:
        counts = Counter(tag for tags in tagged for tag in set(tags))
        summary["operations"] = {name: counts[name] / len(tagged) for name in OPERATIONS}
    return summary
