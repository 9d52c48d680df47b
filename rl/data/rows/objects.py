"""Layouts whose files hold one JSON object or flat record a row: `messages`, taskset, TRL's, and verl's with a payload.

Each is a pair of functions, a row to an object and an object to the row that it says. An object that others wrote may
say more, or otherwise: what differs rides along in the row's `info._kept` and is put back when the row goes out again.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rl.data.rows.exact import corrected, differences, jsonable
from rl.data.rows.golds import from_guru, parsed
from rl.data.rows.guru import guru_split, readable, turns
from rl.data.rows.names import describe, repaired, verifier_of
from rl.data.rows.schema import BUILDER, COLUMNS, SPLITS, Row, canonical, row_id

Object = dict[str, Any]

KEPT = "_kept"
"""Key of `info` under which an object's own words stand."""

CARRIED = ("domain", "info", "pass_rates", "provenance", "reference", "verifier")
"""Columns that the layouts hold under their own names, or in their payload."""


class Layout(NamedTuple):
    """How a row becomes an object of a layout, and what row an object says."""

    to_object: Callable[[Mapping[str, Any], int], Object]
    """Row and its place in the file."""
    to_row: Callable[[Object, str], Row]
    """Object, and the name of its data set if the command line gave one."""


def read_object(layout: str, actual: Object, at: int, source: str = "") -> Row:
    """The row of an object, with what the object says beyond it.

    Args:
        layout: one of `LAYOUTS`.
        actual: the object.
        at: its place in its file.
        source: its data set; what the object says if empty.

    Raises:
        ValueError: its data set is not known, or a text that should be JSON is none.
    """
    row = LAYOUTS[layout].to_row(actual, source)
    difference = differences(actual, LAYOUTS[layout].to_object(row, at))
    if not difference:
        return row
    info = {**json.loads(row["info"]), KEPT: {"layout": layout, **jsonable(difference)}}
    return {**row, "info": canonical(info)}


def write_object(layout: str, row: Mapping[str, Any], at: int) -> Object:
    """The object of a row; a row that came from this layout gives the object that it came from."""
    info = json.loads(row["info"])
    kept = info.get(KEPT)
    if not isinstance(kept, dict) or kept.get("layout") != layout:
        return LAYOUTS[layout].to_object(row, at)
    del info[KEPT]
    return corrected(LAYOUTS[layout].to_object({**row, "info": canonical(info)}, at), kept)


def to_messages(row: Mapping[str, Any], at: int) -> Object:
    """A row as an object of the common open form; gold answers that are no text are JSON."""
    del at
    gold, is_json = _answer(row)
    carried = {name: row[name] for name in CARRIED}
    names = {"id": row["id"], "messages": _turns(row), "ground_truth": gold, "dataset": row["source"]}
    return {**names, "ground_truth_is_json": is_json, "split": row["split"], **carried}


def from_messages(record: Object, source: str) -> Row:
    """The row that a `messages` object says; a last turn of the assistant is the gold text."""
    asked = turns(record.get("messages"))
    answer = ""
    if asked and asked[-1]["role"] == "assistant":
        answer = asked.pop()["content"]
    gold = record.get("ground_truth", answer)
    return _row(record, source or record.get("dataset"), asked, gold, answer, record.get("ground_truth_is_json"))


def to_taskset(row: Mapping[str, Any], at: int) -> Object:
    """A row as an example of a taskset: `{task, prompt, answer, info}`, `info` JSON with all the rest."""
    del at
    answer, is_json = _answer(row)
    rest = {"id": row["id"], "split": row["split"], "ground_truth_is_json": is_json, **_payload(row)}
    return {"task": row["source"], "prompt": _turns(row), "answer": answer, "info": canonical(rest)}


def from_taskset(record: Object, source: str) -> Row:
    """The row that a taskset's example says."""
    rest = parsed(record["info"]) if isinstance(record.get("info"), str) else record.get("info")
    rest = rest if isinstance(rest, dict) else {}
    carried = {name: canonical(rest[name]) for name in ("info", "pass_rates", "provenance") if name in rest}
    asked = turns(record.get("prompt", record.get("question")))
    name = source or record.get("task") or record.get("source")
    return _row({**rest, **carried}, name, asked, record.get("answer"), "", rest.get("ground_truth_is_json"))


def to_trl(row: Mapping[str, Any], at: int) -> Object:
    """A row for TRL: the columns of the row, and `solution`, which TRL's own rewards read."""
    del at
    return {**{name: row[name] for name in COLUMNS}, "prompt": _turns(row), "solution": _answer(row)[0]}


def from_trl(record: Object, source: str) -> Row:
    """The row that an object of TRL's says: the row itself, or `prompt` with `solution`, `answer` or `ground_truth`."""
    if all(isinstance(record.get(name), str) for name in COLUMNS if name != "prompt"):
        row: Any = {name: record[name] for name in COLUMNS}
        row["prompt"] = turns(record["prompt"])
        return row
    names = [name for name in ("solution", "answer", "ground_truth", "reference") if record.get(name) is not None]
    name = source or record.get("source") or record.get("data_source") or record.get("dataset")
    return _row(record, name, turns(record.get("prompt")), record[names[0]] if names else None, "", None)


def to_verl(row: Mapping[str, Any], at: int) -> Object:
    """A row as a record of verl's: every text and field of one type for all domains."""
    extra = {"id": row["id"], "index": at, "split": guru_split(row["split"])}
    return {
        "data_source": row["source"],
        "prompt": _turns(row),
        "ability": describe(row["source"]).ability,
        "apply_chat_template": True,
        "reward_model": {"style": "rule", "ground_truth": row["ground_truth"]},
        "extra_info": {**extra, "payload": canonical({"split": row["split"], **_payload(row)})},
    }


def from_verl(record: Object, source: str) -> Row:
    """The row that a record with a payload says."""
    extra = record["extra_info"]
    rest = parsed(extra["payload"] or "")
    if not isinstance(rest, dict):
        raise ValueError("extra_info.payload is no JSON object")
    carried = {name: canonical(rest[name]) for name in ("info", "pass_rates", "provenance") if name in rest}
    gold = record["reward_model"]["ground_truth"]
    known = {**rest, **carried, "id": extra["id"]}
    return _row(known, source or record["data_source"], turns(record["prompt"]), gold, "", True)


LAYOUTS = {
    "messages": Layout(to_messages, from_messages),
    "taskset": Layout(to_taskset, from_taskset),
    "trl": Layout(to_trl, from_trl),
    "verl": Layout(to_verl, from_verl),
}


def _row(record: Mapping[str, Any], name: Any, asked: list[Any], gold: Any, answer: str, is_json: Any) -> Row:
    source = repaired(name if isinstance(name, str) else "")
    known = describe(source)
    verifier = record["verifier"] if isinstance(record.get("verifier"), str) else verifier_of(source)
    if is_json is True and isinstance(gold, str):
        value = json.loads(gold)
    else:
        value = gold if is_json is False else from_guru(verifier, gold)
    truth = canonical(value)
    whole = canonical(jsonable(dict(record)))
    given = record.get("id")
    texts = {name: found for name in CARRIED if isinstance(found := record.get(name), str)}
    # a text column that should hold a JSON object and does not is the object's own word, kept beside the row
    objects = ("info", "pass_rates", "provenance")
    texts = {name: text for name, text in texts.items() if name not in objects or isinstance(parsed(text), dict)}
    return {
        "id": given if isinstance(given, str) and given else row_id(source, "", whole, asked, truth),
        "prompt": asked,
        "reference": texts.get("reference", answer or readable(value)),
        "verifier": verifier,
        "ground_truth": truth,
        "info": texts.get("info", "{}"),
        "domain": texts.get("domain", known.domain),
        "source": source,
        "split": split if (split := record.get("split")) in SPLITS else "train",
        "pass_rates": texts.get("pass_rates", "{}"),
        "provenance": texts.get("provenance", canonical({"builder": BUILDER})),
    }


def _payload(row: Mapping[str, Any]) -> Object:
    """What a row says beside prompt, gold answer, source and id, as one object."""
    return {
        name: json.loads(row[name]) if name in ("info", "pass_rates", "provenance") else row[name] for name in CARRIED
    }


def _answer(row: Mapping[str, Any]) -> tuple[str, bool]:
    """The gold answer as one text, and whether that text is JSON."""
    gold = json.loads(row["ground_truth"])
    return (gold, False) if isinstance(gold, str) else (row["ground_truth"], True)


def _turns(row: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in row["prompt"]]
