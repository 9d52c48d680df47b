"""Run an untrusted program, or find out what this machine isolates.

Usage:
    python -m eval.sandbox run FILE.py [stdin=FILE] [deadline=S] [cpu=S] [memory=BYTES] [backend=NAME] [require=LEVEL]
    python -m eval.sandbox probe

`run` prints one JSON object: status (ok, error, time_limit, memory_limit, output_limit, infra_error), passed (null: a
plain program has no tests), stdout, stderr, seconds, isolation. The exit code is 0 whatever the program did, and 1
where the sandbox itself failed or may not run it.

`probe` prints a line of JSON for each back-end: its level here, what it holds, and what keeps it from more.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from common.command import Command, entry_point, fail, parse_command
from common.config import RunConfig


class RunProgram(RunConfig):
    """One program."""

    program: Path
    """The Python file to run."""

    stdin: Path | None = None
    """The file that is its standard input; nothing if not given."""

    deadline: float = Field(40.0, gt=0)
    """Seconds after which there is a verdict (plus one at most), and how long the program may run or sleep."""

    cpu: float | None = Field(None, gt=0)
    """Seconds of a processor that it may use; a quarter of the deadline if not given, so that load decides nothing."""

    memory: int = Field(4 << 30, gt=0)
    """Bytes of memory: address space of each process, and what all together hold."""

    backend: Literal["namespaces", "bubblewrap", "local"] | None = None
    """How it is enclosed; the strongest way that holds here if not given."""

    require: Literal["isolated", "limited"] | None = None
    """The level of isolation without which nothing is run."""


class Probe(RunConfig):
    """Nothing to say."""


COMMANDS: dict[str, Command[Any]] = {
    "run": Command(RunProgram, positional=("program",)),
    "probe": Command(Probe),
}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then run or probe."""
    name, config = parse_command(COMMANDS, __doc__, argv)
    if name == "probe":
        _probe()
    else:
        _run(config)


def _run(config: RunProgram) -> None:
    from eval.sandbox.limits import Limits
    from eval.sandbox.run import run

    def text(path: Path | None) -> str:
        return path.read_bytes().decode("utf-8", "surrogateescape") if path else ""

    limits = Limits(config.cpu or config.deadline / 4, config.deadline, config.deadline, config.memory)
    found = run(text(config.program), text(config.stdin), None, limits, config.backend, config.require)
    print(json.dumps(found.record()))  # noqa: T201 - the command's output
    if found.status == "infra_error":
        fail(f"no verdict: {found.reason}", 1)


def _probe() -> None:
    from eval.sandbox.probe import proved
    from eval.sandbox.tries import LEVELS

    for backend in LEVELS:
        found = proved(backend)
        line = {"backend": backend, "level": found.level, "holds": found.holds, "why": found.why, "uses": found.uses}
        print(json.dumps(line))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
