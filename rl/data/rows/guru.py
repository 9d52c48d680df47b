"""Rows as records of Guru's and verl's files, and back: what cannot be foretold from the row rides along in it.

A record read from a foreign file is foretold from its row; where the file says otherwise, the row keeps the file's word
in `info._guru`. A row of ours is foretold from its record; where it says otherwise, the record keeps the row's word in
`extra_info.repro`. So both ways lose nothing, and neither text repeats what stands elsewhere.
"""

import json
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from rl.data.rows.exact import corrected, differences, holds, jsonable, same
from rl.data.rows.golds import from_guru, parsed, to_guru
from rl.data.rows.names import describe, repaired, verifier_of
from rl.data.rows.schema import BUILDER, SPLITS, Message, Row, canonical, count_of, row_id

Record = dict[str, Any]

KEPT = "_guru"
"""Key of `info` under which a foreign record's own words stand."""

OWN = "repro"
"""Key of `extra_info` under which a row's own words stand."""

RATE = "_pass_rate"
"""Columns that end so hold the share of 16 samples that a model got right."""

SAMPLES = 16
INSIDE = ("reward_model", "extra_info")
"""Columns whose fields are foretold one by one."""


def base_row(record: Mapping[str, Any], split: str = "", whence: Mapping[str, Any] | None = None) -> Row:
    """The row that a record says by itself.

    Args:
        record: `data_source`, `prompt`, `reward_model`, `extra_info`; values of pandas and NumPy do too.
        split: the split that its folder names; the record's own if empty.
        whence: provenance of the file.

    Raises:
        ValueError: the data set's name is not known.
    """
    source = repaired(str(record.get("data_source") or ""))
    verifier = verifier_of(source)
    rule, extra = record.get("reward_model"), record.get("extra_info")
    info = {key: jsonable(value) for key, value in _entries(extra).items() if value is not None and key != OWN}
    info.pop(KEPT, None)
    gold = from_guru(verifier, _entries(rule).get("ground_truth"))
    rates: dict[str, dict[str, int]] = {}
    for name, found in record.items():
        rate = jsonable(found) if name.endswith(RATE) else None
        if isinstance(rate, float):
            count = count_of(rate, SAMPLES)
            if count is None:
                info[name] = rate  # off the grid: kept as given
            else:
                rates[name.removesuffix(RATE)] = {"n": SAMPLES, "correct": count}
    prompt = turns(record.get("prompt"))
    truth = canonical(gold)
    return {
        "id": row_id(source, "", record_key(record, info), prompt, truth),
        "prompt": prompt,
        "reference": info["reference"] if isinstance(info.get("reference"), str) else readable(gold),
        "verifier": verifier,
        "ground_truth": truth,
        "info": canonical(info),
        "domain": describe(source).domain,
        "source": source,
        "split": split or our_split(info.get("split")),
        "pass_rates": canonical(rates),
        "provenance": canonical({"builder": BUILDER, **(whence or {})}),
    }


def record_of(row: Mapping[str, Any]) -> Record:
    """The record that a row says by itself, without the words it keeps of a foreign file."""
    info = json.loads(row["info"])
    info.pop(KEPT, None)
    gold = to_guru(row["verifier"], json.loads(row["ground_truth"]))
    rates = json.loads(row["pass_rates"])
    return {
        "data_source": row["source"],
        "prompt": [dict(turn) for turn in row["prompt"]],
        "ability": describe(row["source"]).ability,
        "apply_chat_template": True,
        "reward_model": {"style": "rule", "ground_truth": gold},
        "extra_info": info,
        **{f"{model}{RATE}": one["correct"] / one["n"] for model, one in rates.items() if one.get("n") == SAMPLES},
    }


def own_record(row: Mapping[str, Any], at: int) -> Record:
    """A row of ours as a record, still without what only the row can say (`sealed` adds that).

    Args:
        row: the row.
        at: its place in the file it comes from, which is `extra_info.index` where the row has none.
    """
    record = record_of(row)
    info = json.loads(row["info"])
    record["extra_info"] = {"split": guru_split(row["split"]), "index": at, **info}
    record["extra_info"].pop(OWN, None)
    return record


def sealed(record: Record, row: Mapping[str, Any], at: int) -> Record:
    """A record with the row's own words in `extra_info.repro`, so that `row_of_own` gives the very row.

    The record is as a file will give it back: fields that its columns do not hold must be gone already.
    """
    base = base_row(record)
    words: dict[str, Any] = {"at": at, "info": differences(json.loads(row["info"]), json.loads(base["info"]))}
    old: Mapping[str, Any] = base
    words["row"] = {name: row[name] for name in row if name != "info" and not same(row[name], old[name])}
    return {**record, "extra_info": {**record["extra_info"], OWN: canonical(words)}}


def own_words(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a row of ours said for itself in a record; None in a foreign one."""
    text = _entries(record.get("extra_info")).get(OWN)
    words = parsed(text) if isinstance(text, str) else None
    return words if isinstance(words, dict) and {"at", "info", "row"} <= set(words) else None


def row_of_own(record: Mapping[str, Any], words: Mapping[str, Any]) -> Row:
    """The row that `sealed` wrote."""
    base = base_row(record)
    info = corrected(json.loads(base["info"]), words["info"])
    return {**base, **words["row"], "info": canonical(info)}


def kept_words(
    record: Mapping[str, Any], foretold: Mapping[str, Any], fields: Mapping[str, set[str]]
) -> dict[str, Any]:
    """Where a foreign record is not as its row foretells: values of columns under `set`, of fields under their column.

    Args:
        record: as the file has it.
        foretold: `record_of` of what `base_row` made of it.
        fields: the file's columns, each with the names of its fields; none where it is no struct.

    Returns:
        Also `whole`: columns with a value that JSON cannot hold, to be kept in another form.
    """
    found: dict[str, Any] = {}
    whole = []
    for name, inner in fields.items():
        actual, expected = record.get(name), foretold.get(name)
        if same(actual, expected):
            continue
        if name in INSIDE and isinstance(actual, dict) and isinstance(expected, dict):
            changes = {key: actual.get(key) for key in sorted(inner) if not same(actual.get(key), expected.get(key))}
            column = name
        else:
            changes, column = {name: actual}, "set"
        if not holds(changes):
            whole.append(name)
        elif changes:
            found.setdefault(column, {}).update(changes)
    return {**found, "whole": whole}


def with_kept_words(record: Record, kept: Mapping[str, Any]) -> Record:
    """A foretold record corrected by what its row keeps."""
    found = {**record, **kept.get("set", {})}
    for name in INSIDE:
        if name in kept:
            found[name] = {**record[name], **kept[name]}
    return found


def unique_id(row: Row, seen: Counter[str]) -> Row:
    """The row, with another id if rows before it had this one: released files repeat rows (AIME eight times)."""
    seen[row["id"]] += 1
    times = seen[row["id"]]
    if times == 1:
        return row
    return {**row, "id": sha256(f"{row['id']}:{times}".encode()).hexdigest()[:32]}


def record_key(record: Mapping[str, Any], info: Mapping[str, Any]) -> Any:
    """What tells a record from the others of its data set: its index, or a digest of all of it."""
    for name in ("index", "idx"):
        if isinstance(info.get(name), int | str):
            return info[name]
    return sha256(canonical(jsonable(dict(record))).encode()).hexdigest()


def turns(prompt: Any) -> list[Message]:
    """A prompt as turns of text: a text is a user's turn, and what is no text is an empty one."""
    prompt = jsonable(prompt)
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    found = [turn for turn in prompt if isinstance(turn, dict)] if isinstance(prompt, list) else []
    return [{"role": _text(turn.get("role")), "content": _text(turn.get("content"))} for turn in found]


def readable(gold: Any) -> str:
    """A gold answer as a text for people: texts and numbers as they are, nothing for what has a form of its own."""
    if isinstance(gold, str):
        return gold
    return json.dumps(gold) if isinstance(gold, int | float) and not isinstance(gold, bool) else ""


def our_split(found: Any) -> str:
    """One of `SPLITS` for what a record calls its split: `test` is the offline evaluation."""
    return found if found in SPLITS else "offline_eval" if found == "test" else "train"


def guru_split(split: str) -> str:
    """What Guru's records call a split."""
    return "test" if split in ("online_eval", "offline_eval") else split


def _entries(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
