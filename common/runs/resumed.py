"""A JSON-lines output that a stopped run goes on with: one process at a time, whole lines only, made of one thing only.

Beside `plans.jsonl` lies its run folder `_plans` with `config.yaml`, `run.json`, `log.txt` and `made_of.json`: the
model's digest and the settings that shape what is written. Each line also holds `asked`, a digest of what was asked.
Work that would mix two makings in one file is refused in one line that names what differs.
"""

import json
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from common.config import RunConfig, shaping_values
from common.hashing import step_hash
from common.pools.lock import alone
from common.pools.repair import encode
from common.runs.folder import Run, run_folder, write_json
from common.runs.redaction import redacted

Row = dict[str, Any]

REMEDY = "name another out=, or remove the file"


class ResumedLines:
    """The lines that are there, and a place for more."""

    def __init__(self, path: Path, rows: Mapping[Hashable, Row], target: IO[bytes]) -> None:
        self.path = path
        self.rows = rows
        self._target = target

    def has(self, key: Hashable, asked: Any) -> bool:
        """Whether the line of a key is there.

        Raises:
            ValueError: it is the answer to something else than is asked now.
        """
        row = self.rows.get(key)
        if row is None:
            return False
        if row.get("asked") != step_hash(asked):
            raise ValueError(f"{self.path} answers another prompt for {key} than the rows ask now; {REMEDY}")
        return True

    def write(self, row: Row, asked: Any) -> None:
        """Add a line; it is in the file when this returns, so that a kill costs no finished one."""
        self._target.write(encode({**row, "asked": step_hash(asked)}))
        self._target.flush()


@contextmanager
def resumed_lines(
    out: str,
    config: RunConfig,
    model: str,
    key: Callable[[Row], Hashable],
    *,
    apart: Collection[str] = (),
    seed: int | None = None,
) -> Iterator[ResumedLines]:
    """Open an output to write what is not in it yet.

    Args:
        out: the file.
        config: of the run.
        model: identity of the model (`common.weights.model_identity`).
        key: tells a row from the others.
        apart: fields that may differ from those of the lines that are there: paths, and how much is wanted.
        seed: of the run, for its `run.json`.

    Raises:
        ValueError: another process writes it, or what is there was made of something else.
    """
    path = Path(out)
    folder = Path(run_folder(path.parent, path.stem))
    made_of = {"model": model} | {
        name: one for name, one in shaping_values(config).items() if name not in (*apart, "model")
    }
    made_of = json.loads(json.dumps(redacted(made_of), default=str))
    with alone(folder, out):
        rows = {key(row): row for row in whole_lines(path)}
        record = folder / "made_of.json"
        if rows:
            _refuse_other(path, record, made_of)
        with Run(folder, config, seed=seed):
            write_json(record, made_of)
            with path.open("ab") as target:
                yield ResumedLines(path, rows, target)


def whole_lines(path: Path) -> list[Row]:
    """The rows of a file of JSON lines, none without a file; a last line that a kill cut short is cut off it."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    return [json.loads(line) for line in content[:whole].split(b"\n")[:-1]]


def _refuse_other(path: Path, record: Path, made_of: Mapping[str, Any]) -> None:
    if not record.is_file():
        raise ValueError(f"{path} holds lines, and no {record} says what made them; {REMEDY}")
    before = json.loads(record.read_text(encoding="utf-8"))
    for name in dict.fromkeys([*made_of, *before]):
        if before.get(name) != made_of.get(name):
            was, now = (json.dumps(one.get(name))[:80] for one in (before, made_of))
            raise ValueError(f"{path} was made with {name} {was}, and now it is {now}; {REMEDY}")
