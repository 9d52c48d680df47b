"""Gold answers as Guru's files hold them, and in the form that our verifiers ask for: both ways."""

import json
from typing import Any

from rl.data.rows.exact import jsonable

JSON_TEXT = ("code", "cruxeval", "reasoning_gym")
"""Verifiers whose gold answers Guru's files hold as JSON in a text."""


def from_guru(verifier: str, native: Any) -> Any:
    """The gold answer as a value for the row; what cannot be read stays as it was found.

    >>> from_guru("codeio", '"output": [1, 2]')
    {'predict': 'output', 'value': [1, 2]}
    >>> from_guru("ifeval", [{"n": 3, "word": None}])
    [{'n': 3}]
    """
    native = jsonable(native)
    if verifier in JSON_TEXT and isinstance(native, str):
        found = parsed(native)
        return found if isinstance(found, dict) else native
    if verifier == "codeio" and isinstance(native, str):
        found = parsed("{" + native + "}")
        if isinstance(found, dict) and len(found) == 1 and (key := next(iter(found))) in ("input", "output"):
            return {"predict": key, "value": found[key]}
        return native
    if verifier == "math" and isinstance(native, list):
        return {"any_of": native} if len(native) > 1 else native[0] if native else ""
    return without_nulls(native) if verifier in ("ifeval", "ifbench") else native


def to_guru(verifier: str, gold: Any) -> Any:
    """The gold answer as Guru's files hold it.

    >>> to_guru("codeio", {"predict": "output", "value": [1, 2], "given": None})
    '"output": [1, 2]'
    """
    if verifier in JSON_TEXT and isinstance(gold, dict):
        return json.dumps(gold)
    if verifier == "codeio" and isinstance(gold, dict) and "predict" in gold:
        return f'"{gold["predict"]}": {json.dumps(gold.get("value"))}'
    if verifier == "math" and isinstance(gold, dict) and isinstance(gold.get("any_of"), list):
        return next(iter(gold["any_of"]), "")
    return gold


def parsed(text: str) -> Any:
    """JSON of a text; None if it is none, or holds NaN or an infinity."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def without_nulls(value: Any) -> Any:
    """Objects without their null keys: Arrow gives each of a list's structs every key that any of them has."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
