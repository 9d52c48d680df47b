"""What a stage has not finished, and what it said when it failed: so that half a run is not taken for a whole one."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.pools.marks import MARK
from common.pools.shards import list_shards
from common.runs.terminal import visible
from eval.report.names import kind
from eval.report.stages import Stage

LONGEST_ERROR = 300
"""Characters of an error that are shown."""


def unfinished(stages: Sequence[Stage]) -> list[tuple[str, str]]:
    """(stage, sentence) for each that has not ended as it should, in the stages' order."""
    return [(stage.name, sentence) for stage in stages if (sentence := sentence_about(stage))]


def sentence_about(stage: Stage) -> str:
    """What is missing of a stage, in a sentence or two; empty where nothing is."""
    parts = []
    if stage.unread:
        parts.append(f"Damaged and left out: {', '.join(dict.fromkeys(stage.unread))}.")
    told = _LEFT[stage.kind](stage) if stage.kind in _LEFT else ""
    if told:
        error = _error(stage)
        parts += [
            f"{kind(stage.kind).capitalize()} has not finished: {told}.",
            *([f"It said: {error}"] if error else []),
        ]
    return " ".join(parts)


def last_step(stage: Stage) -> int:
    """The last step that was logged, 0 before the first."""
    steps = [row["step"] for row in stage.metrics if isinstance(row.get("step"), int)]
    return max(steps, default=0)


def _training(stage: Stage) -> str:
    done = stage.done
    if stage.kind == "pretraining":
        finished, wanted = done.get("status") == "finished", done.get("steps")
    else:
        finished, wanted = bool(done), stage.config.get("max_steps")
    if finished:
        return ""
    reached = last_step(stage)
    of = f" of {wanted:,}" if isinstance(wanted, int) and wanted > 0 else ""
    return f"its last logged step is {reached:,}{of}" if reached else f"it logged no step{of and f' {of.strip()}'}"


def _recycled(stage: Stage) -> str:
    open_shards = _begun(stage)
    wanted = _wanted(stage)
    done = len(list(stage.path.glob(f"*{MARK}")))
    if wanted > done:
        return f"{done} of {wanted} shards are done" + (f", {open_shards} more are begun" if open_shards else "")
    return f"{open_shards} shards are begun and not done" if open_shards else ""


def _made(stage: Stage) -> str:
    return "" if stage.dataset else "there is no dataset.json, which comes last"


def _evaluated(stage: Stage) -> str:
    return "" if stage.record else "there is no record of its scores"


_LEFT: dict[str, Any] = {
    "rl": _training,
    "sft": _training,
    "pretraining": _training,
    "recycled": _recycled,
    "selected": _made,
    "tokens": _made,
    "evaluation": _evaluated,
}
"""Kind of a stage → what of it is left to do, as half a sentence."""


def _begun(stage: Stage) -> int:
    return sum(1 for one in stage.path.glob(".*.parts") if one.is_dir())


def _wanted(stage: Stage) -> int:
    """Shards that a run was to do; 0 where its input is not here any more."""
    config = stage.config
    with contextlib.suppress(ValueError, OSError, KeyError):
        return len(list_shards(config["input"], config.get("start"), config.get("end")))
    return 0


def _error(stage: Stage) -> str:
    """The last line of what ended a run, from its log; for pretraining from its record."""
    text = str(stage.done.get("error") or "")
    log = next((path for path in (stage.path / "log.txt", *_hidden_logs(stage.path)) if path.is_file()), None)
    if not text and log is not None:
        with contextlib.suppress(OSError):
            whole = log.read_text(encoding="utf-8", errors="replace")
            _, failed, text = whole.rpartition("the run failed")
            text = text if failed else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return visible(lines[-1])[:LONGEST_ERROR] if lines else ""


def _hidden_logs(path: Path) -> list[Path]:
    return sorted(path.glob("_*/log.txt")) if path.is_dir() else []
