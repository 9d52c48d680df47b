"""Types between Parquet and JSON: what JSON lacks as text and back, and one type for all values of a field."""

import base64
import datetime
from collections.abc import Sequence
from typing import Any

from common.pools.repair import LongNumber, encode

MOST_FIELDS = 100
"""An object with more different keys than this in its values is a map written as an object: it becomes JSON text."""

MOST_DEPTH = 20
"""Nesting beyond this becomes JSON text."""


class Shape:
    """What the values of a field have in common: grows with every value, in any order to the same end."""

    def __init__(self, kind: str = "null", depth: int = 0) -> None:
        self.kind = kind
        self.depth = depth
        self.low = self.high = 0
        self.fields: dict[str, Shape] = {}
        self.item: Shape | None = None

    def see(self, value: Any) -> None:
        """Take one value in."""
        kind = _kind(value)
        if kind == "null" or self.kind == "json":
            return
        if self.kind == "null":
            self.kind = kind
        elif {self.kind, kind} == {"int", "float"}:
            self.kind = "float"
        elif self.kind != kind:
            self.kind = "json"
            return
        if isinstance(value, int):
            self.low, self.high = min(self.low, value), max(self.high, value)
        if self.depth >= MOST_DEPTH and kind in ("list", "struct"):
            self.kind = "json"
        elif isinstance(value, list | tuple):
            self.item = self.item or Shape(depth=self.depth + 1)
            for one in value:
                self.item.see(one)
        elif isinstance(value, dict):
            for name, one in value.items():
                self.fields.setdefault(name, Shape(depth=self.depth + 1)).see(one)
            if len(self.fields) > MOST_FIELDS:
                self.kind = "json"
        if self.kind == "float" and max(-self.low, self.high) > 1 << 53:
            self.kind = "json"

    def is_json(self) -> bool:
        """Whether the values are kept as JSON text: no type fits them, or Parquet has none (an object without keys)."""
        wide = self.kind == "int" and (self.low < -(1 << 63) or self.high >= 1 << (64 if self.low >= 0 else 63))
        return self.kind == "json" or wide or (self.kind == "struct" and not self.fields)

    def has_json(self) -> bool:
        """Whether that holds here or inside."""
        inner = [*self.fields.values(), *([self.item] if self.item else [])]
        return self.is_json() or (self.kind in ("list", "struct") and any(one.has_json() for one in inner))

    def type(self, name: str = "") -> Any:
        """The Arrow type."""
        import pyarrow

        del name
        if self.is_json():
            return pyarrow.string()
        if self.kind == "struct":
            return pyarrow.struct([(name, one.type()) for name, one in self.fields.items()])
        if self.kind == "list":
            return pyarrow.list_((self.item or Shape()).type())
        plain = {
            "null": pyarrow.null(),
            "bool": pyarrow.bool_(),
            "int": pyarrow.int64() if self.high < 1 << 63 else pyarrow.uint64(),
            "float": pyarrow.float64(),
            "string": pyarrow.string(),
            "bytes": pyarrow.binary(),
        }
        return plain[self.kind]


def shaped(value: Any, shape: Shape, name: str = "") -> Any:
    """A value as its field's type takes it. Ids of several types are text, since other files name them so."""
    if value is None:
        return None
    if shape.is_json():
        if name == "id" and isinstance(value, str | int):
            return str(value)
        return encode(value).decode().rstrip("\n")
    if shape.kind == "struct":
        return {key: shaped(value.get(key), one) for key, one in shape.fields.items()}
    if shape.kind == "list" and shape.item is not None:
        return [shaped(one, shape.item) for one in value]
    return float(value) if shape.kind == "float" else value


def plain_type(kind: Any) -> Any:
    """The type that a column is cast to before its values go to Python: times, dates and decimals are text then."""
    import pyarrow
    from pyarrow import types

    if types.is_temporal(kind) and not types.is_duration(kind) and not types.is_interval(kind):
        return pyarrow.string()
    if types.is_decimal(kind):
        return pyarrow.string()
    if types.is_duration(kind):
        return pyarrow.int64()
    if types.is_float16(kind):
        return pyarrow.float32()
    if types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if isinstance(kind, pyarrow.BaseExtensionType):
        return plain_type(kind.storage_type)
    return _inside(kind, plain_type)


def back(values: Sequence[Any], kind: Any) -> Any:
    """Values that came through JSON as an array of the type that they had; None if they no longer fit it."""
    import pyarrow

    try:
        array = pyarrow.array([_python(value, kind) for value in values], _middle(kind))
        return array if array.type == kind else array.cast(kind)
    except (pyarrow.ArrowException, ValueError, TypeError, OverflowError, AttributeError):
        return None


def from_json(value: float) -> str:
    """How Python's JSON writes a float that is no number."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (int, "int"),
    (float, "float"),
    (str, "string"),
    (dict, "struct"),
    ((list, tuple), "list"),
    (bytes, "bytes"),
)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, LongNumber):
        return "float" if value.raw[-1:] in b"Ny" else "json"
    return next((kind for python, kind in _KINDS if isinstance(value, python)), "json")


def _inside(kind: Any, change: Any) -> Any:
    """A nested type with its parts changed."""
    import pyarrow
    from pyarrow import types

    if types.is_map(kind):
        return pyarrow.map_(change(kind.key_type), change(kind.item_type))
    if types.is_struct(kind):
        return pyarrow.struct([(field.name, change(field.type)) for field in kind])
    if types.is_list(kind) or types.is_fixed_size_list(kind):
        return pyarrow.list_(change(kind.value_type))
    if types.is_large_list(kind):
        return pyarrow.large_list(change(kind.value_type))
    return kind


def _middle(kind: Any) -> Any:
    """The type that values from JSON fill, from which one cast leads back."""
    import pyarrow
    from pyarrow import types

    if types.is_time32(kind):
        return pyarrow.int32()
    if types.is_time64(kind):
        return pyarrow.int64()
    plain = plain_type(kind)
    return _inside(kind, _middle) if types.is_nested(kind) and not types.is_dictionary(kind) else plain


def _python(value: Any, kind: Any) -> Any:
    from pyarrow import types

    if value is None:
        return None
    if types.is_map(kind):
        return [(_python(key, kind.key_type), _python(one, kind.item_type)) for key, one in value]
    if types.is_struct(kind):
        if set(value) - {field.name for field in kind}:
            raise ValueError("a key that the type lacks")
        return {field.name: _python(value.get(field.name), field.type) for field in kind}
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return [_python(one, kind.value_type) for one in value]
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return value if isinstance(value, bytes) else base64.b64decode(value["base64"], validate=True)
    if types.is_time(kind):
        return _ticks(value, kind.unit)
    if types.is_floating(kind):
        return float(value)
    return value


def _ticks(text: str, unit: str) -> int:
    """`00:01:26.400000` in units of a time's type."""
    whole, _, fraction = text.partition(".")
    at = datetime.time.fromisoformat(whole)
    nanoseconds = (at.hour * 3600 + at.minute * 60 + at.second) * 10**9 + int((fraction or "0").ljust(9, "0"))
    return nanoseconds // {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
