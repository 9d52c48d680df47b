"""Run a program, or run tests against it, at the strongest level of isolation that this machine proves."""

from collections.abc import Mapping
from typing import Any

from eval.sandbox.limits import Level, Limits, ProgramRun
from eval.sandbox.probe import proved
from eval.sandbox.servers import Backend, Warm, warm
from eval.sandbox.tries import LEVELS, tried


class IsolationRefused(ValueError):
    """The level of isolation that is asked for cannot be had on this machine."""


def run(
    program: str,
    stdin: str = "",
    files: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    backend: Backend | None = None,
    require: Level | None = None,
) -> ProgramRun:
    """Run a program as a script and say how it ended.

    Args:
        program: Python source.
        stdin: its standard input.
        files: further files of its folder, by relative name.
        limits: see `Limits`.
        backend: how it is enclosed; None for the strongest that probing proves.
        require: the level below which nothing is run.

    Raises:
        IsolationRefused: the level cannot be had here.
    """
    spec = {"mode": "script", "program": program, "stdin": stdin, "files": dict(files or {})}
    return tried(spec, {}, limits or Limits(), choose(backend, require))


def judge(
    program: str,
    work: dict[str, Any],
    limits: Limits | None = None,
    backend: Backend | None = None,
    require: Level | None = None,
    stdin: str = "",
) -> ProgramRun:
    """Load a program and run tests or expressions against it, from a process that it cannot reach.

    Args:
        program: Python source, loaded as a module `solution`.
        work: what `eval.sandbox.inside.judging.judge` takes.
        limits: of program and tests together.
        backend: how it is enclosed; None for the strongest that probing proves.
        require: the level below which nothing is run.
        stdin: the program's standard input.

    Raises:
        IsolationRefused: the level cannot be had here.
    """
    spec = {"mode": "calls", "program": program, "stdin": stdin, "files": {}}
    return tried(spec, work, limits or Limits(), choose(backend, require))


def choose(backend: Backend | None, require: Level | None) -> Warm:
    """The warm interpreter of the wanted or the strongest back-end.

    Raises:
        IsolationRefused: there is none of the required level, or none at all.
    """
    reasons = []
    for one in [backend] if backend else list(LEVELS):
        found = proved(one)
        if found.level is not None and (require is None or require == found.level):
            return warm(one)
        reasons.append(f"{one}: {found.why or f'only {found.level}'}")
    wanted = f"{require} runs" if require else "no program can run"
    raise IsolationRefused(f"{wanted} {'are impossible ' if require else ''}on this machine ({'; '.join(reasons)})")
