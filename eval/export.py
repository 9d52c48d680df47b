"""Stored samples in the forms that others' viewers and tools open.

Usage:
    python -m eval.export inspect SAMPLES OUT_FOLDER        # logs for `inspect view --log-dir OUT_FOLDER`
    python -m eval.export messages SAMPLES OUT.jsonl        # conversations with the answer, its score and its reference
    python -m eval.export gym SAMPLES OUT.jsonl             # rollouts as NeMo Gym stores them

SAMPLES is a file or a folder of samples of any stage (`common.samples`). The score of a sample is its last verdict's,
else the total of its rewards.
"""

import datetime
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from common.command import Command, entry_point, fail, parse_command, usage_errors
from common.config import HOW, Out, RunConfig
from common.samples import Sample, SampleFile, read_samples, sample_files
from eval.reasoning.stored.forms import Record, gym_lines, inspect_log, messages_line
from eval.verifiers.result import Mode


class ExportLinesConfig(RunConfig):
    """What to read and write."""

    samples: str
    """File or folder of samples."""

    out: Annotated[str, HOW, Out()]
    """File to write; it is made anew."""

    mode: Mode = "strict"
    """Which verdict counts as the score."""


class ExportFolderConfig(RunConfig):
    """What to read, and the folder to write to."""

    samples: str
    """File or folder of samples."""

    out: Annotated[str, HOW, Out(folder=True)]
    """Folder of the logs, one for each task."""

    mode: Mode = "strict"
    """Which verdict counts as the score."""


def write_inspect(config: ExportFolderConfig) -> int:
    """A log for each task; gives how many samples went in."""
    tasks: dict[str, list[Sample]] = {}
    for sample in read_samples(config.samples):
        tasks.setdefault(sample.task or str(sample.row.get("source") or sample.stage or "samples"), []).append(sample)
    written_at = max(path.stat().st_mtime for path in sample_files(config.samples))
    created = datetime.datetime.fromtimestamp(int(written_at), datetime.UTC).isoformat()
    folder = Path(config.out)
    folder.mkdir(parents=True, exist_ok=True)
    for task, samples in tasks.items():
        log = inspect_log(task, samples, config.mode, created)
        stem = re.sub(r"[^\w.-]", "-", f"{created}_{task}_{log['eval']['eval_id']}")
        (folder / f"{stem}.json").write_text(json.dumps(log, ensure_ascii=False), encoding="utf-8", errors="replace")
    return sum(map(len, tasks.values()))


def write_lines(config: ExportLinesConfig, lines: Callable[[Iterable[Sample], str], Iterable[Record]]) -> int:
    """A JSONL file; gives how many samples went in."""
    Path(config.out).unlink(missing_ok=True)
    count = 0
    with SampleFile(config.out) as file:
        for line in lines(read_samples(config.samples), config.mode):
            file.write(line)
            count += 1
    return count


def _messages(samples: Iterable[Sample], mode: str) -> Iterator[Record]:
    return (messages_line(sample, mode) for sample in samples if sample.finish_reason != "error")


POSITIONAL = ("samples", "out")


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, export, say how many samples went in."""
    commands: dict[str, Command[Any]] = {
        "inspect": Command(ExportFolderConfig, positional=POSITIONAL),
        "messages": Command(ExportLinesConfig, positional=POSITIONAL),
        "gym": Command(ExportLinesConfig, positional=POSITIONAL),
    }
    name, config = parse_command(commands, __doc__, argv)
    with usage_errors():
        if name == "inspect":
            count = write_inspect(config)
        else:
            count = write_lines(config, _messages if name == "messages" else gym_lines)
    print(f"{config.out}: {count:,} samples")  # noqa: T201 - the command's output
    if not count:
        fail("no sample was exported", code=1)


if __name__ == "__main__":
    main()
