"""Python values as JSON between the process that judges and the one that is judged; decoding runs nobody's code.

Plain JSON values stand for themselves; everything else is an object `{"kind": ..., ...}`. Types are taken exactly: a
subclass of `int` with its own `__eq__` is no int. What has no form here (instances of the candidate's classes, its
functions) travels as a handle, a number that only its owner can turn back into the object.
"""

import base64
import builtins
import collections
import datetime
import decimal
import fractions
import json
import types
from collections.abc import Callable, Iterator
from typing import Any

_PLAIN = frozenset({type(None), bool, str, float})
_SEQUENCES: dict[type, str] = {
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    collections.deque: "deque",
}
_MAPPINGS: dict[type, str] = {
    dict: "dict",
    collections.OrderedDict: "OrderedDict",
    collections.Counter: "Counter",
    collections.defaultdict: "defaultdict",
}
_TEXTS: dict[type, tuple[str, Callable[[Any], str]]] = {
    decimal.Decimal: ("Decimal", str),
    fractions.Fraction: ("Fraction", str),
    datetime.datetime: ("datetime", datetime.datetime.isoformat),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.time: ("time", datetime.time.isoformat),
}
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
}
_FROM_ITEMS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "Counter": lambda pairs: collections.Counter(dict(pairs)),
    "defaultdict": lambda pairs: collections.defaultdict(None, pairs),
    "iterator": iter,
    "keys": lambda items: dict.fromkeys(items).keys(),
    "values": lambda items: dict(enumerate(items)).values(),
    "items": lambda pairs: dict(pairs).items(),
}
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_ITERATORS: tuple[type, ...] = (map, filter, zip, enumerate, reversed, types.GeneratorType)
LARGEST_PLAIN_INT = 1 << 62
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
_REFLECTED = "radd rsub rmul rtruediv rfloordiv rmod rpow"
_OTHERS = "len getitem setitem delitem neg pos abs invert int float index enter exit next"
OPERATORS = (*_ARITHMETIC.split(), *_REFLECTED.split(), *_OTHERS.split())
"""Special methods that are forwarded to an object of the other side, without their underscores."""

DEEPEST = 200
"""Nesting beyond which a value is refused, so that neither side runs out of stack."""


class CannotEncode(TypeError):
    """A value that has no form as JSON and may not travel as a handle."""


_BUILTIN_TYPES = frozenset(one for one in vars(builtins).values() if type(one) is type)


def _is_builtin_iterator(kind: type) -> bool:
    return kind.__module__ in ("builtins", "itertools") and issubclass(kind, Iterator)


class Codec:
    """Values to JSON values and back.

    Both ends of a conversation keep one. Instances of shared classes get numbers in the order in which they are met,
    so that an object that comes back is the object that was sent, with its attributes as they are now.

    Args:
        give: gives an object of this side, which has no form, a JSON object as its handle; None refuses it.
        take: turns the handle of the other side into a value; None refuses it.
    """

    def __init__(
        self,
        give: Callable[[Any], dict[str, Any]] | None = None,
        take: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self._give, self._take = give, take
        self._shared: dict[str, type] = {}
        self._names: dict[type, str] = {}
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}

    def share(self, classes: dict[str, type]) -> None:
        """Classes that both sides define under these names: their instances travel by their attributes."""
        self._shared, self._names = classes, {cls: name for name, cls in classes.items()}

    def encode(self, value: Any) -> dict[str, Any]:
        """A value, and the attributes of every shared instance that can be reached from it.

        Raises:
            CannotEncode: the value, or something in it, has no form.
        """
        self._waiting: list[Any] = []
        self._met: set[int] = set()
        root = self._one(value, 0)
        objects: list[list[Any]] = []
        while self._waiting:
            one = self._waiting.pop()
            attributes = {str(name): self._one(kept, 0) for name, kept in vars(one).items()}
            objects.append([self._numbers[id(one)], self._names[type(one)], attributes])
        objects.sort(key=lambda entry: entry[0])
        return {"root": root, "objects": objects} if objects else {"root": root}

    def decode(self, message: dict[str, Any]) -> Any:
        """The value of an `encode`.

        Raises:
            ValueError, KeyError, TypeError, IndexError, AttributeError: the message has no such form.
        """
        objects = message.get("objects", [])
        for number, name, _ in objects:
            if number == len(self._objects):
                self._number(object.__new__(self._shared[name]))
        for number, _, attributes in objects:
            vars(self._objects[number]).update({name: self._back(kept) for name, kept in attributes.items()})
        return self._back(message["root"])

    def _number(self, value: Any) -> int:
        number = self._numbers.setdefault(id(value), len(self._objects))
        if number == len(self._objects):
            self._objects.append(value)
        return number

    def _one(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is int:
            return value if -LARGEST_PLAIN_INT < value < LARGEST_PLAIN_INT else {"kind": "int", "hex": hex(value)}
        if depth > DEEPEST:
            raise CannotEncode(f"nested deeper than {DEEPEST}")
        if kind is list:
            return [self._one(item, depth + 1) for item in value]
        if kind in _SEQUENCES:
            return {"kind": _SEQUENCES[kind], "items": [self._one(item, depth + 1) for item in value]}
        if kind in _MAPPINGS:
            pairs = [[self._one(key, depth + 1), self._one(kept, depth + 1)] for key, kept in value.items()]
            return {"kind": _MAPPINGS[kind], "pairs": pairs}
        if kind in self._names:
            return self._reference(value)
        return self._rare(value, kind, depth)

    def _reference(self, value: Any) -> dict[str, Any]:
        number = self._number(value)
        if number not in self._met:
            self._met.add(number)
            self._waiting.append(value)
        return {"kind": "object", "number": number}

    def _rare(self, value: Any, kind: type, depth: int) -> Any:
        if kind in _TEXTS:
            name, text = _TEXTS[kind]
            return {"kind": name, "text": text(value)}
        if kind in (bytes, bytearray):
            return {"kind": kind.__name__, "base64": base64.b64encode(value).decode()}
        if kind is complex:
            return {"kind": "complex", "parts": [value.real, value.imag]}
        if kind in (range, slice):
            return {"kind": kind.__name__, "items": [value.start, value.stop, value.step]}
        if kind is datetime.timedelta:
            return {"kind": "timedelta", "items": [value.days, value.seconds, value.microseconds]}
        if kind is types.ModuleType:
            return {"kind": "module", "name": value.__name__}
        if value is Ellipsis or value is NotImplemented:
            return {"kind": "constant", "name": str(value)}
        if kind is type and value in _BUILTIN_TYPES:
            return {"kind": "type", "name": value.__name__}
        if kind in _VIEWS or kind in _ITERATORS or _is_builtin_iterator(kind):
            name = _VIEWS.get(kind, "iterator")
            items = [self._one(list(item) if name == "items" else item, depth + 1) for item in value]
            return {"kind": name, "items": items}
        if (fields := getattr(kind, "_fields", None)) is not None and tuple in kind.__mro__:
            items = [self._one(item, depth + 1) for item in tuple.__iter__(value)]
            return {"kind": "namedtuple", "name": kind.__name__, "fields": [str(one) for one in fields], "items": items}
        if kind.__module__.split(".")[0] == "numpy" and hasattr(value, "tolist"):
            return self._numpy(value, depth)
        if self._give is None:
            raise CannotEncode(f"a value of type {kind.__name__}")
        return self._give(value)

    def _numpy(self, value: Any, depth: int) -> Any:
        if getattr(value, "dtype", None) is None or value.dtype.kind not in "biufcSUO":
            raise CannotEncode(f"a numpy value of type {getattr(value, 'dtype', '?')}")
        items = self._one(value.tolist(), depth + 1)
        if not hasattr(value, "ndim") or value.ndim == 0:
            return items
        return {"kind": "array", "items": items, "dtype": "object" if value.dtype.kind == "O" else value.dtype.str}

    def _back(self, value: Any) -> Any:
        if type(value) is list:
            return [self._back(item) for item in value]
        if type(value) is not dict:
            return value
        kind = value["kind"]
        if kind in _FROM_ITEMS:
            held = value["items"] if "items" in value else value.get("pairs", [])
            return _FROM_ITEMS[kind]([self._back(item) for item in held])
        if kind == "int":
            return int(value["hex"], 16)
        if kind in _FROM_TEXT:
            return _FROM_TEXT[kind](value["text"])
        if kind in ("bytes", "bytearray"):
            data = base64.b64decode(value["base64"])
            return data if kind == "bytes" else bytearray(data)
        if kind == "object":
            return self._objects[value["number"]]
        return self._back_rare(kind, value)

    def _back_rare(self, kind: str, value: dict[str, Any]) -> Any:
        items = [self._back(item) for item in value.get("items", [])]
        if kind == "complex":
            return complex(*value["parts"])
        if kind in ("range", "slice"):
            return (range if kind == "range" else slice)(*items)
        if kind == "timedelta":
            return datetime.timedelta(*items)
        if kind == "constant":
            return {"Ellipsis": ..., "NotImplemented": NotImplemented}[value["name"]]
        if kind == "type":
            return {one.__name__: one for one in _BUILTIN_TYPES}[value["name"]]
        if kind == "namedtuple":
            return collections.namedtuple(value["name"], value["fields"])(*items)
        if kind == "array":
            import numpy as np  # only where a candidate returned an array, so it is installed

            return np.array(self._back(value["items"]), dtype=value["dtype"])
        if self._take is None:
            raise ValueError(f"nobody here knows a {kind!r}")
        return self._take(value)


def dumps(value: Any) -> bytes:
    """A JSON value as a line of ASCII; lone surrogates and values that are not finite keep their form."""
    return json.dumps(value, separators=(",", ":")).encode()


def loads(text: bytes) -> Any:
    """What `dumps` wrote."""
    return json.loads(text)
