"""Which claims of a page its rephrasing keeps, drops, contradicts or adds, and what was done to it, by an LLM judge.

Usage:
    python -m eval.keypoints ORGANIC RECYCLED judge.url=http://127.0.0.1:8002/v1 judge.model=NAME out=FILE.jsonl
    python -m eval.keypoints RECYCLED operations=true …         # rows that carry `organic_text`

Protocol (ours; that of arXiv:2510.10681 is unpublished):
    1. The judge lists at most 20 atomic claims of the organic text.
    2. It labels each against the rephrasing: supported, omitted or contradicted.
    3. It lists the claims of the rephrasing and labels each against the organic text: supported, added, contradicted.
    4. With `operations`, it tags what the rephrasing did: paraphrase, removal, clarification, reorganization,
       summarization (the paper's five).
Temperature 0, JSON schemas, one retry with another seed; a document still unreadable then, or without claims, is left
out and counted. Rates are means over documents (macro) with a bootstrap interval, and over all claims (micro).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, RunConfig, parse, usage_errors
from eval.faithfulness import read_pairs
from eval.judge import Judge, JudgeConfig, Message

MAX_CLAIMS = 20
RESAMPLES = 1000
OPERATIONS = ("paraphrase", "removal", "clarification", "reorganization", "summarization")
FORWARD = ("supported", "omitted", "contradicted")
REVERSE = ("supported", "added", "contradicted")


class KeyPointsConfig(RunConfig):
    """Judge the claims of pairs."""

    organic: str
    """Shard file or pool of the organic documents; or of recycled ones with `organic_text`, if `recycled` is empty."""

    recycled: str = ""
    """Shard file or pool of the recycled documents."""

    judge: JudgeConfig = JudgeConfig(max_tokens=2048)
    """The judge's server; `bash scripts/serve.sh judge` starts one."""

    operations: bool = False
    """Also tag what each rephrasing did."""

    limit: int | None = Field(100, ge=1)
    """Stop after this many pairs (the paper tagged 100 rewrites)."""

    out: Annotated[str, HOW] = ""
    """JSONL file for claims and labels by document; nothing is written if empty."""


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


def list_claims_chat(text: str) -> list[Message]:
    """Ask for the claims of a text."""
    request = (
        f"List the atomic factual claims of the text below, at most {MAX_CLAIMS}, the most informative first. Each "
        "must be understandable by itself. Leave out menus, adverts and other page furniture. Answer as JSON: "
        f'{{"claims": ["…"]}}.\n\nText:\n{text}'
    )
    return [{"role": "user", "content": request}]


def label_claims_chat(claims: Sequence[str], text: str, names: Sequence[str]) -> list[Message]:
    """Ask how a text stands to each claim."""
    absent = names[1]
    listed = "\n".join(f"{number}. {claim}" for number, claim in enumerate(claims, 1))
    request = (
        f"For each claim say whether the text states it ({names[0]}), says the opposite ({names[2]}), or neither "
        f'({absent}). Answer as JSON: {{"labels": ["…"]}}, one label per claim, in order.\n\n'
        f"Claims:\n{listed}\n\nText:\n{text}"
    )
    return [{"role": "user", "content": request}]


def operations_chat(organic: str, rephrased: str) -> list[Message]:
    """Ask what a rephrasing did."""
    request = (
        f"Which of these did the rewriting do: {', '.join(OPERATIONS)}? Several may apply. "
        f'Answer as JSON: {{"operations": ["…"]}}.\n\nOriginal:\n{organic}\n\nRewriting:\n{rephrased}'
    )
    return [{"role": "user", "content": request}]


def schema(key: str, values: Sequence[str] = (), count: int | None = None) -> dict[str, Any]:
    """JSON schema of an object with one list of strings."""
    items: dict[str, Any] = {"type": "string", **({"enum": list(values)} if values else {})}
    bounds = {"minItems": count, "maxItems": count} if count is not None else {"maxItems": MAX_CLAIMS}
    return {"type": "object", "properties": {key: {"type": "array", "items": items, **bounds}}, "required": [key]}


def read_list(text: str | None, key: str, values: Sequence[str] = (), count: int | None = None) -> list[str] | None:
    """The list in a judge's answer, behind any thinking; None if it is not what was asked for.

    >>> read_list('{"labels": ["omitted"]}', "labels", FORWARD, 1), read_list('{"labels": []}', "labels", FORWARD, 1)
    (['omitted'], None)
    """
    try:
        found = json.loads((text or "").rpartition("</think>")[2])[key]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        return None
    if (values and not set(found) <= set(values)) or (count is not None and len(found) != count):
        return None
    return found[:MAX_CLAIMS]


Question = tuple[list[Message], str, Sequence[str], int | None]
"""Chat, key of the list in the answer, allowed values, length."""


def ask_lists(judge: Judge, questions: Sequence[Question | None]) -> list[list[str] | None]:
    """A list for each question, asked at most twice; None where there is no question or no usable answer."""
    answers: list[list[str] | None] = [None] * len(questions)
    for attempt in range(2):
        waiting = [
            (index, question)
            for index, question in enumerate(questions)
            if question is not None and answers[index] is None
        ]
        schemas = [schema(*question[1:]) for _, question in waiting]
        replies = judge.ask([question[0] for _, question in waiting], schemas=schemas, seed=attempt)
        for (index, question), reply in zip(waiting, replies, strict=True):
            answers[index] = read_list(reply.text, *question[1:])
    return answers


def judge_pairs(judge: Judge, pairs: Sequence[tuple[str, str]], operations: bool = False) -> list[dict[str, Any]]:
    """Claims, labels and operations of each (organic, rephrased); a None says that the judge gave no usable answer."""
    found: list[dict[str, Any]] = [{} for _ in pairs]
    for side, names in (("forward", FORWARD), ("reverse", REVERSE)):
        texts = pairs if side == "forward" else [(rephrased, organic) for organic, rephrased in pairs]
        claims = ask_lists(judge, [(list_claims_chat(text), "claims", (), None) for text, _ in texts])
        asked = [
            (label_claims_chat(listed, other, names), "labels", names, len(listed)) if listed else None
            for listed, (_, other) in zip(claims, texts, strict=True)
        ]
        labels = ask_lists(judge, asked)
        for row, listed, given in zip(found, claims, labels, strict=True):
            row[side] = {"claims": listed, "labels": given}
    if operations:
        chats = [(operations_chat(*pair), "operations", OPERATIONS, None) for pair in pairs]
        for row, tags in zip(found, ask_lists(judge, chats), strict=True):
            row["operations"] = tags
    return found


def summarize(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rates in both directions, what was left out and why, share of the rewrites with each operation."""
    summary: dict[str, Any] = {"documents": len(rows)}
    for side, names in (("forward", FORWARD), ("reverse", REVERSE)):
        labels = [row[side]["labels"] for row in rows if row[side]["labels"]]
        empty = sum(row[side]["claims"] == [] for row in rows)
        summary[side] = {"judged": len(labels), "no_claims": empty, "unreadable": len(rows) - len(labels) - empty}
        if labels:
            summary[side]["rates"] = aggregate(labels, names)
    tagged = [row["operations"] for row in rows if row.get("operations") is not None]
    if tagged:
        counts = Counter(tag for tags in tagged for tag in set(tags))
        summary["operations"] = {name: counts[name] / len(tagged) for name in OPERATIONS}
    return summary


def main(argv: list[str] | None = None) -> None:
    """Read the command line, ask the judge, print the rates."""
    config = parse(KeyPointsConfig, __doc__, argv, positional=("organic", "recycled"))
    with usage_errors():
        pairs = list(read_pairs(config.organic, config.recycled, config.limit))
        judge = Judge(config.judge)
    with judge:
        found = judge_pairs(judge, [(pair["organic_text"], pair["text"]) for pair in pairs], config.operations)
    if config.out:
        from common.documents import write_documents

        rows = [{"id": pair["id"], **row} for pair, row in zip(pairs, found, strict=True)]
        write_documents(config.out, rows)
    print(json.dumps(summarize(found), indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
