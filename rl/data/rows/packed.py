"""Texts of Guru's compressed files: base64 of gzip of JSON in parts, repacked to the same bytes where possible."""

import base64
import binascii
import gzip
import json
import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rl.data.rows.exact import STYLES, style_of

PARTS = ("part_1", "part_2", "part_3", "part_4")
"""What we cut `extra_info` into: the same in every file, so that all share one schema."""

HEADER = 10
"""Bytes of a gzip header without options."""

PLAIN_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x02\xff"
"""No time, best compression, unknown system: what we write."""


def pack(value: Any) -> str:
    """A value as base64 of gzip of JSON; equal values give equal texts."""
    return base64.b64encode(_gzip(json.dumps(value, sort_keys=True).encode(), PLAIN_HEADER, 9)).decode()


def unpack(text: str) -> Any:
    """The value in a packed text; missing padding of the base64 is tolerated.

    Raises:
        ValueError: the text is not base64 of gzip of JSON.
    """
    try:
        return json.loads(gzip.decompress(_bytes(text)))
    except (binascii.Error, OSError, EOFError, zlib.error, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no base64 of gzip of JSON: {error}") from None


class Packing(NamedTuple):
    """Which values of a file's records are packed."""

    parts: tuple[str, ...] = ()
    """Fields of `extra_info`, all of them parts; empty if it is not packed."""

    gold: bool = False
    """Whether `reward_model.ground_truth` is `{compressed}`."""

    def opened(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record with what its packed values hold.

        Raises:
            ValueError: a text is broken.
        """
        found = dict(record)
        if self.parts and isinstance(record.get("extra_info"), Mapping):
            found["extra_info"] = opened(record["extra_info"])
        if self.gold and (gold := _gold(record)) is not None:
            found["reward_model"] = {**record["reward_model"], "ground_truth": opened(gold)}
        return found

    def how(self, record: Mapping[str, Any], foretold: Mapping[str, Any]) -> dict[str, Any]:
        """What `closed` needs to make the packed values of a record from the foretold one."""
        found = {}
        if self.parts and isinstance(record.get("extra_info"), Mapping):
            found["extra_info"] = how_closed(record["extra_info"], foretold["extra_info"])
        if self.gold and (gold := _gold(record)) is not None:
            found["gold"] = how_closed(gold, foretold["reward_model"]["ground_truth"])
        return {name: how for name, how in found.items() if how}

    def closed(self, record: Mapping[str, Any], how: Mapping[str, Any]) -> dict[str, Any]:
        """A foretold record with its values packed."""
        found = dict(record)
        if self.parts:
            found["extra_info"] = closed(record["extra_info"], self.parts, how.get("extra_info"))
        if self.gold:
            gold = closed(record["reward_model"]["ground_truth"], ["compressed"], how.get("gold"))
            found["reward_model"] = {**record["reward_model"], "ground_truth": gold}
        return found


def packing_of(fields: Mapping[str, set[str]], gold_fields: set[str]) -> Packing:
    """What is packed in a file whose columns have these fields."""
    names = fields.get("extra_info") or set()
    parts = sorted(names, key=_number) if all(re.fullmatch(r"part_\d+", name) for name in names) else []
    return Packing(tuple(parts), gold_fields == {"compressed"})


def _gold(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rule = record.get("reward_model")
    gold = rule.get("ground_truth") if isinstance(rule, Mapping) else None
    return gold if isinstance(gold, Mapping) else None


def text_of(value: Mapping[str, Any]) -> str | None:
    """The packed text of a value: its parts in the order of their numbers, null ones empty; None if all are null."""
    found = [value[name] for name in sorted(value, key=_number)]
    return None if all(one is None for one in found) else "".join(one or "" for one in found)


def opened(value: Mapping[str, Any]) -> Any:
    """What a packed value holds; an empty object where there is no text.

    Raises:
        ValueError: its text is broken.
    """
    return unpack(text) if (text := text_of(value)) else {}


def closed(value: Any, names: Iterable[str], how: Mapping[str, Any] | None = None) -> dict[str, str | None]:
    """A value packed into so many parts of one length, or as `how_closed` found them.

    Args:
        value: any JSON value.
        names: `part_1`, `part_2`, … or `compressed`.
        how: what `how_closed` returned.
    """
    names = sorted(names, key=_number)
    text = repack(value, how) if how else pack(value)
    size = -(-len(text or "") // len(names)) or 1
    lengths = how["lengths"] if how else [size] * len(names)
    found: dict[str, str | None] = {}
    for name, length in zip(names, lengths, strict=True):
        found[name] = None if length is None else (text or "")[:length]
        text = (text or "")[length or 0 :]
    return found


def how_closed(actual: Mapping[str, Any], value: Any) -> dict[str, Any] | None:
    """What `closed` needs to give these very parts from a value; None if it needs nothing."""
    if closed(value, actual) == actual:
        return None
    lengths = [None if actual[name] is None else len(actual[name]) for name in sorted(actual, key=_number)]
    how = {**_how_packed(text_of(actual), value), "lengths": lengths}
    return how


def _number(name: str) -> int:
    return int(name.removeprefix("part_")) if name != "compressed" else 0


def _how_packed(text: str | None, value: Any) -> dict[str, Any]:
    """Header, level and JSON's spelling that make the text of the value, or the text itself.

    The values of a row have sorted keys, so the order of the outermost ones is among what is needed.
    """
    if not text:
        return {"text": text}
    data, found = _bytes(text), unpack(text)
    style = style_of(gzip.decompress(data).decode(), found)
    if style and len(data) > HEADER and data[3] == 0:
        how = {"header": data[:HEADER].hex(), "json": style, "padded": len(text) % 4 == 0}
        how |= {"keys": list(found)} if isinstance(found, dict) else {}
        for level in (9, 6, 1):
            if repack(value, {**how, "level": level}) == text:
                return {**how, "level": level}
    return {"text": text}


def repack(value: Any, how: Mapping[str, Any]) -> str | None:
    """A value in the packed text that `how_closed` described."""
    if "text" in how:
        return how["text"]
    if "keys" in how and isinstance(value, Mapping):
        value = {key: value.get(key) for key in how["keys"]}
    plain_text = json.dumps(_sorted_below(value), **STYLES[how["json"]])
    text = base64.b64encode(_gzip(plain_text.encode(), bytes.fromhex(how["header"]), how["level"])).decode()
    return text if how["padded"] else text.rstrip("=")


def _sorted_below(value: Any) -> Any:
    """A value as it comes back from canonical JSON: below the top, keys are sorted."""
    if not isinstance(value, dict):
        return json.loads(json.dumps(value, sort_keys=True))
    return {key: json.loads(json.dumps(item, sort_keys=True)) for key, item in value.items()}


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _gzip(data: bytes, header: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = compressor.compress(data) + compressor.flush()
    return header + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
