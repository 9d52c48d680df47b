"""Whether two values are the same to the bit, and what of a foreign value JSON cannot hold."""

import json
import math
from collections.abc import Mapping
from typing import Any

from rl.data.rows.schema import plain

STYLES: dict[str, dict[str, Any]] = {
    "default": {},
    "utf8": {"ensure_ascii": False},
    "compact": {"separators": (",", ":")},
    "compact_utf8": {"ensure_ascii": False, "separators": (",", ":")},
}
"""How JSON texts are spelt out there, as keyword arguments of `json.dumps`."""


def jsonable(value: Any) -> Any:
    """The nearest value that JSON can hold: NaN and infinities become null, dates and bytes their text.

    >>> jsonable({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if value is not None and not isinstance(value, str | int | float):
        try:
            return jsonable(plain(value))  # NumPy
        except ValueError:
            return str(value)
    return plain(value)


def same(one: Any, other: Any, missing_is_null: bool = True) -> bool:
    """Equal in type and bits: 1 is not 1.0, 0.0 is not -0.0, NaN is NaN.

    That a missing key of an object counts as a null one is Arrow's view of structs, in which every key is there; JSON
    objects are compared without it.

    >>> same({"a": None}, {}), same({"a": None}, {}, False), same([0.0], [-0.0]), same(True, 1)
    (True, False, False, False)
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if not missing_is_null and set(one) != set(other):
            return False
        return all(same(one.get(key), other.get(key), missing_is_null) for key in {**one, **other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b, missing_is_null) for a, b in zip(one, other, strict=True))
    if type(one) is not type(other):
        return False
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


def holds(value: Any) -> bool:
    """Whether JSON holds a value without loss."""
    try:
        return same(jsonable(value), value)
    except ValueError:
        return False


def differences(actual: Mapping[str, Any], predicted: Mapping[str, Any]) -> dict[str, Any]:
    """What to set in a predicted JSON object, and what to leave out, to get the actual one; empty if they are equal.

    >>> differences({"a": 1, "b": None}, {"a": 1, "c": 2})
    {'set': {'b': None}, 'drop': ['c']}
    """
    changed = {
        key: value for key, value in actual.items() if key not in predicted or not same(value, predicted[key], False)
    }
    extra = sorted(key for key in predicted if key not in actual)
    return {name: found for name, found in (("set", changed), ("drop", extra)) if found}


def corrected(predicted: Mapping[str, Any], difference: Mapping[str, Any]) -> dict[str, Any]:
    """The actual object again: `corrected(predicted, differences(actual, predicted)) == actual`."""
    left_out = difference.get("drop", ())
    return {key: value for key, value in predicted.items() if key not in left_out} | dict(difference.get("set", {}))


def style_of(text: str, value: Any) -> str:
    """Which of `STYLES` spells a value as a text does; "" if none."""
    for name, options in STYLES.items():
        if json.dumps(value, **options) == text:
            return name
    return ""
