"""The run folder: `config.yaml`, `run.json`, `metrics.jsonl`, `log.txt`, and `progress.json` for those who look on.

Everything that plots or reports reads only this.
"""

import importlib.metadata
import json
import logging
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from common.config import RunConfig, config_hash, to_yaml
from common.pools.storage import atomic_write, join, sweep
from common.runs.progress.state import FolderProgress
from common.runs.redaction import redacted
from common.runs.tracking import open_tracker

VERSIONED = ("torch", "transformers", "trl", "vllm", "accelerate", "datasets", "tokenizers", "numpy", "pyarrow")

log = logging.getLogger("repro")


class _Redacting(logging.Formatter):
    """Log lines without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return str(redacted(super().format(record)))


class _LogFile(logging.FileHandler):
    """A log file whose own trouble, such as a full disk, does not cover the error that the command ends with."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class Run:
    """One run's folder. Use as a context manager; what ends the run is written to its log.

    Args:
        out: the folder, made if absent. An existing `metrics.jsonl` is continued.
        config: the resolved config; `config.yaml` loads back to an equal one.
        seed: the run's seed, for `run.json`.
    """

    def __init__(self, out: str | Path, config: RunConfig, *, seed: int | None = None) -> None:
        self.folder = Path(out)
        self.folder.mkdir(parents=True, exist_ok=True)
        sweep(self.folder)
        with atomic_write(str(self.folder / "config.yaml")) as target:
            target.write(to_yaml(config).encode())
        write_json(self.folder / "run.json", describe_run(config, seed))
        self._metrics = (self.folder / "metrics.jsonl").open("a", encoding="utf-8")
        self._log_file = _LogFile(self.folder / "log.txt", encoding="utf-8")
        self._log_file.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(self._log_file)
        self._tracker = open_tracker(config, self.folder)
        self._progress = FolderProgress(self.folder)

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Append one line to `metrics.jsonl`, with the time and, if given, the step.

        A value that is not finite stays visible: it is written as null, with a warning.
        """
        row: dict[str, Any] = {} if step is None else {"step": step}
        for key, value in metrics.items():
            if isinstance(value, float) and not math.isfinite(value):
                log.warning("%s is %s at step %s", key, value, step)
                value = None
            row[key] = value
        if self._tracker is not None:
            self._tracker.log({key: value for key, value in row.items() if value is not None and key != "step"}, step)
        row["time"] = round(time.time(), 3)
        self._metrics.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._metrics.flush()

    def close(self) -> None:
        """Close the files; `log` must not be called afterwards. An error that is being raised is what ended the run."""
        self._close(sys.exc_info()[1])

    def _close(self, error: BaseException | None) -> None:
        if self._metrics.closed:
            return
        self._progress.close(error)
        self._metrics.close()
        if self._tracker is not None:
            self._tracker.close()
            self._tracker = None
        logging.getLogger().removeHandler(self._log_file)
        self._log_file.close()

    def __enter__(self) -> "Run":
        """The run itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what ended the run to its log, then close it."""
        if error is not None and not isinstance(error, SystemExit):
            log.error("the run failed", exc_info=(kind, error, trace))  # type: ignore[arg-type]
        self._close(error)


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """All complete lines of a run's `metrics.jsonl`; a line that a kill cut short is left out."""
    path = Path(folder) / "metrics.jsonl"
    if not path.exists():
        return []
    *lines, unfinished = path.read_text(encoding="utf-8").split("\n")
    del unfinished
    return [json.loads(line) for line in lines if line]


def describe_run(config: RunConfig, seed: int | None = None) -> dict[str, Any]:
    """What is needed to tell one run from another: command, commit, versions, host, seed, config hash."""
    return {
        "command": redacted(_command()),
        "commit": _commit(),
        "config_hash": config_hash(config),
        "seed": seed,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": {"name": platform.node(), "system": platform.platform(), "cpus": os.cpu_count()},
        "versions": {"python": platform.python_version(), **_versions()},
    }


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON so that the file appears whole or not at all.

    Raises:
        ValueError: a number in it is not finite, which JSON cannot say.
    """
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path} is not written: {error}") from None
    with atomic_write(str(path)) as target:
        target.write((text + "\n").encode())


def run_folder(output: str | Path, name: str) -> str:
    """Where a stage that fills a pool keeps its run folder: hidden from pool readers, beside the shards."""
    return join(output, f"_{name}")


def _command() -> list[str]:
    """The words that started this process; a module run with `-m` under its own name, not as its file."""
    words = sys.orig_argv[1:]
    if "-m" in words:
        return ["python", *words[words.index("-m") :]]
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _commit() -> str | None:
    """The commit of the checkout that this code runs from; None where it was installed, whatever lies around it."""
    root = Path(__file__).parents[2]
    command = ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    top, _, commit = done.stdout.strip().partition("\n")
    return commit if done.returncode == 0 and top and Path(top).resolve() == root.resolve() else None


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
