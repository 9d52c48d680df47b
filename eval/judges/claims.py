"""Protocol: list the claims of a text, label them against another."""

from collections.abc import Sequence
from typing import Any

from eval.judges.judge import Message
from eval.judges.reading import read_object

MAX_CLAIMS = 20


OPERATIONS = ("paraphrase", "removal", "clarification", "reorganization", "summarization")


FORWARD = ("supported", "omitted", "contradicted")


REVERSE = ("supported", "added", "contradicted")


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
    found = (read_object(text) or {}).get(key)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        return None
    if (values and not set(found) <= set(values)) or (count is not None and len(found) != count):
        return None
    return found[:MAX_CLAIMS]
