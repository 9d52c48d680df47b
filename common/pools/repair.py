"""Lines to JSON values: what orjson cannot read is read another way, and every change to it has a name.

A byte-order mark goes. Half surrogates become U+FFFD, NaN and infinities null. A number that a 64-bit integer or float
does not hold keeps its own digits (`LongNumber`). Several values on one line are several rows.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

MAX_DEPTH = 200
"""Deepest nesting that is written again: orjson writes 254 levels, and a reject wraps its document in some more."""

_NUMBER = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|(-?\d[-+.\deE]*)', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"
_FLAT = frozenset((str, int, bool, type(None)))
"""Types that neither nest nor lose a digit: integers beyond 64 bits come as floats."""


class LongNumber(float):
    """A number of a file that no 64-bit integer or float holds: near it in value, and its own digits when written."""

    raw: bytes

    def __new__(cls, raw: str | bytes) -> "LongNumber":
        """From the digits as they stand."""
        text = raw.decode() if isinstance(raw, bytes) else raw
        number = super().__new__(cls, float(text))
        number.raw = text.encode()
        return number

    def __reduce__(self) -> tuple[type["LongNumber"], tuple[bytes]]:
        """For copies and other processes."""
        return LongNumber, (self.raw,)


class Found(NamedTuple):
    """One value of a line, or the reason why there is none, with the changes made to it."""

    value: Any
    reason: str | None = None
    repairs: tuple[str, ...] = ()
    raw: bytes = b""
    """Of what could not be read."""


def parse_line(line: bytes, first: bool = False) -> Iterable[Found]:
    """The JSON values of a line; nothing for one that is blank.

    Args:
        line: without its newline.
        first: whether it is the file's first, which may begin with a byte-order mark.
    """
    repairs: tuple[str, ...] = ()
    if first and line.startswith(_BOM):
        line, repairs = line[len(_BOM) :], ("byte_order_mark",)
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _slowly(line, repairs) if line.strip() else ()
    if type(value) is dict and _FLAT.issuperset(map(type, value.values())):  # as most documents are
        return (Found(value, repairs=repairs),)
    if _depth_possible(line) and too_deep(value):
        return (Found(None, "too_deep", raw=line),)
    if _may_lose(value, line) and _has_long_number(line):
        return _slowly(line, repairs)
    return (Found(value, repairs=repairs),)


def encode(document: Any, *, exact: bool = False) -> bytes:
    """One JSON line with its newline.

    What JSON cannot hold is written so that it can be told and turned back: bytes as `{"base64": …}`, times as text, a
    `LongNumber` and a decimal by their own digits. NaN and infinities are null.

    Args:
        document: what to write.
        exact: write a `LongNumber` that is NaN or infinite as Python's JSON does: for parts that become Parquet.
    """
    plain = _exact if exact else _plain
    try:
        return orjson.dumps(document, default=plain, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return orjson.dumps(mend(document, []), default=plain, option=orjson.OPT_APPEND_NEWLINE)


def decode(line: bytes) -> Any:
    """A line that `encode` wrote."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _DECODER.decode(line.decode())
    return _DECODER.decode(line.decode()) if _may_lose(value, line) and _has_long_number(line) else value


def id_text(value: Any) -> str:
    """A document's id as text, the same before and after it was written: text as it is, all else as JSON.

    >>> id_text("a"), id_text(7), id_text(b"a")
    ('a', '7', '{"base64":"YQ=="}')
    """
    return value if isinstance(value, str) else encode(value).decode().rstrip("\n")


def mend(value: Any, repairs: list[str]) -> Any:
    """A copy of a value with what JSON cannot hold replaced; the names of the changes are added to `repairs`."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            repairs.append("surrogate")
            return _SURROGATE.sub("\ufffd", value)
        return value
    if isinstance(value, dict):
        return {
            mend(key if isinstance(key, str) else str(key), repairs): mend(one, repairs) for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [mend(one, repairs) for one in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else LongNumber(str(value))
    if isinstance(value, LongNumber):
        if math.isinf(value) and value.raw[-1:] not in b"Ny":
            repairs.append("huge_number")  # its digits stay: other readers cannot be handed an infinity
        return value
    if isinstance(value, float) and not math.isfinite(value):
        repairs.append("nan" if math.isnan(value) else "infinity")
        return None
    return value


def too_deep(value: Any) -> bool:
    """Whether a value is nested deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _slowly(line: bytes, repairs: tuple[str, ...]) -> Iterator[Found]:
    """Value by value through Python's reader, which takes half surrogates, NaN and any number."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        yield Found(None, "not_json", raw=line)
        return
    place = 0
    while True:
        while place < len(text) and text[place] in " \t\r\n":
            place += 1
        if place == len(text):
            return
        try:
            value, end = _DECODER.raw_decode(text, place)
        except RecursionError:
            yield Found(None, "too_deep", raw=text[place:].encode())
            return
        except ValueError:
            yield Found(None, "not_json", raw=text[place:].encode())
            return
        if too_deep(value):
            yield Found(None, "too_deep", raw=text[place:end].encode())
        else:
            changes: list[str] = list(repairs)
            mended = mend(value, changes)
            yield Found(mended, repairs=tuple(dict.fromkeys(changes)))
        place, repairs = end, ()


def _integer(digits: str) -> int | LongNumber:
    if len(digits) < 19:
        return int(digits)
    if len(digits) > 20:  # Python bounds the length of integers that it converts
        return LongNumber(digits)
    value = int(digits)
    return value if -(1 << 63) <= value < 1 << 64 else LongNumber(digits)


def _decimal(digits: str) -> float:
    value = float(digits)
    return value if _survives(digits.encode(), value) else LongNumber(digits)


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_decimal)


def _survives(digits: bytes, value: float) -> bool:
    """Whether a float, written again, is the same number."""
    if len(digits) < 16 and b"e" not in digits and b"E" not in digits:
        return True
    if not math.isfinite(value):
        return False
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(digits.decode()) == Decimal(repr(value))
    except InvalidOperation:
        return False


def _may_lose(value: Any, line: bytes) -> bool:
    """Whether a float of a value does not stand in its line as it would be written; integers beyond 64 bits are floats
    here too. A cheap look for most lines, before the exact one."""
    if isinstance(value, float):
        digits = repr(value).encode()
        place = line.find(digits)
        end = place + len(digits)
        return place < 1 or line[place - 1] not in b":[, " or (end < len(line) and line[end] not in b",]} \r\n")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return any(isinstance(one, float | dict | list) and _may_lose(one, line) for one in value)


def _has_long_number(line: bytes) -> bool:
    """Whether a number of the line, outside of its texts, is not what a float gives back."""
    for found in _NUMBER.finditer(line):
        digits = found.group(1)
        if digits and (len(digits) > 15 or b"e" in digits or b"E" in digits):
            if digits.lstrip(b"-").isdigit():
                if isinstance(_integer(digits.decode()), LongNumber):
                    return True
            elif not _survives(digits, float(digits)):
                return True
    return False


def _depth_possible(line: bytes) -> bool:
    return line.count(b"[") + line.count(b"{") > MAX_DEPTH


def _plain(value: Any) -> Any:
    import base64
    from decimal import Decimal

    if isinstance(value, LongNumber):
        return None if value.raw[-1:] in b"Ny" else orjson.Fragment(value.raw)  # NaN, Infinity
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode()) if value.is_finite() else None
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    return str(value)


def _exact(value: Any) -> Any:
    return orjson.Fragment(value.raw) if isinstance(value, LongNumber) else _plain(value)
