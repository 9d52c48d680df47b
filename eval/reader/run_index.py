"""The index of an RL run's samples: where each line stands in `samples.jsonl`, and what it is of.

The file is written by a run that may be alive, and is only ever added to (or cut where a run went back to a
checkpoint), so what is new is read at every look. Lines are not copied: a plain file has places to jump to.
"""

import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from eval.reader.store import Store, get_meta, set_meta, storable

SAMPLES = "samples.jsonl"

COMMIT_BYTES = 16 << 20

HEAD_BYTES = 4096
"""The file's beginning is kept, to see whether it is another one of the same name and length."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (number INTEGER PRIMARY KEY, place INTEGER, length INTEGER, step INTEGER, split TEXT,
  id TEXT, sample INTEGER, total REAL, skipped TEXT, discarded TEXT, finish TEXT);
CREATE INDEX IF NOT EXISTS by_step ON samples (step, split, id);
CREATE TABLE IF NOT EXISTS rewards (sample INTEGER, name TEXT, value REAL, PRIMARY KEY (sample, name)) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
  completion, prompt, content='', columnsize=0, tokenize="unicode61 remove_diacritics 2");
"""


class StepSamples(NamedTuple):
    """The samples of one step: a training batch, or an evaluation."""

    step: int
    split: str
    prompts: int
    samples: int
    reward: float | None
    """Mean of the totals."""
    skipped: int
    discarded: int
    rewards: dict[str, float] = {}
    """Mean of each reward."""


class PromptSamples(NamedTuple):
    """One prompt of a batch."""

    id: str
    samples: int
    least: float | None
    mean: float | None
    most: float | None
    skipped: int
    discarded: int


def refresh(run: Path, store: Store, told: Callable[[int, int], None] = lambda done, size: None) -> None:
    """Read what was added to a run's samples since the last look.

    Args:
        run: the run folder.
        store: of the schema `SCHEMA`.
        told: bytes read, and bytes there are.
    """
    file = run / SAMPLES
    size = file.stat().st_size
    with file.open("rb") as lines:
        head = lines.read(HEAD_BYTES)
        with store.writing() as connection:
            done, known = get_meta(connection, "bytes", 0), get_meta(connection, "head", "")
            if size >= done and head.hex().startswith(known) and _ends_a_line(lines, done):
                _take_in(connection, lines, done, head, lambda place: told(place, size))
                return
        store.remove()
        with store.writing() as connection:
            _take_in(connection, lines, 0, head, lambda place: told(place, size))


def _take_in(
    connection: sqlite3.Connection, lines: IO[bytes], start: int, head: bytes, told: Callable[[int], None]
) -> None:
    """Index the whole lines from a place on."""
    lines.seek(start)
    place = done = start
    connection.execute("BEGIN")
    for raw in lines:
        if not raw.endswith(b"\n"):
            break  # still being written
        _add(connection, place, raw)
        place += len(raw)
        if place - done > COMMIT_BYTES:
            done = place
            _commit(connection, done, head)
            told(done)
            connection.execute("BEGIN")
    _commit(connection, place, head[:place])
    told(place)


def _ends_a_line(lines: IO[bytes], place: int) -> bool:
    if not place:
        return True
    lines.seek(place - 1)
    return lines.read(1) == b"\n"


def _commit(connection: sqlite3.Connection, done: int, head: bytes) -> None:
    set_meta(connection, "bytes", done)
    set_meta(connection, "head", head.hex())
    connection.execute("COMMIT")


def is_fresh(run: Path, store: Store) -> bool:
    """Whether the index holds all of the file."""
    return store.is_readable() and get_meta(store.reader(), "bytes", -1) == (run / SAMPLES).stat().st_size


def _add(connection: sqlite3.Connection, place: int, raw: bytes) -> None:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        line = None
    if not isinstance(line, dict) or not isinstance(line.get("step"), int):
        set_meta(connection, "unreadable", get_meta(connection, "unreadable", 0) + 1)
        return
    total = line.get("total")
    cursor = connection.execute(
        "INSERT INTO samples (place, length, step, split, id, sample, total, skipped, discarded, finish) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            place,
            len(raw),
            line["step"],
            str(line.get("mode") or ""),
            storable(str(line.get("id", ""))),
            line["sample"] if isinstance(line.get("sample"), int) else 0,
            number(total),
            storable(str(line.get("skipped") or "")),
            storable(str(line.get("discarded") or "")),
            storable(str(line.get("finish_reason") or "")),
        ),
    )
    rewards = line.get("rewards")
    for name, value in rewards.items() if isinstance(rewards, dict) else ():
        connection.execute(
            "INSERT OR REPLACE INTO rewards VALUES (?, ?, ?)", (cursor.lastrowid, storable(str(name)), number(value))
        )
    connection.execute(
        "INSERT INTO words(rowid, completion, prompt) VALUES (?, ?, ?)",
        (cursor.lastrowid, storable(str(line.get("completion") or "")), storable(prompt_text(line))),
    )


def number(value: Any) -> float | None:
    """A finite number, or None."""
    plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if plain else None


def prompt_text(line: Mapping[str, Any]) -> str:
    """What the policy was shown, as one text."""
    return "\n\n".join(text for _, text in messages_of(line))


def messages_of(line: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(role, text) of what the policy was shown; a bare prompt is the user's."""
    shown = line.get("prompt", line.get("messages"))
    if isinstance(shown, list):
        turns = [one for one in shown if isinstance(one, dict)]
        return [(str(one.get("role", "")), str(one.get("content") or "")) for one in turns]
    return [("user", str(shown))] if shown else []


class RunSearch:
    """Looks things up in a run's index.

    Args:
        connection: to read with.
        file: the samples.
    """

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self.connection, self.file = connection, file

    def batches(self) -> list[StepSamples]:
        """All steps with samples, in order; an evaluation before the training batch of its step."""
        rewards: dict[tuple[int, str], dict[str, float]] = {}
        means = (
            "SELECT s.step, s.split, r.name, avg(r.value) FROM samples s JOIN rewards r ON r.sample = s.number "
            "WHERE s.discarded = '' GROUP BY 1, 2, 3"
        )
        for step, split, name, mean in self.connection.execute(means):
            if mean is not None:
                rewards.setdefault((step, split), {})[name] = mean
        rows = self.connection.execute(
            "SELECT step, split, count(DISTINCT id), count(*), avg(CASE WHEN discarded = '' THEN total END), "
            "sum(skipped != ''), sum(discarded != '') FROM samples GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [StepSamples(*row)._replace(rewards=rewards.get((row[0], row[1]), {})) for row in rows]

    def groups(self, step: int, split: str, start: int, limit: int) -> list[PromptSamples]:
        """The prompts of a step, in the order of the file."""
        rows = self.connection.execute(
            "SELECT id, count(*), min(total), avg(total), max(total), sum(skipped != ''), sum(discarded != '') "
            "FROM samples WHERE step = ? AND split = ? GROUP BY id ORDER BY min(number) LIMIT ? OFFSET ?",
            (step, split, limit, start),
        )
        return [PromptSamples(*row) for row in rows]

    def samples(self, step: int, split: str, identity: str, limit: int) -> list[dict[str, Any]]:
        """A prompt's samples at a step."""
        sql = "SELECT place, length FROM samples WHERE step = ? AND split = ? AND id = ? ORDER BY number LIMIT ?"
        return self._lines(self.connection.execute(sql, (step, split, identity, limit)))

    def first_of(self, step: int, split: str, identity: str) -> dict[str, Any] | None:
        """A prompt's first sample at a step."""
        return next(iter(self.samples(step, split, identity, 1)), None)

    def search(self, wanted: Iterable[str], start: int, limit: int) -> list[dict[str, Any]]:
        """Samples in which all of the terms occur (`eval.reader.search.terms`)."""
        expression = " AND ".join(wanted)
        if not expression:
            return []
        sql = (
            "SELECT s.place, s.length FROM words w CROSS JOIN samples s ON s.number = w.rowid WHERE words MATCH ? "
            "ORDER BY s.number LIMIT ? OFFSET ?"
        )
        return self._lines(self.connection.execute(sql, (expression, limit, start)))

    def steps_of(self, identity: str) -> list[tuple[int, str]]:
        """Steps that hold samples of a prompt."""
        sql = "SELECT DISTINCT step, split FROM samples WHERE id = ? ORDER BY 1, 2 LIMIT 500"
        return [tuple(row) for row in self.connection.execute(sql, (identity,))]  # type: ignore[misc]

    def _lines(self, rows: Iterable[tuple[int, int]]) -> list[dict[str, Any]]:
        found = []
        with self.file.open("rb") as file:
            for place, length in rows:
                file.seek(place)
                found.append(orjson.loads(file.read(length)))
        return found
