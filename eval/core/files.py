"""Task files: found, read, checked before a model is loaded."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.core.entries import Entry, Kind, Row


@dataclass(frozen=True)
class TaskFile:
    """A task file that was read and checked."""

    path: str
    sha256: str
    bytes: int
    rows: list[Row]


def find_files(entries: Sequence[Entry], data: str | Path) -> tuple[dict[str, TaskFile], list[str]]:
    """Read and check the files of these entries, before any model is loaded.

    Args:
        entries: what will be scored.
        data: folder with `<file>.jsonl` at any depth: LLM Foundry keeps them in a folder per category, and variants for
            other metrics one level below. The one nearest to the top counts.

    Returns:
        The files by name, and the names of those that are not there.

    Raises:
        ValueError: the folder or all files are missing, one is twice at the same depth, or a row does not fit.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise ValueError(f"no folder of task files at {data}; give data=FOLDER, such as data/core")
    found: dict[str, TaskFile] = {}
    missing: list[str] = []
    for entry in entries:
        if entry.file in found or entry.file in missing:
            continue
        paths = sorted(folder.rglob(f"{entry.file}.jsonl"), key=lambda path: (len(path.parts), path))
        if len(paths) > 1 and len(paths[0].parts) == len(paths[1].parts):
            raise ValueError(f"{entry.file}.jsonl is in {data} twice: {paths[0]} and {paths[1]}")
        if paths:
            found[entry.file] = _read_file(paths[0], entry)
        else:
            missing.append(entry.file)
    if not found:
        wanted = ", ".join(f"{name}.jsonl" for name in missing[:4]) + (", …" if len(missing) > 4 else "")
        raise ValueError(
            f"{data} holds none of the task files: looked for {wanted}. Give data=FOLDER, such as data/core"
        )
    return found, missing


def _read_file(path: Path, entry: Entry) -> TaskFile:
    content = path.read_bytes()
    rows: list[Row] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise ValueError(f"{path}, line {number}: no valid JSON") from None
        problem = _problem(row, entry)
        if problem:
            raise ValueError(f"{path}, line {number}: {problem}")
        rows.append(row)
    if not rows:
        raise ValueError(f"{path} holds no rows")
    return TaskFile(str(path), hashlib.sha256(content).hexdigest(), len(content), rows)


def _problem(row: Any, entry: Entry) -> str | None:
    """What keeps a row from being an item of this entry, if anything."""
    if not isinstance(row, dict):
        return "not a JSON object"
    texts, options = _FIELDS[entry.kind]
    for name in (*texts, *(("category",) if entry.by_category else ())):
        if not isinstance(row.get(name), str):
            return f"{name!r} is missing or no text"
        if not row[name].strip():
            return f"{name!r} is empty"
    if options is not None:
        values = row.get(options)
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            return f"{options!r} is missing or no list of texts"
        if not all(value.strip() for value in values):
            return f"{options!r} holds an empty text"
        gold = row.get("gold")
        if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(values):
            return f"'gold' is {gold!r}, not one of 0 to {len(values) - 1}"
    return None


_FIELDS: dict[Kind, tuple[tuple[str, ...], str | None]] = {
    "multiple_choice": (("query",), "choices"),
    "language_modeling": (("context", "continuation"), None),
    "schema": (("continuation",), "context_options"),
}
